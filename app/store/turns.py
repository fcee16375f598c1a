"""Whose turn it is to write to an SQLite file, among processes: SQLite's own waiting is slow and not fair.

It sleeps for up to a tenth of a second between two looks, so that a lock which is free again stays unused.
A lock on a file beside it is looked at each millisecond. Programs that do not know it, such as the sqlite3
shell, are still waited for in SQLite's way.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.core.errors import StoreError
from app.store.faults import BUSY_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LOOK_S = 0.001


class Turns:
    """One process's place in the queue of writers."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._ours = asyncio.Lock()
        self._file: int | None = None

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold the only turn; raises StoreError where others hold it for too long."""
        try:
            async with asyncio.timeout(BUSY_S):
                await self._ours.acquire()
        except TimeoutError as error:
            raise self._busy() from error
        try:
            file = self._opened()
            await self._wait(file)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)
        finally:
            self._ours.release()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def _wait(self, file: int) -> None:
        try:
            async with asyncio.timeout(BUSY_S):
                while not _locked(file):  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(LOOK_S)
        except TimeoutError as error:
            raise self._busy() from error

    def _opened(self) -> int:
        if self._file is None:
            path = self._database.with_name(f"{self._database.name}.writers")
            try:
                self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StoreError(f"{path} cannot be opened: {error.strerror}; check its folder") from error
        return self._file

    def _busy(self) -> StoreError:
        return StoreError(f"The database {self._database} was in use for more than {BUSY_S} s")


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
