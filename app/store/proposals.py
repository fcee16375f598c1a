"""The table `proposals`: branches and their pull or merge requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, insert, or_, select
from sqlalchemy import update as sql_update

from app.core.base import now
from app.core.errors import NotFoundError
from app.core.models import ACTIVE, Incident, Kind, Need, Proposal, ProposalState
from app.store import cursors, needs
from app.store.tables import incidents, proposals

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, RowMapping, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

SECOND_THOUGHTS = timedelta(days=14)
_COUNT = func.coalesce(incidents.c.count, 0).label("count")
_BOTH = proposals.outerjoin(incidents, proposals.c.incident_id == incidents.c.id)
_WITH_INCIDENT: Select[Any] = select(proposals, _COUNT, incidents.c.hosts).select_from(_BOTH)
LISTED = tuple(column for column in proposals.c if column.name != "body")
"""What lists tell of a proposal: descriptions are most of a row, and none is in a list."""
_VERSIONS: Select[Any] = select(
    proposals.c.id, proposals.c.updated_at, _COUNT, incidents.c.hosts
).select_from(_BOTH)


@dataclass(frozen=True, slots=True)
class Version:
    """A proposal as of some time: with the same version, all that is told of it is the same."""

    id: int
    updated_at: datetime
    count: int
    hosts: tuple[str, ...]

    @classmethod
    def of(cls, known: Proposal) -> Version:
        """Return the version of a proposal that was read."""
        return cls(known.id, known.updated_at, known.count, known.hosts)


async def create(
    tx: AsyncConnection,
    *,
    project: str,
    kind: Kind,
    branch: str,
    title: str,
    incident: Incident | None = None,
) -> Proposal:
    """Add a proposal in state working; a fix carries its incident's unit and fingerprint."""
    await needs.begun(tx, incident.id if incident else None)
    at = now()
    new = insert(proposals).values(
        project=project,
        kind=kind,
        branch=branch,
        title=title,
        state=ProposalState.WORKING,
        need=Need.WORKING,
        incident_id=incident.id if incident else None,
        unit=incident.unit if incident else None,
        fingerprint=incident.fingerprint if incident else None,
        created_at=at,
        updated_at=at,
    )
    row = (await tx.execute(new.returning(proposals))).mappings().one()
    counted = {"count": incident.count, "hosts": incident.hosts} if incident else {"count": 0, "hosts": None}
    return proposal(dict(row) | counted)


async def get(tx: AsyncConnection, proposal_id: int, *, lock: bool = False) -> Proposal:
    """Return a proposal; NotFoundError where there is none.

    `lock` keeps others from changing it until the transaction ends, where the database locks rows.
    """
    query = _WITH_INCIDENT.where(proposals.c.id == proposal_id)
    found = await _one(tx, query.with_for_update(of=proposals) if lock else query)
    if found is None:
        raise NotFoundError(f"There is no proposal {proposal_id}")
    return found


async def latest_for_incident(tx: AsyncConnection, incident_id: int) -> Proposal | None:
    """Return the newest proposal of an incident, in whatever state."""
    ours = proposals.c.incident_id == incident_id
    return await _one(tx, _WITH_INCIDENT.where(ours).order_by(proposals.c.id.desc()).limit(1))


async def active_of_kind(tx: AsyncConnection, project: str, kind: Kind) -> Proposal | None:
    """Return a project's newest proposal of a kind that is working, waiting or open."""
    ours = (proposals.c.project == project) & (proposals.c.kind == kind) & proposals.c.state.in_(ACTIVE)
    return await _one(tx, _WITH_INCIDENT.where(ours).order_by(proposals.c.id.desc()).limit(1))


async def of_request(
    tx: AsyncConnection,
    project: str,
    *,
    number: int | None = None,
    branch: str | None = None,
    head: str | None = None,
) -> list[int]:
    """Return the ids of a project's proposals that a request's number, branch or last commit leads to."""
    leads = [
        column == value
        for column, value in (
            (proposals.c.number, number),
            (proposals.c.branch, branch),
            (proposals.c.head_sha, head),
        )
        if value
    ]
    if not leads:
        return []
    query = select(proposals.c.id).where(proposals.c.project == project, or_(*leads))
    return list(await tx.scalars(query.order_by(proposals.c.id)))


async def on_forge(tx: AsyncConnection, project: str, *, also: Iterable[int] = ()) -> list[Proposal]:
    """Return a project's proposals that have a request and are active, or whose number is in `also`.

    With them come those that were closed a short while ago, for people may have second thoughts.
    """
    lately = (proposals.c.state == ProposalState.CLOSED) & (proposals.c.updated_at >= now() - SECOND_THOUGHTS)
    listed = or_(proposals.c.state.in_(ACTIVE), proposals.c.number.in_(list(also)), lately)
    ours = (proposals.c.project == project) & proposals.c.number.is_not(None) & listed
    found = await tx.execute(_WITH_INCIDENT.where(ours).order_by(proposals.c.id))
    return [proposal(row) for row in found.mappings()]


async def closed_by_people(tx: AsyncConnection, project: str) -> list[Proposal]:
    """Return a project's repairs that were closed for good, and whose failure may still come."""
    ours = (proposals.c.project == project) & (proposals.c.state == ProposalState.CLOSED)
    ours &= (proposals.c.kind == Kind.FIX) & proposals.c.snoozed_until.is_(None)
    found = await tx.execute(_WITH_INCIDENT.where(ours, incidents.c.state == "open").order_by(proposals.c.id))
    return [proposal(row) for row in found.mappings()]


