"""The process of `pimainteno watch`: what happens on this host becomes reports in Redis.

Redis is all that it reaches. Today it brings the daily ticks alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from app.core import logs, redis
from app.core.errors import PimaintenoError
from app.core.queue import Bell
from app.core.redact import Redactor
from watchers import ticks

if TYPE_CHECKING:
    from app.core.settings import Settings

LONGEST_SLEEP_S = 30.0
"""Look at the clock this often: it can be set, and a host can sleep through a tick."""
BACK_OFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)


async def serve(settings: Settings) -> None:
    """Send each project's tick once per local day until SIGTERM or SIGINT."""
    logs.configure(Redactor(settings.secrets()), process="watch")
    stopped = _stop_signals()
    if not settings.watch.ticks:
        logs.get().info("nothing to do: watch.ticks is false, and watching units comes in a later version")
        await stopped.wait()
        return
    await _keep_ticking(settings, stopped)


def _stop_signals() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _keep_ticking(settings: Settings, stopped: asyncio.Event) -> None:
    """Tick through every absence of Redis: what could not be sent stays due."""
    zone = ticks.local_zone()
    sent = ticks.at_start(settings.projects, datetime.now(UTC), zone=zone)
    logs.get().info("daily ticks", at=settings.watch.scan_at, zone=zone.key, projects=len(sent))
    failures = 0
    while not stopped.is_set():
        try:
            async with redis.running(settings) as url, Bell(url) as bell:
                await bell.ping()
                failures = 0
                while not stopped.is_set():
                    await _send(bell, settings, sent)
                    await _pause(stopped, _until_next(settings, sent))
        except PimaintenoError as error:
            after_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            logs.get().warning("ticks wait", reason=str(error), again_in_s=after_s)
            failures += 1
            await _pause(stopped, after_s)


async def _send(bell: Bell, settings: Settings, sent: dict[str, list[date]]) -> None:
    """Send what is due now; a tick counts as sent once Redis has it."""
    now, zone = datetime.now(UTC), ticks.local_zone()
    for tick, day in ticks.due(sent, now, scan_at=time.fromisoformat(settings.watch.scan_at), zone=zone):
        await bell.tick(tick)
        sent[tick.project] = ticks.remember(sent[tick.project], day)
        logs.get().info("tick sent", project=tick.project, day=tick.day)


def _until_next(settings: Settings, sent: dict[str, list[date]]) -> float:
    now = datetime.now(UTC)
    moment = ticks.following(
        sent, now, scan_at=time.fromisoformat(settings.watch.scan_at), zone=ticks.local_zone()
    )
    return min(LONGEST_SLEEP_S, (moment - now).total_seconds())


async def _pause(stopped: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()
