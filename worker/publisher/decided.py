"""What people decided on the forge itself: a request that is merged or closed there is so here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.models import ProposalState
from app.store import events, incidents, proposals

if TYPE_CHECKING:
    from app.core.models import Proposal
    from worker.context import Work
    from worker.forges.base import Remote


def is_of(proposal: Proposal, remote: Remote) -> bool:
    """Tell whether an ended request is this proposal's, and not one that an older database opened.

    Branch names come back when a database is made anew; commits that we pushed for a proposal do not.
    """
    return remote.number == proposal.number or remote.head in proposal.pushed


async def write(work: Work, proposal: Proposal, remote: Remote) -> str:
    """Write down that the request was merged or closed on the forge, once; return that as a sentence."""
    merged = remote.state == "merged"
    state = ProposalState.MERGED if merged else ProposalState.CLOSED
    reason = f"{state} on the forge"
    async with work.store.write() as tx:
        await work.hold(tx)
        before = await proposals.get(tx, proposal.id, lock=True)
        if before.state is not state:
            await proposals.update(
                tx, before.id, state=state, reason=reason, url=remote.url, number=remote.number
            )
            if merged and before.incident_id is not None:
                await incidents.resolve(tx, before.incident_id)
            await events.append(
                tx,
                f"proposal.{state}",
                reason.capitalize(),
                project=before.project,
                proposal=before.id,
                data={"url": remote.url},
            )
    return f"the proposal was {reason}"
