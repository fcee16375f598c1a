"""The forge's truth: a proposal is read fresh, whatever a delivery said, and what changed is written down.

Two of these may read the same proposal at once. What is written fits the row that was read: where it has
changed since, the forge is read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.errors import RetryLater
from app.core.models import ProposalState
from app.store import events, jobs, proposals
from worker.forges.registry import forge_for
from worker.publisher import anew, mirror, remarks
from worker.publisher.differences import Seen
from worker.publisher.writing import reconciled

if TYPE_CHECKING:
    from app.core.models import NewJob, Proposal
    from worker.context import Work
    from worker.forges.base import Forge, Remote, Standing
    from worker.publisher.remarks import Remark

TRIES = 5
BUSY_AFTER_S = 1.0
WISHES = ("close", "snooze", "retry", "merge")


async def reconcile(work: Work, *, proposal_id: int) -> tuple[NewJob, ...]:
    """Bring a proposal's row up to date with its forge; one that is not there yet is none of ours to read."""
    async with work.store.read() as tx:
        proposal = await proposals.get(tx, proposal_id)
    forge = forge_for(work.settings, proposal.project)
    if proposal.number is None or not forge.capabilities.is_read_back:
        return ()
    if not mirror.is_our_name(proposal.branch):
        return ()
    await forge.look()
    await bring(work, forge, proposal)
    return ()


async def bring(work: Work, forge: Forge, proposal: Proposal) -> None:
    """Read a request with its comments, and write what changed; raises ForgeError."""
    for _ in range(TRIES):
        remote = await forge.read(proposal.number or 0)
        if remote is None:
            wrote = await _gone(work, proposal)
        else:
            standing = await forge.standing(remote) if remote.state == "open" else None
            heard = await remarks.heard(forge, remote, after=proposal.last_comment)
            wrote = await write(work, proposal, remote, standing, heard)
        if wrote:
            break
        async with work.store.read() as tx:
            proposal = await proposals.get(tx, proposal.id)
    else:
        raise RetryLater("it changed each time that it was read", after_s=BUSY_AFTER_S, counts=False)
    if remote is not None and remote.conflicts:
        await anew.where_it_conflicts(work, proposal.id)


async def write(
    work: Work,
    proposal: Proposal,
    remote: Remote,
    standing: Standing | None,
    heard: tuple[Remark, ...] = (),
) -> bool:
    """Write what changed, with its events; False where the row is no longer the one that was read."""
    name = work.settings.project(proposal.project).forge
    async with work.store.write() as tx:
        await work.hold(tx)
        before = await proposals.get(tx, proposal.id, lock=True)
        if before.updated_at != proposal.updated_at:
            return False
        busy = any([await jobs.pending(tx, wish, before.id) for wish in WISHES])
        await reconciled(tx, before, Seen(remote, standing, name, busy, work.redactor.text))
        for remark in heard:
            await remarks.obey(tx, before, remark, forge=name)
    return True


async def _gone(work: Work, proposal: Proposal) -> bool:
    """Write that the forge has no such request any more, which ends one that was open."""
    reason = "somebody deleted it on the forge"
    async with work.store.write() as tx:
        await work.hold(tx)
        before = await proposals.get(tx, proposal.id, lock=True)
        if before.state is ProposalState.OPEN:
            await proposals.update(tx, before.id, state=ProposalState.CLOSED, reason=reason)
            await events.append(
                tx, "proposal.closed", reason.capitalize(), project=before.project, proposal=before.id
            )
    return True
