"""The process of `pimainteno watch`: what happens on this host becomes reports in Redis.

Redis is all that it reaches: failures of units and the daily ticks go there.
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
from app.core.tasks import end
from watchers import ticks
from watchers.journal import Journal
from watchers.post import Post
from watchers.present import Present
from watchers.reports import Reporter
from watchers.spool import Spool
from watchers.watching import Watching

if TYPE_CHECKING:
    from app.core.settings import Settings

LONGEST_SLEEP_S = 30.0
"""Look at the clock this often: it can be set, and a host can sleep through a tick."""
BACK_OFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)
FINISH_S = 2.0
"""How long a report under way may hold up the end."""


async def serve(settings: Settings) -> None:
    """Report what fails, and send each project's tick once per local day, until SIGTERM or SIGINT."""
    logs.configure(Redactor(settings.secrets()), process="watch")
    stopped = _stop_signals()
    watches = any(project.units for project in settings.projects.values())
    if not settings.watch.ticks and not watches:
        logs.get().info("nothing to do: watch.ticks is false, and no project has units")
        await stopped.wait()
        return
    post = Post(Spool(settings.paths.watch))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_keep_sending(settings, post))]
        reporter = _reporter(settings, post)
        if watches:
            present = Present(settings, post)
            running += [
                tasks.create_task(reporter.run()),
                tasks.create_task(Watching(settings, reporter, present).run()),
                tasks.create_task(present.run()),
            ]
        await stopped.wait()
        await _finish(reporter)
        await end(running)


def _reporter(settings: Settings, post: Post) -> Reporter:
    journal = Journal(settings.watch.journal, user=settings.watch.bus == "user")
    return Reporter(settings, journal, post)


async def _finish(reporter: Reporter) -> None:
    """Give reports under way a moment; units that are still failed are found at the next start."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FINISH_S):
            await reporter.finish()


def _stop_signals() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _keep_sending(settings: Settings, post: Post) -> None:
    """Hold Redis and send through each of its absences: what could not be sent waits or stays due."""
    sent: dict[str, list[date]] = {}
    if settings.watch.ticks:
        zone = ticks.local_zone()
        sent = ticks.at_start(settings.projects, datetime.now(UTC), zone=zone)
        logs.get().info("daily ticks", at=settings.watch.scan_at, zone=zone.key, projects=len(sent))
    failures = 0
    while True:
        try:
            async with redis.running(settings) as url, Bell(url) as bell:
                await bell.ping()
                failures, post.bell = 0, bell
                while True:
                    await post.drain()
                    await _send(bell, settings, sent)
                    await _pause(_until_next(settings, sent), post.wanted)
        except PimaintenoError as error:
            after_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            logs.get().warning("ticks wait", reason=str(error), again_in_s=after_s)
            failures += 1
        finally:
            post.bell = None
        await asyncio.sleep(after_s)


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


async def _pause(seconds: float, event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