async def merged_before(tx: AsyncConnection, incident_id: int, before: int) -> Proposal | None:
    """Return the newest merged proposal of an incident that is older than that one."""
    ours = (proposals.c.incident_id == incident_id) & (proposals.c.state == ProposalState.MERGED)
    query = _WITH_INCIDENT.where(ours, proposals.c.id < before).order_by(proposals.c.id.desc()).limit(1)
    return await _one(tx, query)


async def free_branch(tx: AsyncConnection, project: str, stem: str) -> str:
    """Return the first branch name without a proposal: `stem`, `stem-2`, `stem-3` and so on."""
    like = (proposals.c.branch == stem) | proposals.c.branch.startswith(f"{stem}-", autoescape=True)
    taken = set(await tx.scalars(select(proposals.c.branch).where(proposals.c.project == project, like)))
    number = 1
    branch = stem
    while branch in taken:
        number += 1
        branch = f"{stem}-{number}"
    return branch


async def update(tx: AsyncConnection, proposal_id: int, **columns: Any) -> Proposal:  # noqa: ANN401
    """Set columns, `updated_at` and what it needs; the first time in state open or merged also since when."""
    values = {"updated_at": now(), **needs.after(columns), **columns}
    if columns.get("state") == ProposalState.OPEN:
        values.setdefault("opened_at", func.coalesce(proposals.c.opened_at, now().timestamp()))
    if columns.get("state") == ProposalState.MERGED:
        values["merged_at"] = func.coalesce(proposals.c.merged_at, now().timestamp())
    await tx.execute(sql_update(proposals).where(proposals.c.id == proposal_id).values(**values))
    return await get(tx, proposal_id)


async def pushed(tx: AsyncConnection, proposal_id: int, sha: str) -> Proposal:
    """Add a SHA to the ledger of what we pushed, once; it is the newest of it from now on."""
    known = await get(tx, proposal_id, lock=True)
    return await update(tx, proposal_id, pushed=[*(old for old in known.pushed if old != sha), sha])


async def page(
    tx: AsyncConnection,
    *,
    state: Literal["open", "all"],
    project: str | None = None,
    kind: Kind | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[Proposal], str | None]:
    """Return proposals, newest first, and the next cursor; `open` is working, waiting and open.

    They come without their descriptions.
    """
    # rows are long: ids are sorted, and few rows are read whole
    ids = _ids(state=state, project=project, kind=kind, cursor=cursor, limit=limit)
    rows = select(*LISTED, _COUNT, incidents.c.hosts).select_from(_BOTH)
    query = rows.where(proposals.c.id.in_(ids)).order_by(proposals.c.id.desc())
    return cursors.split([proposal(row) for row in (await tx.execute(query)).mappings()], limit)


async def versions(
    tx: AsyncConnection,
    *,
    state: Literal["open", "all"],
    project: str | None = None,
    kind: Kind | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[Version], str | None]:
    """Return the versions of a page's proposals, and the next cursor, for whoever has kept some of them."""
    ids = _ids(state=state, project=project, kind=kind, cursor=cursor, limit=limit)
    query = _VERSIONS.where(proposals.c.id.in_(ids)).order_by(proposals.c.id.desc())
    rows = await tx.execute(query)
    found = [Version(number, at, count, tuple(hosts or ())) for number, at, count, hosts in rows]
    return cursors.split(found, limit)


async def these(tx: AsyncConnection, ids: Iterable[int]) -> list[Proposal]:
    """Return these proposals, in no order, without those that there are not."""
    found = await tx.execute(_WITH_INCIDENT.where(proposals.c.id.in_(list(ids))))
    return [proposal(row) for row in found.mappings()]


def _ids(
    *, state: Literal["open", "all"], project: str | None, kind: Kind | None, cursor: str | None, limit: int
) -> Select[tuple[int]]:
    """Select the ids of a page, newest first, and one more, which tells whether there is a next page."""
    ids = select(proposals.c.id).order_by(proposals.c.id.desc()).limit(limit + 1)
    if state == "open":
        ids = ids.where(proposals.c.state.in_(ACTIVE))
    if project is not None:
        ids = ids.where(proposals.c.project == project)
    if kind is not None:
        ids = ids.where(proposals.c.kind == kind)
    if cursor:
        ids = ids.where(proposals.c.id < cursors.decode(cursor))
    return ids.subquery().select()


async def open_count(tx: AsyncConnection, project: str, *, but: int | None = None) -> int:
    """Return how many proposals of a project are open on the forge, or about to be: a place is taken.

    `but` leaves one out.
    """
    about_to_be = proposals.c.state.in_(ACTIVE) & proposals.c.opened_at.is_not(None)
    ours = (proposals.c.project == project) & ((proposals.c.state == ProposalState.OPEN) | about_to_be)
    return await _count(tx, ours, but)


async def opened_since(tx: AsyncConnection, project: str, since: datetime, *, but: int | None = None) -> int:
    """Return how many proposals of a project were opened on the forge since then; `but` leaves one out."""
    return await _count(tx, (proposals.c.project == project) & (proposals.c.opened_at >= since), but)


async def _count(tx: AsyncConnection, which: ColumnElement[bool], but: int | None) -> int:
    if but is not None:
        which &= proposals.c.id != but
    return await tx.scalar(select(func.count()).select_from(proposals).where(which)) or 0


async def _one(tx: AsyncConnection, query: Select[Any]) -> Proposal | None:
    row = (await tx.execute(query)).mappings().one_or_none()
    return proposal(row) if row else None


def proposal(row: RowMapping | dict[str, Any]) -> Proposal:
    """Return a row of proposals, with count and hosts of its incident, as a model."""
    return Proposal.model_validate({**row, "hosts": row["hosts"] or ()})
