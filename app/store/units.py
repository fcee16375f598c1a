"""The tables `units` and `watchers`: how the units on each host stand now. States: the history has none."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, not_, select, update

from app.core.base import now
from app.core.units import SILENT_AFTER, KnownUnit, UnitCounts
from app.store.tables import units, watchers
from app.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import timedelta

    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.core.units import UnitState, UnitStates

MISTAKE_US = 60_000_000
"""What was sent this long after now was sent by a clock that was wrong, and is older than all else."""
KEPT = ("load", "active", "sub", "result", "since")
LOADED = ("loaded", "")


async def told(tx: AsyncConnection, report: UnitStates) -> bool:
    """Keep what a watcher tells; False, and nothing changed, where it has told everything anew since.

    Reports may overtake each other on their way here: of each unit the newest counts.
    """
    here = {"host": report.host, "bus": report.bus}
    row = insert(tx, watchers).values(**here, heard_at=now(), told=0)
    await tx.execute(row.on_conflict_do_nothing(index_elements=["host", "bus"]))
    watcher = and_(watchers.c.host == report.host, watchers.c.bus == report.bus)
    last = await tx.scalar(select(watchers.c.told).where(watcher).with_for_update())
    if not _is_newer(report.sent, last or 0):
        return False
    known = await _known(tx, report)
    fresh = [each for each in report.items if _says_more(report, each, known)]
    named = {(each.project, each.unit) for each in report.items}
    rest = [key for key, row in known.items() if key not in named and _is_newer(report.sent, row["sent"])]
    gone = rest if report.full else []
    await _keep(tx, report, fresh)
    await _drop(tx, report, gone)
    heard: dict[str, Any] = {"heard_at": now(), **({"told": report.sent} if report.full else {})}
    if fresh or gone:
        heard["changed"] = 1 + await newest(tx)
    await tx.execute(update(watchers).where(watcher).values(heard))
    return True


async def newest(tx: AsyncConnection) -> int:
    """Return the number of the last change of any unit; 0 where there was none."""
    return await tx.scalar(select(func.max(watchers.c.changed))) or 0


async def changed(tx: AsyncConnection, after: int) -> dict[str, int]:
    """Return the projects whose hosts told of a change after that number, each with its last change."""
    there = and_(watchers.c.host == units.c.host, watchers.c.bus == units.c.bus)
    query = select(units.c.project, func.max(watchers.c.changed)).join(watchers, there)
    rows = await tx.execute(query.where(watchers.c.changed > after).group_by(units.c.project))
    return dict(rows.all())


async def of_project(tx: AsyncConnection, project: str) -> list[KnownUnit]:
    """Return a project's units as they stood last, by name and host.

    A unit that some hosts have is not missing on the others.
    """
    query = (
        select(units, watchers.c.heard_at)
        .join(watchers, and_(watchers.c.host == units.c.host, watchers.c.bus == units.c.bus))
        .where(units.c.project == project)
        .order_by(units.c.unit, units.c.host, units.c.bus)
    )
    found = [KnownUnit.model_validate(dict(row)) for row in (await tx.execute(query)).mappings()]
    there = {each.unit for each in found if not each.missing}
    return [each for each in found if not each.missing or each.unit not in there]


async def counts(tx: AsyncConnection) -> dict[str, UnitCounts]:
    """Return how the units of each project stand, in numbers; a project without any is left out."""
    silent = watchers.c.heard_at < now() - SILENT_AFTER
    kinds = (units.c.project, units.c.unit, units.c.load, units.c.active, units.c.result, silent)
    query = (
        select(*kinds, func.count())
        .join(watchers, and_(watchers.c.host == units.c.host, watchers.c.bus == units.c.bus))
        .group_by(*kinds)
    )
    rows = (await tx.execute(query)).all()
    there = {(project, unit) for project, unit, load, *_ in rows if load in LOADED}
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for project, unit, load, active, result, is_silent, count in rows:
        if load in LOADED or (project, unit) not in there:
            found[project][_standing(load, active, result, silent=is_silent)] += count
    return {project: UnitCounts(**numbers) for project, numbers in found.items()}


async def forget(tx: AsyncConnection, *, projects: Collection[str], silent_for: timedelta) -> None:
    """Let go of hosts that were not heard of for so long, and of projects other than these."""
    gone = watchers.c.heard_at < now() - silent_for
    of_it = and_(watchers.c.host == units.c.host, watchers.c.bus == units.c.bus)
    await tx.execute(delete(units).where(select(watchers.c.host).where(of_it, gone).exists()))
    await tx.execute(delete(watchers).where(gone))
    await tx.execute(delete(units).where(not_(units.c.project.in_(projects))))


async def _known(tx: AsyncConnection, report: UnitStates) -> dict[tuple[str, str], dict[str, Any]]:
    rows = await tx.execute(select(units).where(units.c.host == report.host, units.c.bus == report.bus))
    return {(row["project"], row["unit"]): dict(row) for row in rows.mappings()}


def _says_more(report: UnitStates, item: UnitState, known: dict[tuple[str, str], dict[str, Any]]) -> bool:
    """Tell whether an item is to be written; where a full report says the same again, `told` is enough."""
    row = known.get((item.project, item.unit))
    if row is None:
        return True
    same = report.full and all(getattr(item, key) == row[key] for key in KEPT)
    return _is_newer(report.sent, row["sent"]) and not same


async def _keep(tx: AsyncConnection, report: UnitStates, items: Iterable[UnitState]) -> None:
    rows = [
        {"host": report.host, "bus": report.bus, "sent": report.sent, **item.model_dump()} for item in items
    ]
    if rows:
        new = insert(tx, units)
        fresh = {key: new.excluded[key] for key in (*KEPT, "sent")}
        keys = ["host", "bus", "project", "unit"]
        await tx.execute(new.on_conflict_do_update(index_elements=keys, set_=fresh), rows)


async def _drop(tx: AsyncConnection, report: UnitStates, keys: Iterable[tuple[str, str]]) -> None:
    for project, unit in keys:
        one = and_(units.c.project == project, units.c.unit == unit)
        await tx.execute(delete(units).where(units.c.host == report.host, units.c.bus == report.bus, one))


def _is_newer(sent: int, known: int) -> bool:
    return sent >= known or known > now().timestamp() * 1e6 + MISTAKE_US


def _standing(load: str, active: str, result: str, *, silent: bool) -> str:
    if silent:
        return "silent"
    if load not in LOADED:
        return "missing"
    if result or active == "failed":
        return "failed"
    return "active" if active == "active" else "other"
