"""A stored changeset on a base that moved under an open proposal: applied again, without the model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.core.models import NewJob, ProposalState
from app.core.queue import Queue
from app.store import events, jobs, proposals, runs
from worker.git import objects
from worker.publisher import mirror, moved

if TYPE_CHECKING:
    from app.core.models import Proposal, Run
    from app.store.database import Tx
    from worker.context import Work
    from worker.publisher.mirror import Mirror

AGENT_ENDS_WITH = "summarise"
"""From this stage on the publisher looks at the base again, and applies the changeset anew."""
ENDED = ("refused", "skipped", "failed")


async def set_out(tx: Tx, run: Run, **columns: object) -> None:
    """Have a run's changeset applied to the present base, counting the base's moves from zero."""
    notes = tuple(note for note in run.notes if not note.startswith(moved.NOTE))
    await runs.update(tx, run.id, stage=AGENT_ENDS_WITH, notes=notes)
    if columns:
        await proposals.update(tx, run.proposal_id, **columns)
    await jobs.add(tx, NewJob(queue=Queue.PUBLISHER, name="publish", args={"run_id": run.id}))


async def where_it_conflicts(work: Work, proposal_id: int) -> None:
    """Apply an open proposal anew that the forge says conflicts with its base."""
    async with work.store.read() as tx:
        proposal = await proposals.get(tx, proposal_id)
    if proposal.state is ProposalState.OPEN:
        seen = await mirror.refresh(work, proposal.project)
        await _once(work, proposal, seen, f"{seen.branch} has moved, and it conflicts with that")


async def where_the_base_is_another(work: Work, proposal: Proposal, seen: Mirror, target: str) -> None:
    """Apply an open proposal anew whose base was rewritten, or that goes into a branch that is gone.

    One that a person pointed to another branch is theirs to point.
    """
    if target and target not in seen.heads:
        await _once(work, proposal, seen, f"it goes into {seen.branch} now, for {target} is gone")
        return
    if target and target != seen.branch:
        return
    base = proposal.base_sha or ""
    known = bool(base) and await asyncio.to_thread(objects.has, seen.path, base)
    if known and not await asyncio.to_thread(objects.is_ancestor, seen.path, base, seen.commit):
        await _once(work, proposal, seen, f"{seen.branch} was rewritten")


async def _once(work: Work, proposal: Proposal, seen: Mirror, why: str) -> None:
    """Set out, unless people work on the branch, a run is at work, or this base was tried already."""
    async with work.store.write() as tx:
        await work.hold(tx)
        now, run = await proposals.get(tx, proposal.id, lock=True), await runs.latest(tx, proposal.id)
        if now.state is not ProposalState.OPEN or now.foreign_sha or run is None:
            return
        at_work = run.stage != "open" and run.state not in ENDED
        if at_work or run.changeset is None or run.changeset.base == seen.commit:
            return
        await set_out(tx, run)
        await events.append(
            tx,
            "proposal.updated",
            f"It is applied anew: {why}",
            project=now.project,
            proposal=now.id,
            run=run.id,
            data={"commit": seen.commit},
        )
