"""What people may ask for, from a page or by a program: a row first, then the bell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from app.core import durations, logs
from app.core.base import now
from app.core.errors import QueueError

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.models import Job, Proposal
    from app.web.auth import Caller
    from app.web.context import Web

Action = Literal["merge", "close", "retry", "snooze"]
RING_PATIENCE_S = 5.0


async def ask(
    web: Web,
    caller: Caller,
    action: Action,
    number: int,
    *,
    discard: bool = False,
    until: datetime | None = None,
    seen: str | None = None,
) -> tuple[Proposal, Job]:
    """Put a person's wish into the outbox and return the proposal as it stands, and the job to ring for.

    `seen` is the mark of what they decided upon, see `actions.mark`.
    """
    from app.store import actions, proposals

    async with web.store.write() as tx:
        proposal = await proposals.get(tx, number)
        job = await actions.request(
            tx,
            action,
            number,
            actor=caller.name,
            local=is_local_forge(web, proposal.project),
            discard=discard,
            until=until,
            seen=seen,
        )
        return await proposals.get(tx, number), job


async def ring(web: Web, job: Job) -> None:
    """Ring for a job. Where Redis is away the row waits for the sweeper, so nothing is lost."""
    try:
        async with asyncio.timeout(RING_PATIENCE_S):
            await web.bell.ring(job.queue, job.id)
    except (QueueError, TimeoutError) as error:
        logs.get().warning("not rung, the sweeper will", job=job.id, error=str(error) or "no answer")


def until(duration: str) -> datetime:
    """Return the moment after a duration such as 12h, 7d or 2w from now."""
    return now() + durations.parse(duration)


def is_local_forge(web: Web, project: str) -> bool:
    """Tell whether proposals of a project are reviewed and merged on our own page."""
    known = web.settings.projects.get(project)
    forge = web.settings.forges.get(known.forge) if known is not None else None
    return forge is not None and forge.kind == "local"
