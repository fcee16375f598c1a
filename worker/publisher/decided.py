"""What people decided on the forge itself: a request that is merged or closed there is so here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.models import ProposalState
from app.store import proposals
from worker.publisher.differences import Seen
from worker.publisher.writing import reconciled

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
    name = work.settings.project(proposal.project).forge
    async with work.store.write() as tx:
        await work.hold(tx)
        before = await proposals.get(tx, proposal.id, lock=True)
        if before.state is not ProposalState(remote.state):
            # it ends here, whatever a run makes of it
            as_open = before.model_copy(update={"state": ProposalState.OPEN})
            await reconciled(tx, as_open, Seen(remote, None, name, busy=False, redact=work.redactor.text))
    return f"the proposal was {remote.state} on the forge"
