"""What the first page shows: proposals by what they need from people, with the newest failure first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Double, case, func, or_, select, type_coerce

from app.core.models import ACTIVE, Need, ProposalState, now
from app.store import cursors
from app.store.proposals import proposal
from app.store.runs import tokens_since
from app.store.search import contains, in_list, needle
from app.store.tables import events, incidents, proposals

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, RowMapping, Subquery
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.core.models import Kind, Proposal

LATELY = timedelta(days=7)
"""How long one without an incident is shown that could not be proposed."""

_S = ProposalState
_GAVE_UP = (_S.REFUSED, _S.FAILED, _S.SKIPPED)


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
        found,
        func.row_number().over(partition_by=found.c.need, order_by=order).label("rank"),
        func.count().over(partition_by=found.c.need).label("total"),
    ).subquery()
    query = select(ranked).where(ranked.c.rank <= each).order_by(ranked.c.need, ranked.c.rank)
    totals: dict[Need, int] = {}
    rows: dict[Need, list[Row]] = {}
    for row in (await tx.execute(query)).mappings():
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
    rows = [_row(row) for row in (await tx.execute(query)).mappings()]
    shown = rows[:limit]
    more = len(rows) > limit and shown
    return shown, cursors.encode_at(shown[-1].last_at.timestamp(), shown[-1].proposal.id) if more else None


async def figures(tx: AsyncConnection, *, day: datetime, week: datetime) -> Figures:
    """Return what the summary line says."""
    still = select(func.count()).where(proposals.c.state == _S.OPEN)
    merged = select(func.count()).where(proposals.c.state == _S.MERGED, proposals.c.updated_at >= week)
    return Figures(
        failures=await _failures(tx, day),
        open=await tx.scalar(still) or 0,
        merged=await tx.scalar(merged) or 0,
        tokens=await tokens_since(tx, week),
    )


async def _failures(tx: AsyncConnection, day: datetime) -> int:
    """Count failures; one line of the history may tell of many, and some were none of ours."""
    seen = select(events.c.data).where(events.c.kind == "failure.seen", events.c.at >= day)
    told = [data for data in await tx.scalars(seen) if "ignored" not in data]
    return sum(data.get("more", 1) for data in told)


def _found(tx: AsyncConnection, which: Filter) -> Subquery:
    """Return the proposals of a filter with what they need and the time of their last failure."""
    last_at = func.coalesce(incidents.c.last_at, proposals.c.created_at, type_=proposals.c.created_at.type)
    query = (
        select(
            proposals,
            func.coalesce(incidents.c.count, 0).label("count"),
            incidents.c.hosts,
            _need().label("need"),
            last_at.label("last_at"),
        )
        .select_from(proposals.outerjoin(incidents, proposals.c.incident_id == incidents.c.id))
        .where(or_(proposals.c.state.in_(ACTIVE), _matters()))
    )
    if which.project is not None:
        query = query.where(proposals.c.project == which.project)
    if which.kind is not None:
        query = query.where(proposals.c.kind == which.kind)
    if which.text:
        query = query.where(_holds(tx, which.text))
    if which.need is not None:
        query = query.where(_need() == which.need)
    return query.subquery()


def _need() -> ColumnElement[str]:
    """Return what each proposal needs; the first that applies counts."""
    opened = proposals.c.state == _S.OPEN
    return case(
        (proposals.c.state == _S.WORKING, Need.WORKING),
        (proposals.c.state == _S.WAITING, Need.WAITING),
        (opened & proposals.c.foreign_sha.is_not(None), Need.EDITED),
        (opened & (proposals.c.review == "changes_requested"), Need.CHANGES_REQUESTED),
        (opened & (proposals.c.ci == "failure"), Need.CI_FAILING),
        (opened, Need.READY),
        else_=Need.NOT_PROPOSED,
    )


def _matters() -> ColumnElement[bool]:
    """Tell whether one that could not be proposed is the last word on what is still open, or is recent."""
    newer = proposals.alias()
    is_last = (
        ~select(1).where(newer.c.incident_id == proposals.c.incident_id, newer.c.id > proposals.c.id).exists()
    )
    recent = proposals.c.incident_id.is_(None) & (proposals.c.updated_at >= now() - LATELY)
    return proposals.c.state.in_(_GAVE_UP) & or_((incidents.c.state == "open") & is_last, recent)


def _holds(tx: AsyncConnection, text: str) -> ColumnElement[bool]:
    what = needle(text)
    columns = (proposals.c.title, proposals.c.unit, proposals.c.branch, proposals.c.reason)
    return or_(*(contains(column, what) for column in columns), in_list(tx, incidents.c.hosts, what))


def _row(row: RowMapping) -> Row:
    return Row(proposal(row), Need(row["need"]), row["last_at"])
