"""How much may be proposed: what is over the limit waits, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.core.base import now
from app.core.errors import RetryLater
from app.core.models import ProposalState
from app.store import proposals

if TYPE_CHECKING:
    from app.core.models import Proposal
    from app.core.settings import LimitSettings
    from app.store.database import Tx

WAIT_S = 60.0


async def reserve(tx: Tx, limits: LimitSettings, proposal: Proposal) -> None:
    """Take a place for a proposal that is about to be opened, or raise RetryLater until there is one.

    The place counts from here on, in the transaction of the commit, so that two at once are two. The
    reasons are the same each time: the history tells each once.
    """
    if proposal.state is ProposalState.OPEN:
        return
    if await proposals.open_count(tx, proposal.project, but=proposal.id) >= limits.open_proposals:
        raise RetryLater(
            f"{proposal.project} has {limits.open_proposals} open proposals (limits.open_proposals): "
            "merge or close one",
            after_s=WAIT_S,
            counts=False,
        )
    hour = now() - timedelta(hours=1)
    per_hour = limits.proposals_per_hour
    if per_hour and await proposals.opened_since(tx, proposal.project, hour, but=proposal.id) >= per_hour:
        raise RetryLater(
            f"{proposal.project} got {per_hour} proposals within an hour (limits.proposals_per_hour): "
            "this one waits until the hour is over",
            after_s=WAIT_S,
            counts=False,
        )
    await proposals.update(tx, proposal.id, opened_at=now())
