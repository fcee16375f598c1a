"""Many at once: what is asked one by one while a transaction is at work makes up the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from app.core.errors import PimaintenoError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

GATHER_S = 0.05
"""In a flood the next batch is given this long to grow: a transaction costs as much for fifty as for one."""
AT_MOST_HEAVY = 512 * 1024

T = TypeVar("T")


class Together(Generic[T]):
    """Hands what waits to `work`, one batch after the other.

    A batch ends at `at_most` items, or with the item that brings it to the weight of `AT_MOST_HEAVY`: one
    that takes longer than its reports may wait would be done over and over.
    """

    def __init__(
        self,
        work: Callable[[list[T]], Awaitable[None]],
        *,
        at_most: int,
        weight: Callable[[T], int] = lambda _: 0,
    ) -> None:
        self._work = work
        self._at_most = at_most
        self._weight = weight
        self._waiting: deque[tuple[T, asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def do(self, item: T) -> None:
        """Return when `work` is done with the item; raise what it raised."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work_off(), name="together")
        await done

    async def close(self) -> None:
        """Stop, and let go of whoever waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._let_go([*self._waiting])  # a task that is cancelled before its first step has done nothing

    async def _work_off(self) -> None:
        batch: list[tuple[T, asyncio.Future[None]]] = []
        try:
            while self._waiting:
                batch = self._next()
                await self._do(batch)
                if len(batch) > 1:
                    await asyncio.sleep(GATHER_S)
        finally:
            self._let_go([*batch, *self._waiting])

    def _next(self) -> list[tuple[T, asyncio.Future[None]]]:
        batch: list[tuple[T, asyncio.Future[None]]] = []
        weight = 0
        while self._waiting and len(batch) < self._at_most and weight < AT_MOST_HEAVY:
            item, done = self._waiting.popleft()
            if not done.done():  # who has given up comes again
                batch.append((item, done))
                weight += self._weight(item)
        return batch

    def _let_go(self, items: list[tuple[T, asyncio.Future[None]]]) -> None:
        for _, done in items:
            done.cancel()  # nothing, where it is done
        self._waiting.clear()

    async def _do(self, batch: list[tuple[T, asyncio.Future[None]]]) -> None:
        if not batch:
            return
        try:
            await self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - raised again, where each waits
            if len(batch) > 1 and not isinstance(error, PimaintenoError):
                for one in batch:  # one that cannot be done must not keep the others back
                    await self._do([one])
                return
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
