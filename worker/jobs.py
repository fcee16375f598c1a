"""Jobs by name, and the one ladder that ends them: done, skipped, refused, retry later, failed."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

from app.core import logs
from app.core.errors import (
    Failed,
    ForgeAccessError,
    ForgeError,
    ForgeRefusedError,
    ForgeWaitError,
    LeaseLostError,
    PimaintenoError,
    Refused,
    RetryLater,
    SandboxError,
    Skipped,
    StopWork,
    StoreError,
)
from app.core.queue import Queue
from app.core.tasks import end
from app.store import actions, jobs, pauses, runs
from worker.context import Work
from worker.outcomes import tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.core.models import Job, Lease, NewJob
    from app.core.queue import Bell
    from app.core.redact import Redactor
    from app.core.settings import Settings
    from app.store.database import Store


class Handler(Protocol):
    """What does a job: idempotent, and done when it returns the jobs that follow."""

    async def __call__(self, work: Work, **args: Any) -> tuple[NewJob, ...]:  # noqa: ANN401 - the row's
        """Do the job; raise one of the `StopWork` errors to stop short of done."""


HANDLERS: dict[tuple[str, str], str] = {
    (Queue.AGENT, "repair"): "worker.agent.pipeline:run",
    (Queue.PUBLISHER, "start"): "worker.publisher.fetch:start",
    (Queue.PUBLISHER, "scan"): "worker.publisher.fetch:scan",
    (Queue.PUBLISHER, "publish"): "worker.publisher.publish:publish",
    (Queue.PUBLISHER, "dress"): "worker.publisher.dressing:dress",
    (Queue.PUBLISHER, "reconcile"): "worker.publisher.reconcile:reconcile",
    (Queue.PUBLISHER, "poll"): "worker.publisher.poll:poll",
    (Queue.PUBLISHER, "say"): "worker.publisher.remarks:say",
    (Queue.PUBLISHER, "merge"): "worker.publisher.decisions:merge",
    (Queue.PUBLISHER, "close"): "worker.publisher.decisions:close",
    (Queue.PUBLISHER, "retry"): "worker.publisher.decisions:retry",
    (Queue.PUBLISHER, "snooze"): "worker.publisher.decisions:snooze",
}
"""By name, so that a role loads only what it runs."""

BACK_OFF_S = (5.0, 30.0, 120.0, 600.0, 1800.0)
PAUSED_RETRY_S = 15.0
FORGE_RETRY_S = 60.0
FORGE_ACCESS_RETRY_S = 600.0
"""Until a person has mended a token or a name; `pimainteno retry` takes it up at once."""
DEATHS = 2
"""So many times `max_attempts`: nobody writes down a try that took its worker with it."""
LOGGED = frozenset({"run_id", "proposal_id", "project", "actor", "tick_id"})


@dataclass(frozen=True)
class Desk:
    """What a worker process needs to do jobs.

    `agents` limits how many agent runs go side by side. A job that follows on a queue of this process
    starts at once, without a round through Redis.
    """

    settings: Settings
    store: Store
    bell: Bell
    redactor: Redactor
    owner: str
    agents: asyncio.Semaphore
    queues: frozenset[str]
    at_work: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    def begin(self, queue: str, job_id: int) -> None:
        """Start on a job in the background, unless it is at work here already."""
        if job_id not in self.at_work:
            task = asyncio.create_task(self._one(queue, job_id), name=f"job {job_id}")
            self.at_work[job_id] = task
            task.add_done_callback(lambda _: self.at_work.pop(job_id, None))

    async def close(self) -> None:
        """Stop all jobs at work; each goes back to the outbox at its last finished stage."""
        while self.at_work:  # the end of one can be the beginning of another
            await end(list(self.at_work.values()))
            await asyncio.sleep(0)

    async def _one(self, queue: str, job_id: int) -> None:
        limit = self.agents if queue == Queue.AGENT else contextlib.nullcontext()
        try:
            async with limit:
                following = await do(self, job_id)
        except StoreError as error:  # what was done is not written: the lease runs out, the sweeper rings
            logs.get().error("a job could not be written down", job=job_id, error=str(error))
            return
        for job in following:
            await self.hand_on(job)

    async def hand_on(self, job: Job) -> None:
        """Start on a job here, or ring for those who serve its queue."""
        if job.queue in self.queues:
            self.begin(job.queue, job.id)
            return
        with contextlib.suppress(PimaintenoError):  # the row is there: the sweeper rings
            await self.bell.ring(job.queue, job.id)


async def do(desk: Desk, job_id: int) -> list[Job]:
    """Take the job's lease, run its handler and write how it ended; return the jobs that follow.

    Nothing happens where another worker holds the job or it is not due.
    """
    lease_s = desk.settings.worker.lease_s
    if (taken := await _taken(desk, job_id, lease_s)) is None:
        return []
    job, lease = taken
    work = Work(desk.settings, desk.settings.paths, desk.store, desk.redactor, lease)
    about = {name: value for name, value in job.args.items() if name in LOGGED}
    log = logs.get().bind(job=job.id, name=job.name, **about)
    try:
        await _may_go_on(desk, job)
        async with _heartbeat(desk.store, lease, lease_s):
            following = await _handler(job)(work, **job.args)
        return await _done(desk.store, lease, following)
    except LeaseLostError:
        log.warning("another worker took this job over")
        return []
    except asyncio.CancelledError:
        with contextlib.suppress(LeaseLostError, StoreError):  # then it comes back when the lease runs out
            async with desk.store.write() as tx:
                await jobs.release(tx, lease)
        raise
    except Exception as error:  # the ladder's last rung: nothing may be lost
        stop = _as_stop(error, job, desk.settings.worker.max_attempts)
        log.info("stopped", outcome=type(stop).__name__, reason=str(stop), exc_info=_trace(error))
        with contextlib.suppress(LeaseLostError):
            await _stopped(desk, job, lease, stop)
        return []


async def _taken(desk: Desk, job_id: int, lease_s: float) -> tuple[Job, Lease] | None:
    try:
        async with desk.store.write() as tx:
            return await jobs.take(tx, job_id, owner=desk.owner, lease_s=lease_s)
    except ValueError as error:  # the row is no JSON, or not as the model wants it
        reason = f"its row cannot be read: {type(error).__name__}"
        logs.get().error("a job is given up", job=job_id, reason=reason)
        async with desk.store.write() as tx:
            await jobs.unreadable(tx, job_id, reason)
        return None


def _handler(job: Job) -> Handler:
    if (job.queue, job.name) not in HANDLERS:
        raise PimaintenoError(
            f"this version knows no job {job.name!r}: is a worker of another version running?"
        )
    module, _, name = HANDLERS[job.queue, job.name].partition(":")
    return cast("Handler", getattr(importlib.import_module(module), name))


async def _may_go_on(desk: Desk, job: Job) -> None:
    """Raise what keeps a job from its handler: too many dead workers, a newer run, or a pause."""
    if job.attempts > DEATHS * desk.settings.worker.max_attempts:
        raise Failed(f"given up after {job.attempts} tries: each time the worker ended while it was at work")
    async with desk.store.read() as tx:
        pause = await pauses.get(tx) if job.queue == Queue.AGENT else None
        run_id = job.args.get("run_id")
        newest = await runs.latest(tx, (await runs.get(tx, run_id)).proposal_id) if run_id else None
    if newest is not None and newest.id != run_id:
        raise Skipped(f"run {newest.id} took its place")
    if pause is not None:
        raise RetryLater(_paused(pause.reason), after_s=PAUSED_RETRY_S, counts=False)


def _paused(reason: str) -> str:
    return f"paused: {reason}; when that is mended, run `pimainteno resume`"


@contextlib.asynccontextmanager
async def _heartbeat(store: Store, lease: Lease, lease_s: float) -> AsyncIterator[None]:
    """Keep the lease alive; cancel what runs inside, as LeaseLostError, once it is lost."""
    inside = asyncio.current_task()
    lost = False

    async def beat() -> None:
        nonlocal lost
        while True:
            await asyncio.sleep(lease_s / 3)
            try:
                async with store.write() as tx:
                    await jobs.beat(tx, lease, lease_s=lease_s)
            except LeaseLostError:
                lost = True
                if inside is not None:
                    inside.cancel()
                return
            except PimaintenoError as error:
                logs.get().warning("the lease could not be renewed", job=lease.job_id, error=str(error))

    beating = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError as error:
        if lost and inside is not None:
            inside.uncancel()
            raise LeaseLostError(f"job {lease.job_id} has a new holder") from error
        raise
    finally:
        beating.cancel()


async def _done(store: Store, lease: Lease, following: tuple[NewJob, ...]) -> list[Job]:
    async with store.write() as tx:
        await jobs.done(tx, lease)
        return [await jobs.add(tx, job) for job in following]


def _as_stop(error: Exception, job: Job, max_attempts: int) -> StopWork:
    """Turn whatever a handler raised into one of the outcomes."""
    if isinstance(error, SandboxError):
        return RetryLater(str(error), after_s=PAUSED_RETRY_S, pause=True, counts=False)
    if isinstance(error, RetryLater):
        if error.counts and job.attempts >= max_attempts:
            return Failed(f"{error} (given up after {job.attempts} tries)")
        return error
    if isinstance(error, StopWork):
        return error
    if isinstance(error, ForgeError):
        return _of_forge(error)
    if isinstance(error, PimaintenoError):
        reason = str(error)
    else:
        reason = f"a fault in PiMainteno: {type(error).__name__}: {error}; please report it with the log"
    if job.attempts >= max_attempts:
        return Failed(f"{reason} (given up after {job.attempts} tries)")
    return RetryLater(reason, after_s=BACK_OFF_S[min(job.attempts, len(BACK_OFF_S)) - 1])


def _of_forge(error: ForgeError) -> StopWork:
    """Turn what a forge said into an outcome: waiting for it costs nothing, so it is never given up."""
    if isinstance(error, ForgeRefusedError):
        return Refused(str(error))
    if isinstance(error, ForgeWaitError):
        return RetryLater(str(error), after_s=error.after_s, counts=False)
    after_s = FORGE_ACCESS_RETRY_S if isinstance(error, ForgeAccessError) else FORGE_RETRY_S
    return RetryLater(str(error), after_s=after_s, counts=False)


def _trace(error: Exception) -> Exception | None:
    return None if isinstance(error, PimaintenoError) else error


async def _stopped(desk: Desk, job: Job, lease: Lease, stop: StopWork) -> None:
    reason = desk.redactor.text(str(stop))
    try:
        await _ended(desk.store, job, lease, stop, reason, told=True)
    except (LeaseLostError, StoreError):
        raise
    except (
        PimaintenoError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # arguments that lead to no row: the job ends all the same
        logs.get().error("an outcome could not be told", job=job.id, reason=reason, error=str(error))
        await _ended(desk.store, job, lease, stop, reason, told=False)


async def _ended(store: Store, job: Job, lease: Lease, stop: StopWork, reason: str, *, told: bool) -> None:
    async with store.write() as tx:
        if isinstance(stop, RetryLater):
            await jobs.later(tx, lease, after_s=stop.after_s, reason=reason, counts=stop.counts)
            if stop.pause:
                await actions.pause(tx, reason, "pimainteno")
                reason = _paused(reason)
        else:
            await jobs.dead(tx, lease, reason)
        if told:
            await tell(tx, job, stop, reason)
