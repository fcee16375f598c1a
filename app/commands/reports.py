"""Sending reports to intake, and waiting for what comes of them: shared by `fix` and `scan`."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.commands import following
from app.commands.base import DONE, FAILED, NOTHING, quiet_logs
from app.commands.screen import say, steps, warn
from app.core.queue import Queue

if TYPE_CHECKING:
    from app.core.queue import Bell
    from app.core.settings import Settings
    from app.store.database import Store

IGNORED, FAILED_REPORT = "ignored", "failed"
"""How the result of a report begins that came to no proposal."""
NO_WORKER = "no worker is running: start `pimainteno up` or `pimainteno worker`; what is queued waits for it"


@dataclass(frozen=True)
class Sent:
    """One report: its id, what to say once it is queued, and its project."""

    id: str
    said: str
    project: str


async def send(
    settings: "Settings",
    all_sent: Sequence[Sent],
    push: "Callable[[Bell, Sent], Awaitable[None]]",
    *,
    wait: bool,
) -> int:
    """Queue the reports; with `wait`, print what happens until each has come to an end.

    Returns the exit code: of several, the worst, and "nothing to do" only where that goes for all.
    Raises QueueError, with nothing queued, when Redis is away.
    """
    from app.core import redis
    from app.core.queue import Bell
    from app.store.database import Store

    quiet_logs(settings)
    async with AsyncExitStack() as held:
        store, after = None, 0
        if wait:
            store = await held.enter_async_context(Store.opened(settings.database_url_effective))
            after = await following.newest_event(store)
        url = await held.enter_async_context(redis.running(settings))
        bell = await held.enter_async_context(Bell(url))
        for one in all_sent:
            await push(bell, one)
            say(one.said)
        if not await following.worker_seen(bell, Queue.REPORTS):
            warn(NO_WORKER)
        if store is None:
            return DONE
        return worst([await _outcome(store, one, after) for one in all_sent])


def worst(codes: Sequence[int]) -> int:
    """Return the exit code for several outcomes."""
    did = [code for code in codes if code != NOTHING]
    return max(did, default=NOTHING)


async def _outcome(store: "Store", one: Sent, after: int) -> int:
    with steps() as shown:
        shown.busy("waiting for a worker to take the report")
        known = await following.delivery(store, one.id)
        result = known.result or ""
        if result.startswith(FAILED_REPORT):
            warn(f"{one.project}: {result}")
            return FAILED
        if known.proposal_id is None or result.startswith(IGNORED):
            await following.History(store, after, project=one.project).show(shown)
            warn(f"{one.project}: {result}")
            return NOTHING
        history = following.History(store, after, proposal=known.proposal_id)
        proposal = await following.at_rest(store, known.proposal_id, history, shown)
    return following.conclude(proposal)
