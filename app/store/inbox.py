"""Deliveries of forges, many at once: each is written down once, and leads to work on proposals of ours.

A forge sends in bursts, and waits for the answer; so whatever has come takes the same few statements.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, or_, select

from app.core.base import now
from app.store import jobs
from app.store.clock import db_now
from app.store.tables import deliveries, proposals
from app.store.tables import jobs as job_table
from app.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.dml import ReturningInsert

    from app.core.models import Job

KNOWN = "known already"
LOOK = "look"
NOT_OURS = "ignored: no proposal of ours"


@dataclass(frozen=True)
class Arrival:
    """A delivery, and what it is about in each of these projects; `ignored` says why it leads nowhere."""

    source: str
    delivery_id: str
    event: str
    headers: Mapping[str, str]
    projects: tuple[str, ...] = ()
    number: int | None = None
    branch: str = ""
    head: str = ""
    whole: bool = False
    ignored: str = ""


@dataclass(frozen=True)
class Taken:
    """What came of a delivery, and the jobs to ring for."""

    result: str
    jobs: tuple[Job, ...] = ()


class _Found(NamedTuple):
    """A proposal of ours, and whether a job that has not begun will read it from its forge anyway."""

    id: int
    waits: bool


_LEADS = {"number": proposals.c.number, "branch": proposals.c.branch, "head": proposals.c.head_sha}
"""What of a delivery leads to a proposal."""
_WAITS = (
    select(job_table.c.id)
    .where(
        job_table.c.proposal_id == proposals.c.id,
        job_table.c.name == jobs.RECONCILE,
        job_table.c.state == "queued",
        job_table.c.not_before <= db_now(),
    )
    .exists()
)
_OURS = proposals.c.project.in_(bindparam("projects", expanding=True))
# built once, for to build it takes longer than to run it; each part has an index of its own
_FIND = select(proposals.c.id, proposals.c.project, *_LEADS.values(), _WAITS.label("waits")).where(
    or_(
        _OURS & proposals.c.number.in_(bindparam("number", expanding=True)),
        _OURS & proposals.c.branch.in_(bindparam("branch", expanding=True)),
        proposals.c.head_sha.in_(bindparam("head", expanding=True)),
    )
)
_ONCE: dict[str, ReturningInsert[Any]] = {}
_Finds = dict[tuple[str, str, object], list[_Found]]


async def take(tx: AsyncConnection, arrivals: Sequence[Arrival]) -> list[Taken]:
    """Write deliveries down with the work that they lead to; one that is known leads to nothing."""
    finds = await _found(tx, [one for one in arrivals if one.projects and not one.ignored])
    ours = [_of(one, finds) for one in arrivals]
    results = [_result(one, found) for one, found in zip(arrivals, ours, strict=True)]
    new = await _written(tx, zip(arrivals, ours, results, strict=True))
    led = [found if _is_first(arrival, new) else None for arrival, found in zip(arrivals, ours, strict=True)]
    looks = await _looks(tx, [each for found in led for each in found or ()])
    taken = []
    for arrival, found, result in zip(arrivals, led, results, strict=True):
        if found is None:
            taken.append(Taken(KNOWN))
            continue
        made = [looks.pop(each.id) for each in found if each.id in looks]
        if arrival.whole:
            polls = [await jobs.poll(tx, project) for project in arrival.projects]
            made += [job for job in polls if job is not None]
        taken.append(Taken(result, tuple(made)))
    return taken


async def _found(tx: AsyncConnection, arrivals: Sequence[Arrival]) -> _Finds:
    """Return the proposals that these are about, by project and number, branch or last commit."""
    sought: dict[str, set[Any]] = {
        lead: set(filter(None, map(attrgetter(lead), arrivals))) for lead in _LEADS
    }
    finds: _Finds = defaultdict(list)
    if not any(sought.values()):
        return finds
    projects = {project for one in arrivals for project in one.projects}
    rows = await tx.execute(
        _FIND, {name: list(values) for name, values in sought.items()} | {"projects": list(projects)}
    )
    for row in rows:
        found = _Found(row.id, bool(row.waits))
        for lead, column in _LEADS.items():
            finds[row.project, lead, getattr(row, column.name)].append(found)
    return finds


def _of(arrival: Arrival, finds: _Finds) -> list[_Found]:
    keys = [
        (project, lead, value)
        for project in arrival.projects
        for lead in _LEADS
        if (value := getattr(arrival, lead))
    ]
    return sorted({found for key in keys for found in finds.get(key, ())}) if not arrival.ignored else []


def _result(arrival: Arrival, found: Sequence[_Found]) -> str:
    return arrival.ignored or (LOOK if found or arrival.whole else NOT_OURS)


async def _written(
    tx: AsyncConnection, arrivals: Iterable[tuple[Arrival, Sequence[_Found], str]]
) -> set[tuple[str, str]]:
    """Write the rows, and return which of them are new."""
    at = now()
    rows: list[dict[str, Any]] = [
        {
            "source": arrival.source,
            "delivery_id": arrival.delivery_id,
            "event": arrival.event,
            "headers": dict(arrival.headers),
            "proposal_id": found[0].id if found else None,
            "result": result,
            "received_at": at,
            "done_at": at,
        }
        for arrival, found, result in arrivals
    ]
    written = await tx.execute(_once(tx), rows if len(rows) > 1 else rows[0])
    return {(row.source, row.delivery_id) for row in written}


def _once(tx: AsyncConnection) -> ReturningInsert[Any]:
    """Return the statement that writes what is not known yet and returns that; built once a dialect."""
    name = tx.dialect.name
    if name not in _ONCE:
        new = insert(tx, deliveries).on_conflict_do_nothing(index_elements=["source", "delivery_id"])
        _ONCE[name] = new.returning(deliveries.c.source, deliveries.c.delivery_id)
    return _ONCE[name]


def _is_first(arrival: Arrival, new: set[tuple[str, str]]) -> bool:
    """Tell whether a delivery is new, and take it out: the same one may have come twice at once."""
    key = (arrival.source, arrival.delivery_id)
    first = key in new
    new.discard(key)
    return first


async def _looks(tx: AsyncConnection, found: Sequence[_Found]) -> dict[int, Job]:
    ids = [each.id for each in found if not each.waits]
    return await jobs.reconcile(tx, *ids) if ids else {}
