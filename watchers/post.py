"""The way of a report to Redis; while Redis is away, through a folder on this host."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.core import logs
from app.core.errors import QueueError, WatchError
from app.core.reports import Recovery

if TYPE_CHECKING:
    from app.core.queue import Bell
    from app.core.reports import Failure
    from watchers.spool import Spool


AGAIN_S = 5.0


class Post:
    """Sends reports in the order in which they came; what cannot be sent waits in the spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._keeping = bool(spool.waiting())
        self.bell: Bell | None = None
        self.wanted = asyncio.Event()
        """Set when reports wait in the spool."""

    async def send(self, report: Failure | Recovery) -> None:
        """Send a report, or keep it; returns once it is at the one place or the other."""
        while True:
            if await self._sends(report) or await self._keeps(report):
                return
            await asyncio.sleep(AGAIN_S)

    async def _sends(self, report: Failure | Recovery) -> bool:
        if self.bell is None or self._keeping:
            return False
        try:
            await _sent(self.bell, report)
        except QueueError as error:
            logs.get().warning("reports wait", reason=str(error))
            return False
        return True

    async def _keeps(self, report: Failure | Recovery) -> bool:
        try:
            await asyncio.to_thread(self._spool.put, report)
        except WatchError as error:
            logs.get().error("a report waits in memory", unit=report.unit, reason=str(error))
            return False
        self._keeping = True
        self.wanted.set()
        return True

    async def drain(self) -> None:
        """Send what waits, the oldest first; raises QueueError, and what is left goes on waiting."""
        self.wanted.clear()
        if self.bell is None:
            return
        while waiting := await asyncio.to_thread(self._spool.waiting):
            for path in waiting:
                report = await asyncio.to_thread(self._spool.read, path)
                if report is not None:
                    await _sent(self.bell, report)
                    self._spool.drop(path)
        self._keeping = self.wanted.is_set()


async def _sent(bell: Bell, report: Failure | Recovery) -> None:
    await (bell.recovered(report) if isinstance(report, Recovery) else bell.failure(report))
