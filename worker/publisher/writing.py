"""From what is different on a forge to rows: the proposal, its events, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.models import NewJob, ProposalState
from app.core.queue import Queue
from app.store import events, incidents, jobs, projects, proposals
from worker.publisher.differences import difference

if TYPE_CHECKING:
    from app.core.models import Proposal
    from app.store.database import Tx
    from worker.forges.base import Remote
    from worker.publisher.differences import Difference, Seen

FROZEN = "frozen"
"""The topic of our one comment about it."""


async def reconciled(tx: Tx, proposal: Proposal, seen: Seen) -> None:
    """Write what a proposal's row lacks, in the caller's transaction."""
    found = difference(proposal, seen)
    if not found.columns:
        return
    await proposals.update(tx, proposal.id, **found.columns)
    await _tell(tx, proposal, found)
    await _what_follows(tx, proposal, seen.remote, found)


async def _tell(tx: Tx, proposal: Proposal, found: Difference) -> None:
    for each in found.news:
        await events.append(
            tx,
            each.kind,
            each.text[:1].upper() + each.text[1:],
            project=proposal.project,
            proposal=proposal.id,
            actor=each.actor,
            data=each.data,
        )


async def _what_follows(tx: Tx, proposal: Proposal, remote: Remote, found: Difference) -> None:
    if found.state is ProposalState.MERGED:
        if proposal.incident_id is not None:
            await incidents.resolve(tx, proposal.incident_id)
        if proposal.codex_md_diff:  # it came along, made for just this
            await projects.saw(tx, proposal.project, summary="current")
        await jobs.poll(tx, proposal.project)  # its default branch has moved
    if found.freezes:
        text = (
            f"Somebody else pushed {remote.head[:12]} to this branch, so PiMainteno leaves it alone from now "
            "on: nothing of yours is overwritten."
        )
        args = {"proposal_id": proposal.id, "topic": FROZEN, "text": text}
        await jobs.add(tx, NewJob(queue=Queue.PUBLISHER, name="say", args=args))
