"""The table `incidents`: one row for all failures of a project with the same fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from app.core.errors import NotFoundError
from app.core.models import Incident
from app.store import needs
from app.store.tables import incidents
from app.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.core.reports import Failure

MAX_HOSTS = 100


async def record(
    tx: AsyncConnection, failure: Failure, *more: Failure, fingerprint: str, version: int, log: str
) -> Incident:
    """Take in a failure, and `more` of the same cause: a new incident, or so many more on the known one.

    A known incident keeps its first log while it is open; the first `MAX_HOSTS` hosts are named. One that
    was resolved is open again, with the new log.
    """
    first = insert(tx, incidents).values(
        project=failure.project,
        unit=failure.unit,
        fingerprint=fingerprint,
        fingerprint_version=version,
        result=failure.result,
        exit_status=failure.exit_status,
        state="open",
        count=1 + len(more),
        hosts=_hosts((), failure, *more),
        first_at=min(f.at for f in (failure, *more)),
        last_at=max(f.at for f in (failure, *more)),
        log=log,
    )
    new = first.on_conflict_do_nothing(index_elements=["project", "fingerprint"]).returning(incidents)
    row = (await tx.execute(new)).mappings().one_or_none()
    return _incident(row) if row else await _again(tx, failure, *more, fingerprint=fingerprint, log=log)


async def get(tx: AsyncConnection, incident_id: int) -> Incident:
    """Return an incident; NotFoundError where there is none."""
    row = (await tx.execute(select(incidents).where(incidents.c.id == incident_id))).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no incident {incident_id}")
    return _incident(row)


async def find(tx: AsyncConnection, project: str, fingerprint: str) -> Incident | None:
    """Return the incident of a fingerprint, if there is one."""
    ours = (incidents.c.project == project) & (incidents.c.fingerprint == fingerprint)
    row = (await tx.execute(select(incidents).where(ours))).mappings().one_or_none()
    return _incident(row) if row else None


async def open_among(tx: AsyncConnection, causes: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of the causes (project, fingerprint) that have an open incident, and so a log."""
    query = select(incidents.c.project, incidents.c.fingerprint).where(
        incidents.c.fingerprint.in_([fingerprint for _, fingerprint in causes]), incidents.c.state == "open"
    )
    return {(row.project, row.fingerprint) for row in await tx.execute(query)}


async def resolve(tx: AsyncConnection, incident_id: int) -> None:
    """Mark an incident as resolved; the next failure opens it again."""
    await tx.execute(update(incidents).where(incidents.c.id == incident_id).values(state="resolved"))
    await needs.resolved(tx, incident_id)


async def _again(
    tx: AsyncConnection, failure: Failure, *more: Failure, fingerprint: str, log: str
) -> Incident:
    ours = (incidents.c.project == failure.project) & (incidents.c.fingerprint == fingerprint)
    # locked where the database locks rows: two hosts may report at once
    known = _incident((await tx.execute(select(incidents).where(ours).with_for_update())).mappings().one())
    row = await tx.execute(
        update(incidents)
        .where(incidents.c.id == known.id)
        .values(
            state="open",
            count=incidents.c.count + 1 + len(more),
            hosts=_hosts(known.hosts, failure, *more),
            first_at=min(known.first_at, *(f.at for f in (failure, *more))),
            last_at=max(known.last_at, *(f.at for f in (failure, *more))),
            log=known.log if known.state == "open" else log,
        )
        .returning(incidents)
    )
    if known.state != "open":
        await needs.opened_again(tx, known.id)
    return _incident(row.mappings().one())


def _hosts(known: tuple[str, ...], *failures: Failure) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *(failure.host for failure in failures))))[:MAX_HOSTS]


def _incident(row: RowMapping) -> Incident:
    return Incident.model_validate(dict(row))
