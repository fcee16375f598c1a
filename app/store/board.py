"""What the first page shows: proposals by what they need from people, with the newest failure first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, func, or_, select, type_coerce

from app.core.models import Need, ProposalState
from app.store import cursors, needs, tallies
from app.store.proposals import LISTED, proposal
from app.store.runs import tokens_since
from app.store.search import contains, in_list, needle
from app.store.tables import incidents, proposals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, RowMapping, Subquery
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.core.models import Kind, Proposal


@dataclass(frozen=True)
class Filter:
    """Which proposals to show; `text` stands in title, unit, branch, reason or a host."""

    project: str | None = None
    kind: Kind | None = None
    need: Need | None = None
    text: str = ""


@dataclass(frozen=True)
class Row:
    """A proposal, what it needs, and when its failure was last seen, or else when it was made."""

    proposal: Proposal
    need: Need
    last_at: datetime


@dataclass(frozen=True)
class Group:
    """How many proposals need one thing, and the first of them."""

    need: Need
    total: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Figures:
    """Failures since a day, proposals open now, proposals merged and tokens spent since a week."""

    failures: int
    open: int
    merged: int
    tokens: int


async def groups(tx: AsyncConnection, which: Filter, *, each: int = 20) -> list[Group]:
    """Return the groups that have rows, in the order of `Need`, each with its first rows."""
    found = _found(tx, which)
    order = (found.c.last_at.desc(), found.c.id.desc())
    ranked = select(
        found.c.id,
        found.c.last_at,
        func.row_number().over(partition_by=found.c.need, order_by=order).label("rank"),
        func.count().over(partition_by=found.c.need).label("total"),
    ).subquery()
    first = select(ranked).where(ranked.c.rank <= each).subquery()
    totals: dict[Need, int] = {}
    rows: dict[Need, list[Row]] = {}
    for row in await _whole(tx, first, first.c.total, order=(first.c.rank,)):
        made = _row(row)
        totals[made.need] = row["total"]
        rows.setdefault(made.need, []).append(made)
    return [Group(need, totals[need], tuple(rows[need])) for need in Need if need in rows]


async def page(
    tx: AsyncConnection, which: Filter, *, cursor: str | None, limit: int = 50
) -> tuple[list[Row], str | None]:
    """Return rows, newest failure first, and the next cursor: one group, or all where none is named."""
    found = _found(tx, which)
    query = select(found).order_by(found.c.last_at.desc(), found.c.id.desc()).limit(limit + 1)
    if cursor:
        at, last = cursors.decode_at(cursor)
        seconds = type_coerce(found.c.last_at, Double)
        query = query.where(or_(seconds < at, (seconds == at) & (found.c.id < last)))
    some = query.subquery()
    rows = await _whole(tx, some, order=(some.c.last_at.desc(), some.c.id.desc()))
    shown = [_row(row) for row in rows[:limit]]
    more = len(rows) > limit and shown
    return shown, cursors.encode_at(shown[-1].last_at.timestamp(), shown[-1].proposal.id) if more else None


async def needing(tx: AsyncConnection) -> dict[str, int]:
    """Return how many proposals of each project need a person; those that go on by themselves do not."""
    query = (
        select(proposals.c.project, func.count())
        .select_from(proposals.outerjoin(incidents, proposals.c.incident_id == incidents.c.id))
        .where(needs.shown(), proposals.c.need.not_in((Need.WAITING, Need.WORKING)))
        .group_by(proposals.c.project)
    )
    return {row[0]: row[1] for row in await tx.execute(query)}


async def figures(tx: AsyncConnection, *, day: datetime, week: datetime) -> Figures:
    """Return what the summary line says."""
    still = select(func.count()).where(proposals.c.state == ProposalState.OPEN)
    merged = select(func.count()).where(proposals.c.merged_at >= week)
    return Figures(
        failures=await tallies.since(tx, tallies.FAILURES, day),
        open=await tx.scalar(still) or 0,
        merged=await tx.scalar(merged) or 0,
        tokens=await tokens_since(tx, week),
    )


def _found(tx: AsyncConnection, which: Filter) -> Subquery:
    """Return the ids of a filter's proposals with what they need and the time of their last failure.

    Rows are long; so it is ids that are sorted and counted, and few rows that are read whole.
    """
    last_at = func.coalesce(incidents.c.last_at, proposals.c.created_at, type_=proposals.c.created_at.type)
    query = (
        select(proposals.c.id, proposals.c.need, last_at.label("last_at"))
        .select_from(proposals.outerjoin(incidents, proposals.c.incident_id == incidents.c.id))
        .where(needs.shown())
    )
    if which.project is not None:
        query = query.where(proposals.c.project == which.project)
    if which.kind is not None:
        query = query.where(proposals.c.kind == which.kind)
    if which.text:
        query = query.where(_holds(tx, which.text))
    if which.need is not None:
        query = query.where(proposals.c.need == which.need)
    return query.subquery()


async def _whole(
    tx: AsyncConnection,
    some: Subquery,
    *more: ColumnElement[Any],
    order: Sequence[ColumnElement[Any]],
) -> Sequence[RowMapping]:
    """Return the rows of some ids, whole but for their descriptions."""
    query = (
        select(
            *LISTED,
            func.coalesce(incidents.c.count, 0).label("count"),
            incidents.c.hosts,
            some.c.last_at,
            *more,
        )
        .select_from(
            some.join(proposals, some.c.id == proposals.c.id).outerjoin(
                incidents, proposals.c.incident_id == incidents.c.id
            )
        )
        .order_by(*order)
    )
    return (await tx.execute(query)).mappings().all()


def _holds(tx: AsyncConnection, text: str) -> ColumnElement[bool]:
    what = needle(text)
    columns = (proposals.c.title, proposals.c.unit, proposals.c.branch, proposals.c.reason)
    return or_(*(contains(column, what) for column in columns), in_list(tx, incidents.c.hosts, what))


def _row(row: RowMapping) -> Row:
    return Row(proposal(row), Need(row["need"]), row["last_at"])
