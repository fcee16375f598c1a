"""How jobs end short of done, written where people look: the run, its proposal, and the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.base import now
from app.core.errors import Failed, Refused, RetryLater, Skipped, StopWork
from app.core.models import ACTIVE, ProposalState
from app.store import deliveries, events, proposals, runs

if TYPE_CHECKING:
    from app.core.models import Job, Proposal, Run, RunState
    from app.store.database import Tx


@dataclass(frozen=True)
class End:
    """What the ladder writes for one way of stopping short."""

    run: RunState
    proposal: ProposalState
    event: str


LADDER: dict[type[StopWork], End] = {
    Skipped: End("skipped", ProposalState.SKIPPED, "run.skipped"),
    Refused: End("refused", ProposalState.REFUSED, "run.refused"),
    Failed: End("failed", ProposalState.FAILED, "run.finished"),
}


def _end(stop: StopWork) -> End:
    """Return the rung of an outcome; a kind of failure of its own, such as no room, is a failure."""
    return next((end for outcome, end in LADDER.items() if isinstance(stop, outcome)), LADDER[Failed])


async def tell(tx: Tx, job: Job, stop: StopWork, reason: str) -> None:
    """Write the outcome where people look: the run, its proposal, and the history."""
    if "run_id" in job.args:
        run = await runs.get(tx, int(job.args["run_id"]))
        proposal = await proposals.get(tx, run.proposal_id)
        if isinstance(stop, RetryLater):
            await _waiting(tx, run, proposal, reason)
        else:
            await _ended(tx, run, proposal, _end(stop), reason)
    elif not isinstance(stop, RetryLater):
        if job.name == "scan":
            end = "ignored" if isinstance(stop, Skipped) else "failed"
            await deliveries.done(tx, "reports", str(job.args["tick_id"]), result=f"{end}: {reason}")
        await events.append(
            tx,
            "scan.done" if job.name == "scan" else f"operator.{job.name}",
            f"{job.name} ended: {reason}",
            project=job.args.get("project"),
            proposal=job.args.get("proposal_id"),
            actor=str(job.args.get("actor", "pimainteno")),
            data={"outcome": _end(stop).run, "reason": reason},
        )


async def _waiting(tx: Tx, run: Run, proposal: Proposal, reason: str) -> None:
    if proposal.state not in ACTIVE or proposal.reason == reason or not await _is_newest(tx, run):
        return
    state = ProposalState.OPEN if proposal.state is ProposalState.OPEN else ProposalState.WAITING
    await proposals.update(tx, proposal.id, state=state, reason=reason)
    await events.append(
        tx, "proposal.waiting", f"Waiting: {reason}", project=run.project, proposal=proposal.id, run=run.id
    )


async def _ended(tx: Tx, run: Run, proposal: Proposal, end: End, reason: str) -> None:
    await runs.update(tx, run.id, state=end.run, reason=reason, finished_at=now())
    if await _is_newest(tx, run) and proposal.state in ACTIVE and proposal.state is not ProposalState.OPEN:
        await proposals.update(tx, proposal.id, state=end.proposal, reason=reason)
    await events.append(
        tx,
        end.event,
        reason,
        project=run.project,
        proposal=proposal.id,
        run=run.id,
        data={"outcome": end.run},
    )


async def _is_newest(tx: Tx, run: Run) -> bool:
    """Tell whether the proposal is this run's: an older one has no say in its state any more."""
    newest = await runs.latest(tx, run.proposal_id)
    return newest is not None and newest.id == run.id
