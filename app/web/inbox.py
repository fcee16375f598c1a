"""Where deliveries wait for their turn to be written: all that have come go in one transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.store.database import Store
    from app.store.inbox import Arrival, Taken

    Waiting = list[tuple[Arrival, asyncio.Future[Taken]]]

MOST_AT_ONCE = 100


class Inbox:
    """Writes deliveries to the store: in a burst one transaction takes many, and each waits for its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: Waiting = []
        self._writing: asyncio.Task[None] | None = None
        self._alone = 0

    async def take(self, arrival: Arrival) -> Taken:
        """Return what came of a delivery, once that is in the store; raises StoreError."""
        future: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="deliveries")
        return await future

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._write_some()
        finally:
            self._writing = None

    async def _write_some(self) -> None:
        from app.store import inbox

        some: Waiting = []
        try:
            async with self._store.write() as tx:
                some = self._next()  # only now: what came while we waited for another writer goes along
                taken = await inbox.take(tx, [arrival for arrival, _ in some])
        except Exception as error:  # noqa: BLE001 - it is theirs who wait
            if len(some) > 1:  # one of them may be the reason: each by itself, so that it takes none along
                self._waiting, self._alone = some + self._waiting, len(some)
            else:
                self._fail(some, error)
        else:
            for (_, future), each in zip(some, taken, strict=True):
                if not future.done():
                    future.set_result(each)

    def _next(self) -> Waiting:
        most = 1 if self._alone else MOST_AT_ONCE
        self._alone = max(0, self._alone - 1)
        some, self._waiting = self._waiting[:most], self._waiting[most:]
        return some

    def _fail(self, some: Waiting, error: Exception) -> None:
        """Tell one delivery, or all that wait where not even a transaction could be begun."""
        if not some:
            some, self._waiting, self._alone = self._waiting, [], 0
        for _, future in some:
            if not future.done():
                future.set_exception(error)
