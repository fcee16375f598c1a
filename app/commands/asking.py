"""Asking for an action on a proposal: a row first, then the bell, then a look at how it ended."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from app.commands.base import DONE, FAILED, NOTHING, actor, quiet_logs
from app.commands.following import WORKER_WITHIN_S, newest_event
from app.commands.reports import NO_WORKER
from app.commands.screen import Steps, say, steps, warn
from app.core.errors import QueueError
from app.core.queue import Bell, Queue

if TYPE_CHECKING:
    from app.core.models import Job
    from app.core.settings import Settings
    from app.store.actions import Action
    from app.store.database import Store

ENDS_WITHIN_S = 20.0
POLL_S = 0.2


async def ask(
    settings: "Settings",
    action: "Action",
    proposal_id: int,
    *,
    discard: bool = False,
    length: timedelta | None = None,
) -> int:
    """Put the wish into the outbox, ring for it and tell what came of it within some seconds.

    Raises NotFoundError or ConflictError, with nothing asked, where the proposal does not take it.
    """
    from app.core import redis
    from app.store.database import Store

    quiet_logs(settings)
    async with AsyncExitStack() as held:
        store = await held.enter_async_context(Store.opened(settings.database_url_effective))
        after = await newest_event(store)
        job = await _request(settings, store, action, proposal_id, discard=discard, length=length)
        say(f"asked: {action} proposal {proposal_id}")
        try:
            url = await held.enter_async_context(redis.running(settings))
            bell = await held.enter_async_context(Bell(url))
            await bell.ring(job.queue, job.id)
        except QueueError as error:
            warn(f"{error}; what you asked for is kept and is done once Redis is back")
            return DONE
        with steps() as shown:
            ended = await _ended(store, bell, job, shown)
        return await _tell(store, ended, proposal_id, after) if ended else DONE


async def _request(
    settings: "Settings",
    store: "Store",
    action: "Action",
    proposal_id: int,
    *,
    discard: bool,
    length: timedelta | None,
) -> "Job":
    from app.core.base import now
    from app.store import actions, proposals

    until = now() + length if length else None
    async with store.write() as tx:
        proposal = await proposals.get(tx, proposal_id)
        local = action == "merge" and settings.forge_of(proposal.project).kind == "local"
        return await actions.request(
            tx, action, proposal_id, actor=actor(), local=local, discard=discard, until=until
        )


async def _ended(store: "Store", bell: Bell, job: "Job", shown: Steps) -> "Job | None":
    """Return the job once it is over; None, and say so, where that takes too long."""
    from app.store import jobs

    began, told, worker = time.monotonic(), None, False
    shown.busy("waiting for a worker")
    while (waited := time.monotonic() - began) < ENDS_WITHIN_S:
        async with store.read() as tx:
            present = await jobs.get(tx, job.id)
        if present.state in ("done", "dead"):
            return present
        if present.reason and present.reason != told:
            told = present.reason
            shown.step(f"it waits: {told}")
        with suppress(QueueError):
            worker = worker or present.state == "running" or await bell.has_worker(Queue.PUBLISHER)
        if not worker and waited > WORKER_WITHIN_S:
            warn(NO_WORKER)
            return None
        await asyncio.sleep(POLL_S)
    warn("it is not done yet and goes on without us: see `pimainteno history --follow`")
    return None


async def _tell(store: "Store", job: "Job", proposal_id: int, after: int) -> int:
    """Say how the job ended, and return the exit code."""
    from app.store import events, proposals

    async with store.read() as tx:
        proposal = await proposals.get(tx, proposal_id)
        new, _ = await events.page(tx, proposal=proposal_id, after=after)
    if job.state == "done":
        say(f"{job.name} is done; proposal {proposal_id} is {proposal.state}: {proposal.title}")
        return DONE
    warn(f"{job.name} of proposal {proposal_id} was not done: {job.reason or 'no reason is recorded'}")
    skipped = any(event.data.get("outcome") == "skipped" for event in new)
    return NOTHING if skipped else FAILED
