"""`retry --discard` on an open proposal: its branch is ours again, without what others pushed there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.core.errors import PushRejectedError, Refused, Skipped
from app.store import events, proposals
from worker.git import objects
from worker.publisher import mirror
from worker.publisher.publish import read_back

if TYPE_CHECKING:
    from app.core.models import NewJob, Proposal
    from worker.context import Work
    from worker.publisher.mirror import Mirror


async def taken_back(work: Work, proposal: Proposal, actor: str, *, discard: bool) -> tuple[NewJob, ...]:
    """Put the branch back to what we pushed last, with a lease on what stands there now."""
    if not discard:
        raise Skipped(
            proposal.reason or "somebody else pushed to its branch: `retry --discard` takes it back"
        )
    seen = await mirror.refresh(work, proposal.project)
    if not seen.is_ours(proposal.branch):
        raise Refused(f"{proposal.branch} is no branch of ours, so nothing is pushed to it")
    there = seen.heads.get(proposal.branch, "")
    if there in proposal.pushed and not proposal.foreign_sha:
        raise Skipped(f"nobody else has pushed to {proposal.branch}: there is nothing to throw away")
    ours = await _ours(seen, proposal)
    if there != ours:
        await work.still_ours()
        try:
            await seen.push(ours, proposal.branch, expect=there)
        except PushRejectedError as error:
            raise Refused(f"{proposal.branch} could not be taken back: {error}") from error
    async with work.store.write() as tx:
        await work.hold(tx)
        await proposals.update(tx, proposal.id, head_sha=ours, foreign_sha=None, reason=None)
        await events.append(
            tx,
            "proposal.updated",
            f"Taken back by {actor}: its branch stands at {ours[:12]} again, not at {there[:12] or 'none'}",
            project=proposal.project,
            proposal=proposal.id,
            actor=actor,
            data={"commit": ours, "discarded": there},
        )
    return read_back(seen.forge, proposal.id)


async def _ours(seen: Mirror, proposal: Proposal) -> str:
    for sha in reversed(proposal.pushed):
        if await asyncio.to_thread(objects.has, seen.path, sha):
            return sha
    raise Refused(
        f"what we pushed to {proposal.branch} is not here any more: close proposal {proposal.id}, "
        "then retry it"
    )
