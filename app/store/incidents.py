"""The table `incidents`: one row for all failures of a project with the same fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from app.core.errors import NotFoundError
from app.core.models import Failure, Incident
from app.store.tables import incidents
from app.store.upsert import insert

if TYPE_CHECKING:
    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

MAX_HOSTS = 100


async def record(
    tx: AsyncConnection, failure: Failure, *, fingerprint: str, version: int, log: str
) -> Incident:
    """Take a failure in: a new incident with `count` 1, or one more on the known one.

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
        count=1,
        hosts=[failure.host],
        first_at=failure.at,
        last_at=failure.at,
        log=log,
    )
    new = first.on_conflict_do_nothing(index_elements=["project", "fingerprint"]).returning(incidents)
    row = (await tx.execute(new)).mappings().one_or_none()
    return _incident(row) if row else await _again(tx, failure, fingerprint=fingerprint, log=log)


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


async def resolve(tx: AsyncConnection, incident_id: int) -> None:
    """Mark an incident as resolved; the next failure opens it again."""
    await tx.execute(update(incidents).where(incidents.c.id == incident_id).values(state="resolved"))


async def _again(tx: AsyncConnection, failure: Failure, *, fingerprint: str, log: str) -> Incident:
    ours = (incidents.c.project == failure.project) & (incidents.c.fingerprint == fingerprint)
    # locked where the database locks rows: two hosts may report at once
    known = _incident((await tx.execute(select(incidents).where(ours).with_for_update())).mappings().one())
    hosts = known.hosts if failure.host in known.hosts else (*known.hosts, failure.host)[:MAX_HOSTS]
    row = await tx.execute(
        update(incidents)
        .where(incidents.c.id == known.id)
        .values(
            state="open",
            count=incidents.c.count + 1,
            hosts=hosts,
            first_at=min(known.first_at, failure.at),
            last_at=max(known.last_at, failure.at),
            log=known.log if known.state == "open" else log,
        )
        .returning(incidents)
    )
    return _incident(row.mappings().one())


def _incident(row: RowMapping) -> Incident:
    return Incident.model_validate(dict(row))
