"""The table `jobs`: the outbox of all work, and who works on what.

Leases go by the database's clock. The fence decides, not the clock: a lease that ran out and that nobody
took over is still its owner's; once another took the job, the old lease is worth nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, insert, or_, select, update

from app.core.errors import LeaseLostError, NotFoundError
from app.core.models import Job, Lease, NewJob
from app.core.queue import Queue
from app.store.clock import db_now
from app.store.tables import jobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

_PENDING = ("queued", "running")
RECONCILE, POLL = "reconcile", "poll"
LOOKS = (RECONCILE, POLL)
_NEW = (
    insert(jobs)
    .values(
        state="queued", not_before=db_now() + bindparam("after_s"), created_at=db_now(), updated_at=db_now()
    )
    .returning(jobs, sort_by_parameter_order=True)
)


class Due(NamedTuple):
    """A job to ring for, and where."""

    id: int
    queue: str


async def add(tx: AsyncConnection, job: NewJob) -> Job:
    """Put work into the outbox; ring its id once the transaction is over."""
    return (await _add(tx, [job]))[0]


async def get(tx: AsyncConnection, job_id: int) -> Job:
    """Return a job; NotFoundError where there is none."""
    row = (await tx.execute(select(jobs).where(jobs.c.id == job_id))).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no job {job_id}")
    return _job(row)


async def pending(tx: AsyncConnection, name: str, proposal_id: int) -> Job | None:
    """Return the oldest job of that name for a proposal that is not over."""
    ours = (jobs.c.proposal_id == proposal_id) & (jobs.c.name == name) & jobs.c.state.in_(_PENDING)
    row = (await tx.execute(select(jobs).where(ours).order_by(jobs.c.id).limit(1))).mappings().one_or_none()
    return _job(row) if row else None


async def requested(tx: AsyncConnection, names: Iterable[str], proposal_id: int) -> list[Job]:
    """Return the jobs of these names for a proposal that are not over, the oldest first."""
    ours = (jobs.c.proposal_id == proposal_id) & jobs.c.name.in_(list(names)) & jobs.c.state.in_(_PENDING)
    return [_job(row) for row in (await tx.execute(select(jobs).where(ours).order_by(jobs.c.id))).mappings()]


async def reconcile(tx: AsyncConnection, *proposal_ids: int) -> dict[int, Job]:
    """Have proposals read from their forge, and return the jobs by proposal.

    None is made where one that is due will do so anyway; one that has begun may have read already, so it is
    not enough. One that was put off, for the forge was away, is taken forward.
    """
    waits = jobs.c.proposal_id.in_(proposal_ids) & (jobs.c.name == RECONCILE) & (jobs.c.state == "queued")
    due = (jobs.c.not_before <= db_now()).label("due")
    found: dict[int, bool] = {}
    for row in await tx.execute(select(jobs.c.proposal_id, due).where(waits)):
        found[row.proposal_id] = found.get(row.proposal_id, False) or row.due
    looks = []
    if put_off := [each for each in found if not found[each]]:
        forward = update(jobs).where(waits, jobs.c.proposal_id.in_(put_off))
        rows = await tx.execute(forward.values(not_before=db_now(), rung_at=None).returning(jobs))
        looks = [_job(row) for row in rows.mappings()]
    looks += await _add(
        tx,
        [
            NewJob(queue=Queue.PUBLISHER, name=RECONCILE, args={"proposal_id": each})
            for each in dict.fromkeys(proposal_ids)
            if each not in found
        ],
    )
    return {job.args["proposal_id"]: job for job in looks}


async def poll(tx: AsyncConnection, project: str) -> Job | None:
    """Have a whole project read from its forge; None where such a job waits already."""
    waits = (jobs.c.name == POLL) & (jobs.c.state == "queued") & (jobs.c.args == {"project": project})
    if await tx.scalar(select(jobs.c.id).where(waits).limit(1)) is not None:
        return None
    return await add(tx, NewJob(queue=Queue.PUBLISHER, name=POLL, args={"project": project}))


async def at_work(tx: AsyncConnection, args: dict[str, Any]) -> bool:
    """Tell whether somebody works on a job with exactly these arguments."""
    query = select(jobs.c.id).where(jobs.c.args == args, jobs.c.state == "running").limit(1)
    return await tx.scalar(query) is not None


async def replace(tx: AsyncConnection, args: dict[str, Any], reason: str) -> None:
    """End the jobs with exactly these arguments that wait: a new one takes their place."""
    waiting = update(jobs).where(jobs.c.args == args, jobs.c.state == "queued")
    await tx.execute(waiting.values(state="dead", reason=reason, updated_at=db_now()))


async def unreadable(tx: AsyncConnection, job_id: int, reason: str) -> None:
    """End a job whose row cannot be read, whoever holds it."""
    row = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(_PENDING))
    await tx.execute(row.values(state="dead", reason=reason, lease_owner=None, lease_until=None))


async def take(tx: AsyncConnection, job_id: int, *, owner: str, lease_s: float) -> tuple[Job, Lease] | None:
    """Take a job that is due, or whose holder let its lease run out; None when it is not to be had."""
    query = update(jobs).where(jobs.c.id == job_id, _due()).returning(jobs)
    taken = query.values(
        state="running",
        attempts=jobs.c.attempts + 1,
        fence=jobs.c.fence + 1,
        lease_owner=owner,
        lease_until=db_now() + lease_s,
        rung_at=None,  # if the lease runs out, the next sweep rings at once
        updated_at=db_now(),
    )
    row = (await tx.execute(taken)).mappings().one_or_none()
    if row is None:
        return None
    job = _job(row)
    return job, Lease(job_id=job.id, owner=owner, fence=job.fence)


async def beat(tx: AsyncConnection, lease: Lease, *, lease_s: float) -> None:
    """Hold on for another `lease_s` seconds; LeaseLostError where another has the job."""
    await _set(tx, lease, lease_until=db_now() + lease_s)


async def hold(tx: AsyncConnection, lease: Lease) -> None:
    """Raise LeaseLostError where another has the job; nobody can take it before the transaction ends."""
    query = select(jobs.c.id).where(_ours(lease)).with_for_update()
    if await tx.scalar(query) is None:
        raise _lost(lease)


async def done(tx: AsyncConnection, lease: Lease) -> None:
    """End a job well."""
    await _set(tx, lease, state="done", lease_owner=None, lease_until=None, reason=None)


async def dead(tx: AsyncConnection, lease: Lease, reason: str) -> None:
    """End a job for good, with the reason why it was not done."""
    await _set(tx, lease, state="dead", lease_owner=None, lease_until=None, reason=reason)


async def later(tx: AsyncConnection, lease: Lease, *, after_s: float, reason: str, counts: bool) -> None:
    """Put a job back for `after_s` seconds; the attempt is taken back unless it `counts`."""
    await _back(tx, lease, after_s=after_s, reason=reason, counts=counts)


async def release(tx: AsyncConnection, lease: Lease) -> None:
    """Put a job back as if it had not been taken: this process is about to end."""
    await _back(tx, lease, after_s=0, reason=None, counts=False)


async def forget(tx: AsyncConnection, *, older_s: float) -> int:
    """Delete the jobs that only looked at a forge and ended well so long ago; return how many."""
    over = (jobs.c.state == "done") & jobs.c.name.in_(LOOKS) & (jobs.c.updated_at < db_now() - older_s)
    return (await tx.execute(delete(jobs).where(over))).rowcount


async def due(tx: AsyncConnection, *, ring_again_s: float, limit: int = 100) -> list[Due]:
    """Return the jobs to ring now, oldest first, and note that they were rung.

    They are due, or their lease ran out, and they were not rung within `ring_again_s` seconds. Their
    arguments are not read: one row that cannot be must not keep the others from being rung.
    """
    quiet = or_(jobs.c.rung_at.is_(None), jobs.c.rung_at <= db_now() - ring_again_s)
    ids = (
        select(jobs.c.id)
        .where(_due(), quiet)
        .order_by(jobs.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if not (found := (await tx.scalars(ids)).all()):
        return []
    rung = (
        update(jobs).where(jobs.c.id.in_(found)).values(rung_at=db_now()).returning(jobs.c.id, jobs.c.queue)
    )
    return sorted(Due(row.id, row.queue) for row in await tx.execute(rung))


async def _add(tx: AsyncConnection, new: Sequence[NewJob]) -> list[Job]:
    if not new:
        return []
    rows = [
        {
            "queue": job.queue,
            "name": job.name,
            "args": job.args,
            "proposal_id": job.args.get("proposal_id"),
            "after_s": job.after_s,
        }
        for job in new
    ]
    made = await tx.execute(_NEW, rows if len(rows) > 1 else rows[0])
    return [_job(row) for row in made.mappings()]


def _due() -> ColumnElement[bool]:
    queued = (jobs.c.state == "queued") & (jobs.c.not_before <= db_now())
    return or_(queued, (jobs.c.state == "running") & (jobs.c.lease_until < db_now()))


def _ours(lease: Lease) -> ColumnElement[bool]:
    mine = (jobs.c.id == lease.job_id) & (jobs.c.fence == lease.fence) & (jobs.c.lease_owner == lease.owner)
    return mine & (jobs.c.state == "running")


async def _back(
    tx: AsyncConnection, lease: Lease, *, after_s: float, reason: str | None, counts: bool
) -> None:
    await _set(
        tx,
        lease,
        state="queued",
        attempts=jobs.c.attempts - (0 if counts else 1),
        not_before=db_now() + after_s,
        rung_at=None,
        lease_owner=None,
        lease_until=None,
        reason=reason,
    )


async def _set(tx: AsyncConnection, lease: Lease, **values: Any) -> None:  # noqa: ANN401
    query = update(jobs).where(_ours(lease)).values(updated_at=db_now(), **values)
    if (await tx.execute(query)).rowcount != 1:
        raise _lost(lease)


def _lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(
        f"Job {lease.job_id} is no longer held by {lease.owner}: another worker took it over"
    )


def _job(row: RowMapping) -> Job:
    return Job.model_validate(dict(row))
