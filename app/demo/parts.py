"""The demo's PiMainteno: `pimainteno up` as a child, its log kept for when something goes wrong."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from app.commands.following import until
from app.commands.together import command, end
from app.core import process
from app.core.errors import ProcessError
from app.core.queue import Queue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping
    from typing import Any

    from app.core.queue import Bell
    from app.core.settings import Settings

T = TypeVar("T")
POLL_S = 0.1
READY_WITHIN_S = 60.0
LOG_BYTES = 16 * 1024
SHOWN_LINES = 12
WATCHING = " watch: watching units "
TROUBLE = re.compile(r"^\S+ (?:warning|error) watch: (.+)$", re.MULTILINE)
"""What its log says when the watcher hears of units, and when something is in its way."""


@dataclass
class Parts:
    """The running processes."""

    child: asyncio.subprocess.Process
    port: int
    _kept: process.Tail = field(default_factory=lambda: process.Tail(LOG_BYTES))

    def log(self) -> str:
        """Return the last lines that the processes printed."""
        return "\n".join(self._text().splitlines()[-SHOWN_LINES:])

    def trouble(self) -> str:
        """Return the last warning of the watcher; "" where it gave none."""
        return next(reversed(TROUBLE.findall(self._text())), "")

    async def listen(self) -> None:
        """Keep what they print; a full pipe would stop them."""
        while self.child.stdout is not None and (chunk := await self.child.stdout.read(1 << 16)):
            self._kept.add(chunk)

    async def ready(self, bell: Bell) -> None:
        """Wait until the page answers and a worker serves each queue; raises ProcessError."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self.unless_ended(self._answering(bell))
        except TimeoutError:
            raise ProcessError(
                f"PiMainteno did not come up within {READY_WITHIN_S:.0f} s:\n{self.log()}"
            ) from None

    async def watching(self, within_s: float) -> bool:
        """Tell whether the watcher hears of units, giving it time to get to that; raises ProcessError."""
        try:
            async with asyncio.timeout(within_s):
                await self.unless_ended(until(self._watches, every_s=POLL_S))
        except TimeoutError:
            return False
        return True

    async def unless_ended(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns; raises ProcessError with the log as soon as the child ends."""
        doing = asyncio.ensure_future(work)
        ending = asyncio.ensure_future(process.exited(self.child))
        try:
            await asyncio.wait([doing, ending], return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise ProcessError(f"PiMainteno ended by itself; its log ends:\n{self.log()}")
        finally:
            for task in (doing, ending):
                task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.gather(doing, ending, return_exceptions=True)

    def _text(self) -> str:
        return self._kept.bytes().decode(errors="replace")

    async def _watches(self) -> bool:
        return WATCHING in self._text()

    async def _answering(self, bell: Bell) -> None:
        for queue in Queue:
            await until(partial(bell.has_worker, queue), every_s=POLL_S)
        await until(partial(_page_answers, self.port), every_s=POLL_S)


@asynccontextmanager
async def running_parts(settings: Settings, env: Mapping[str, str]) -> AsyncIterator[Parts]:
    """Run `up` with the page open to decisions; ended gracefully on leaving, and gone if we are killed."""
    argv = command(settings.source, "up", "--attached", "--demo")
    async with process.start(argv, env=env, merge=True) as child:
        parts = Parts(child, settings.web.port)
        listening = asyncio.create_task(parts.listen())
        try:
            yield parts
        finally:
            await asyncio.shield(end([child]))
            listening.cancel()


async def _page_answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        return b" 200 " in await reader.readline()
    finally:
        writer.close()
