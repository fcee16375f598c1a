"""Whose turn it is to write to an SQLite file, among processes: SQLite's own waiting is slow and not fair.

It sleeps for up to a tenth of a second between two looks, so that a lock which is free again stays unused.
Locks on two files beside it are looked at each millisecond. Who wants to write first gets the place at the
door, and keeps it until it is let in: a process with much to write stands behind whoever waits there, and
cannot take one turn after the other. Programs that do not know this, such as the sqlite3 shell, are still
waited for in SQLite's way.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from app.core.errors import StoreError
from app.store.faults import BUSY_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

DOOR, INSIDE = ".next-writer", ".writers"
"""What the names of the two files end with."""
LOOK_S = 0.001


class Turns:
    """One process's place in the queue of writers."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._ours = asyncio.Lock()
        self._files: dict[str, int] = {}

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold the only turn; raises StoreError where others hold it for too long."""
        try:
            async with asyncio.timeout(BUSY_S):
                await self._ours.acquire()
        except TimeoutError as error:
            raise self._busy() from error
        try:
            door, inside = self._opened(DOOR), self._opened(INSIDE)
            await self._let_in(door, inside)
            with _unlocking(inside):
                yield
        finally:
            self._ours.release()

    def close(self) -> None:
        """Let go of the files."""
        while self._files:
            os.close(self._files.popitem()[1])

    async def _let_in(self, door: int, inside: int) -> None:
        try:
            async with asyncio.timeout(BUSY_S):
                await _locked(door)
                with _unlocking(door):
                    await _locked(inside)
        except TimeoutError as error:
            raise self._busy() from error

    def _opened(self, ending: str) -> int:
        if ending not in self._files:
            path = self._database.with_name(f"{self._database.name}{ending}")
            try:
                self._files[ending] = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StoreError(f"{path} cannot be opened: {error.strerror}; check its folder") from error
        return self._files[ending]

    def _busy(self) -> StoreError:
        return StoreError(f"The database {self._database} was in use for more than {BUSY_S} s")


async def _locked(file: int) -> None:
    while True:  # the kernel tells nobody
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(LOOK_S)


@contextmanager
def _unlocking(file: int) -> Iterator[None]:
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
