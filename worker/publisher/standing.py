"""How units stand on their hosts, from a watcher's report into the store: states, and no events."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from app.core import logs
from app.core.base import now
from app.core.redact import printable
from app.core.units import UnitState
from app.store import units

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.redact import Redactor
    from app.core.settings import Settings
    from app.core.units import UnitStates
    from app.store.database import Store

MOST = 2000
"""Units that one host may have; the rest of them is left out."""
WORD, NAME = 64, 255


async def take_in(settings: Settings, store: Store, redactor: Redactor, report: UnitStates) -> None:
    """Keep how a host's units stand; what fits no project, or comes too late, is left out."""
    tidy = _tidied(settings, redactor, report)
    async with store.write() as tx:
        if not await units.told(tx, tidy):
            logs.get().info("units: an older report came late", host=tidy.host)


def _tidied(settings: Settings, redactor: Redactor, report: UnitStates) -> UnitStates:
    """Return the report with what others sent made harmless, and each unit once."""

    def fit(text: str, limit: int) -> str:
        return redactor.text(printable(text, keep_newlines=False))[:limit]

    items: dict[tuple[str, str], UnitState] = {}
    for each in report.items[:MOST]:
        project = settings.projects.get(each.project)
        unit = fit(each.unit, NAME)
        if project is None or not any(fnmatchcase(unit, pattern) for pattern in project.units):
            continue
        items[each.project, unit] = UnitState(
            project=each.project,
            unit=unit,
            load=fit(each.load, WORD),
            active=fit(each.active, WORD),
            sub=fit(each.sub, WORD),
            result=fit(each.result, WORD),
            since=_past(each.since),
        )
    host, bus = fit(report.host, NAME), fit(report.bus, NAME)
    return report.model_copy(update={"host": host, "bus": bus, "items": tuple(items.values())})


def _past(at: datetime | None) -> datetime | None:
    """Return a moment that is not ahead of our clock."""
    return None if at is None else min(at, now())
