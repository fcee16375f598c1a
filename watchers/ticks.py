"""When each project's daily look is due: pure functions of a clock that is passed in.

A tick is named by its project and its local calendar day, so that the same tick from two watchers,
or again after a restart, is one. What goes wrong with clocks (a leap over daylight saving, a host
that boots in the past, a clock set a day back) moves a tick or names an older day; it never makes two
ticks of one day.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim

from app.core.reports import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SPREAD = timedelta(hours=1)
"""Projects look one after another within this time, not all at once."""
ONE_DAY = timedelta(days=1)
REMEMBERED = 8
NO_ZONE = (ValueError, LookupError, OSError)
LOCALTIME = Path("/etc/localtime")


def tick_at(project: str, day: date, *, scan_at: time, zone: ZoneInfo) -> datetime:
    """Return, in UTC, when that project's tick of that local day is due.

    `scan_at` in the hour that daylight saving leaps over is the first moment after it; in the hour
    that comes twice it is the first of the two. The spread never reaches into the next day.
    """
    midnight = datetime.combine(day, time(), zone)
    tomorrow = datetime.combine(day + ONE_DAY, time(), zone).astimezone(UTC)
    cron = CronSim(f"{scan_at.minute} {scan_at.hour} * * *", midnight - timedelta(seconds=1))
    first = min(next(cron).astimezone(UTC), tomorrow - timedelta(minutes=1))
    room = min(SPREAD, tomorrow - first)
    return first + timedelta(seconds=_share(project) * room.total_seconds() // 1)


def latest(project: str, now: datetime, *, scan_at: time, zone: ZoneInfo) -> date:
    """Return the local day of the project's last tick that was due by now."""
    today = now.astimezone(zone).date()
    return today if tick_at(project, today, scan_at=scan_at, zone=zone) <= now else today - ONE_DAY


def due(
    sent: Mapping[str, Iterable[date]], now: datetime, *, scan_at: time, zone: ZoneInfo
) -> list[tuple[Tick, date]]:
    """Return each project's newest tick that is due and not in `sent`, with its day."""
    days = {project: latest(project, now, scan_at=scan_at, zone=zone) for project in sent}
    return [
        (Tick(id=f"{project}:{day.isoformat()}", project=project, day=day.isoformat()), day)
        for project, day in days.items()
        if day not in sent[project]
    ]


def following(projects: Iterable[str], now: datetime, *, scan_at: time, zone: ZoneInfo) -> datetime:
    """Return, in UTC, when the next tick of any of these projects falls due after now."""
    today = now.astimezone(zone).date()
    days = (today, today + ONE_DAY, today + 2 * ONE_DAY)
    moments = (tick_at(project, day, scan_at=scan_at, zone=zone) for project in projects for day in days)
    return min((moment for moment in moments if moment > now), default=now + ONE_DAY)


def at_start(projects: Iterable[str], now: datetime, *, zone: ZoneInfo) -> dict[str, list[date]]:
    """Return what to take as sent when a watcher starts: yesterday's, so that today's alone is caught up."""
    yesterday = now.astimezone(zone).date() - ONE_DAY
    return {project: [yesterday] for project in projects}


def remember(days: list[date], day: date) -> list[date]:
    """Return the days with one more, the last few of them: a clock set back must find its day again."""
    return [*days, day][-REMEMBERED:]


def local_zone(*, tz: str | None = None, localtime: Path = LOCALTIME) -> ZoneInfo:
    """Return the host's time zone: `TZ` where it names one, else /etc/localtime, else UTC."""
    name = (os.environ.get("TZ", "") if tz is None else tz).removeprefix(":")
    with suppress(*NO_ZONE):  # a POSIX rule such as CET-1CEST names none
        if name:
            return ZoneInfo(name)
    with suppress(*NO_ZONE), localtime.open("rb") as file:
        return ZoneInfo.from_file(file, key="localtime")
    return ZoneInfo("UTC")


def _share(project: str) -> float:
    """Return a number from 0 to 1 that is the same for a name on every host and in every run."""
    return int.from_bytes(hashlib.sha256(project.encode()).digest()[:4]) / 2**32
