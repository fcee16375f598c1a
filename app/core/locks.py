"""Locks between processes by flock(2): the kernel lets them go when their holder dies."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from app.core.errors import PimaintenoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL_S = 0.02


@contextlib.contextmanager
def lock_file(path: Path) -> Iterator[int]:
    """Open a file to lock; whatever lock is taken ends with the block, unless a child inherited it.

    Raises PimaintenoError when the file cannot be opened.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise PimaintenoError(
            f"{path} cannot be used ({error.strerror}): check state_dir and its owner"
        ) from error
    try:
        yield fd
    finally:
        os.close(fd)


async def locked(fd: int, *, within_s: float) -> bool:
    """Take the lock for us alone; False if another has it for longer than `within_s`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if loop.time() >= end:
                return False
            await asyncio.sleep(POLL_S)
        else:
            return True
