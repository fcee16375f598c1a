"""The table `events`: the history. Rows are only ever added; triggers of the database refuse all else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, insert, select, union_all

from app.core.base import now as present
from app.core.errors import NotFoundError
from app.core.models import Event
from app.store import cursors
from app.store.tables import events

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection


SPARE = timedelta(hours=1)


async def append(
    tx: AsyncConnection,
    kind: str,
    text: str,
    *,
    project: str | None = None,
    proposal: int | None = None,
    run: int | None = None,
    actor: str = "pimainteno",
    host: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Add a line to the history, at the present time."""
    columns = {
        "at": present(),
        "kind": kind,
        "project": project,
        "proposal": proposal,
        "run": run,
        "actor": actor,
        "host": host,
        "text": text,
        "data": dict(data or {}),
    }
    row = (await tx.execute(insert(events).values(**columns).returning(events))).mappings().one()
    return Event.model_validate(dict(row))


async def is_newer(tx: AsyncConnection, proposal: int, kind: str, *, than: str) -> bool:
    """Tell whether a proposal's last line of one kind came after its last of another kind."""
    ids = []
    for each in (kind, than):
        newest = select(func.max(events.c.id)).where(events.c.proposal == proposal, events.c.kind == each)
        ids.append(await tx.scalar(newest) or 0)
    return ids[0] > ids[1]


async def get(tx: AsyncConnection, event_id: int) -> Event:
    """Return one line; NotFoundError where there is none."""
    row = (await tx.execute(select(events).where(events.c.id == event_id))).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no line {event_id} in the history")
    return Event.model_validate(dict(row))


class Mark(NamedTuple):
    """That something happened, and to what, without its words."""

    id: int
    kind: str
    project: str | None
    proposal: int | None


async def newest(tx: AsyncConnection) -> int:
    """Return the id of the last line; 0 where the history is empty."""
    return await tx.scalar(select(func.max(events.c.id))) or 0


async def marks(
    tx: AsyncConnection,
    *,
    after: int,
    upto: int | None = None,
    project: str | None = None,
    proposal: int | None = None,
    limit: int,
) -> list[Mark]:
    """Return what happened after one line, up to and including another, oldest first."""
    query = select(events.c.id, events.c.kind, events.c.project, events.c.proposal).where(events.c.id > after)
    query = query.where(*_filters(project=project, proposal=proposal))
    if upto is not None:
        query = query.where(events.c.id <= upto)
    return [Mark(*row) for row in await tx.execute(query.order_by(events.c.id).limit(limit))]


async def has(tx: AsyncConnection, kind: str, **data: str) -> bool:
    """Tell whether a line of that kind was ever written with such data."""
    found = await tx.scalars(select(events.c.data).where(events.c.kind == kind))
    return any(data.items() <= each.items() for each in found)


async def page(
    tx: AsyncConnection,
    *,
    project: str | None = None,
    proposal: int | None = None,
    kind: str | None = None,
    actor: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    cursor: str | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> tuple[list[Event], str | None]:
    """Return lines of the history and the cursor of the next page; `after` leaves out all up to that id.

    `kind` is one kind, or the beginning of several with its dot: `proposal.`. `since` counts in, `until`
    does not.
    """
    which = _filters(project=project, proposal=proposal, actor=actor)
    which += await _between(tx, since, until)
    if after is not None:
        which.append(events.c.id > after)
    if cursor:
        last = cursors.decode(cursor)
        which.append(events.c.id < last if newest_first else events.c.id > last)
    order = events.c.id.desc() if newest_first else events.c.id
    if kind is not None and kind.endswith("."):
        kinds = await _kinds(tx, kind)
        if not kinds:
            return [], None
        each = [
            select(
                select(events.c.id)
                .where(events.c.kind == one, *which)
                .order_by(order)
                .limit(limit + 1)
                .subquery()
            )
            for one in kinds
        ]
        which = [events.c.id.in_(union_all(*each))]
    elif kind is not None:
        which.append(events.c.kind == kind)
    rows = (await tx.execute(select(events).where(*which).order_by(order).limit(limit + 1))).mappings()
    return cursors.split([Event.model_validate(dict(row)) for row in rows], limit)


async def _kinds(tx: AsyncConnection, prefix: str) -> list[str]:
    """Return the kinds that begin so; the index leads from one kind to the next, past all of its lines."""
    first = select(func.min(events.c.kind).label("kind")).cte("kinds", recursive=True)
    following = select(func.min(events.c.kind)).where(events.c.kind > first.c.kind).scalar_subquery()
    kinds = first.union_all(select(following).where(first.c.kind.is_not(None)))
    return [kind for kind in await tx.scalars(select(kinds.c.kind)) if kind and kind.startswith(prefix)]


async def _between(
    tx: AsyncConnection, since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """Return what keeps lines to a time, by their ids too: those are in the order of the clocks that wrote.

    Clocks of several hosts differ a little, so that the ids are looked for with an hour to spare.
    """
    which: list[ColumnElement[bool]] = []
    if since is not None:
        earlier = (
            select(events.c.id)
            .where(events.c.at < _moved(since, -SPARE))
            .order_by(events.c.at.desc())
            .limit(1)
        )
        which += [events.c.at >= since, events.c.id > (await tx.scalar(earlier) or 0)]
    if until is not None:
        which.append(events.c.at < until)
        later = select(events.c.id).where(events.c.at >= _moved(until, SPARE)).order_by(events.c.at).limit(1)
        if (end := await tx.scalar(later)) is not None:
            which.append(events.c.id < end)
    return which


def _moved(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:  # at an end of the calendar there is nothing to spare
        return at


def _filters(
    *, project: str | None, proposal: int | None, actor: str | None = None
) -> list[ColumnElement[bool]]:
    chosen = ((events.c.project, project), (events.c.proposal, proposal), (events.c.actor, actor))
    return [column == value for column, value in chosen if value is not None]
