"""Files and folders around repositories: written whole, deleted whatever they hold, and locked."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.core import process
from app.core.errors import GitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


REMOVE = ("rm", "-rf", "--one-file-system", "--")

_leaving: list[tuple[frozenset[Path], Callable[[], int | None]]] = []
"""No task of the event loop: one that starts a process while the loop ends would never end itself."""


class HeldError(GitError):
    """A lock is held by another job."""


def replace(path: Path, text: str) -> None:
    """Write a file aside and rename it, unless it holds that text already."""
    try:
        if path.is_file() and not path.is_symlink() and path.read_text(errors="surrogateescape") == text:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        aside.write_text(text, errors="surrogateescape")
        aside.chmod(0o644)
        aside.replace(path)
    except OSError as error:
        raise GitError(f"{path} cannot be written: {error.strerror or error}") from error


def there(path: Path) -> bool:
    """Tell whether anything has that name, a broken link included."""
    return os.path.lexists(path)


async def delete(*folders: Path) -> None:
    """Delete folders of any depth and any permissions, following no link."""
    left = [str(folder) for folder in folders if there(folder)]
    if not left:
        return
    command = [*REMOVE, *left]
    done = await process.run(command)
    if done.returncode != 0:  # a folder that closes itself to its owner
        await process.run(["chmod", "-R", "u+rwx", "--", *left])
        done = await process.run(command)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise GitError(f"{left[0]} cannot be removed: {''.join(words)}")


def delete_soon(*folders: Path) -> None:
    """Delete folders without waiting for it; what resists, or a crash leaves, is for `delete` later."""
    left = [folder for folder in folders if there(folder)]
    if left:
        _leaving.append((frozenset(left), process.spawn([*REMOVE, *map(str, left)]).poll))


def deleting() -> frozenset[Path]:
    """Return the folders that `delete_soon` is still at."""
    _leaving[:] = [(these, ended) for these, ended in _leaving if ended() is None]
    return frozenset().union(*(these for these, _ in _leaving))


@asynccontextmanager
async def alone(lock: Path, *, wait_s: float = 120.0) -> AsyncIterator[None]:
    """Hold a lock file, in this process and between processes; HeldError when another keeps it too long."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        await _wait(descriptor, lock, wait_s)
        yield
    finally:
        os.close(descriptor)


async def _wait(descriptor: int, lock: Path, wait_s: float) -> None:
    ends = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if asyncio.get_running_loop().time() >= ends:
                raise HeldError(f"{lock} has been held by another job for {wait_s:g} s") from error
        else:
            return
        await asyncio.sleep(0.02)
