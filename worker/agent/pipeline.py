"""The story of a repair, from a report to a changeset that can be proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.base import now
from app.core.changes import Changeset
from app.core.errors import Failed, Skipped, StopWork
from app.core.models import ACTIVE, Kind, NewJob, ProposalState
from app.core.queue import Queue
from app.store import events, incidents, proposals, runs
from worker.agent import checks, codex_md, repair, triage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.core.models import Incident, Run
    from worker.context import Work

    Stage = Callable[[Work, Run, Incident | None], Awaitable[Run]]


async def run(work: Work, *, run_id: int) -> tuple[NewJob, ...]:
    """Take a run from its last finished stage to the end, then hand it to the publisher."""
    if await _with_the_publisher(work, run_id):
        return ()
    this, incident = await _begin(work, run_id)
    for name, stage in _remaining(this):
        await _wanted(work, this)
        async with work.timed(this, name):
            this = await _billed(stage, work, this, incident)
            this = await work.save(this, stage=name)
    await _finish(work, this)
    return (NewJob(queue=Queue.PUBLISHER, name="publish", args={"run_id": run_id}),)


async def judge(_work: Work, this: Run, incident: Incident | None) -> Run:
    """Stop here if the failure cannot be a bug in the code."""
    if incident is not None and this.retry == 0:  # a person who retries has judged it already
        triage.judge(incident)
    return this


async def mend(work: Work, this: Run, incident: Incident | None) -> Run:
    """Let Codex repair the project in a worktree and take what it changed: one stage, one model call."""
    made = await repair.repair(work, this, incident)
    this = await work.save(this, **made.columns())
    await repair.accept(work, this.project, made)
    return this


async def prove(work: Work, this: Run, _incident: Incident | None) -> Run:
    """Run the project's checks before and after, in fresh worktrees, and judge the outcome."""
    results = await checks.prove(work, this.project, _changeset(this))
    async with work.store.write() as tx:
        await work.hold(tx)
        this = await runs.update(tx, this.id, checks=results)
        await proposals.update(tx, this.proposal_id, checks=results)  # also where they say no
    checks.judge(results)
    return this


async def describe(work: Work, this: Run, _incident: Incident | None) -> Run:
    """Bring codex.md up to date with the changeset; the program writes the file, not the model."""
    return await work.save(this, **await codex_md.describe(work, this, _changeset(this)))


STAGES: dict[Kind, tuple[tuple[str, Stage], ...]] = {
    Kind.FIX: (("triage", judge), ("repair", mend), ("prove", prove), ("summarise", describe)),
    Kind.SUMMARISE: (("summarise", describe),),
}

PUBLISHERS = ("commit", "push", "open")
"""The stages that are not ours."""


def _remaining(this: Run) -> tuple[tuple[str, Stage], ...]:
    stages = STAGES[this.kind]
    finished = [name for name, _ in stages]
    return stages[finished.index(this.stage) + 1 :] if this.stage in finished else stages


async def _wanted(work: Work, this: Run) -> None:
    """Raise Skipped where a person has ended the proposal since the last stage, or asked for a new run."""
    async with work.store.read() as tx:
        proposal = await proposals.get(tx, this.proposal_id)
        newest = await runs.latest(tx, this.proposal_id)
    if proposal.state not in ACTIVE:
        raise Skipped(f"the proposal is {proposal.state} by now")
    if newest is not None and newest.id != this.id:
        raise Skipped(f"run {newest.id} took its place")


async def _with_the_publisher(work: Work, run_id: int) -> bool:
    """Tell whether an earlier job took the run to its end here: nothing is to be asked again."""
    async with work.store.read() as tx:
        return (await runs.get(tx, run_id)).stage in PUBLISHERS


async def _billed(stage: Stage, work: Work, this: Run, incident: Incident | None) -> Run:
    """Run a stage; what the model took is on the run's bill also where the stage stops short."""
    try:
        return await stage(work, this, incident)
    except StopWork as stop:
        if stop.usage is not None:
            await work.save(this, usage=this.usage.plus(stop.usage))
        raise


async def _begin(work: Work, run_id: int) -> tuple[Run, Incident | None]:
    async with work.store.write() as tx:
        await work.hold(tx)
        this = await runs.get(tx, run_id)
        proposal = await proposals.get(tx, this.proposal_id)
        if this.base_sha is None:
            raise Failed(
                f"run {run_id} has no base commit: its fetch did not finish; `pimainteno retry {proposal.id}`"
            )
        incident = await incidents.get(tx, proposal.incident_id) if proposal.incident_id else None
        if proposal.state is ProposalState.WAITING:
            await proposals.update(tx, proposal.id, state=ProposalState.WORKING, reason=None)
        elif proposal.state not in (ProposalState.WORKING, ProposalState.OPEN):
            raise Skipped(f"the proposal is {proposal.state} by now")
        if this.started_at is None:
            this = await runs.update(tx, run_id, state="working", started_at=now())
            await events.append(
                tx,
                "run.started",
                f"Run {run_id} ({this.kind}) started on {(this.base_sha or '')[:12]}",
                project=this.project,
                proposal=proposal.id,
                run=run_id,
            )
    return this, incident


async def _finish(work: Work, this: Run) -> None:
    paths = [change.path for change in _changeset(this).changes]
    files = f"{len(paths)} {'file' if len(paths) == 1 else 'files'}"
    async with work.store.write() as tx:
        await work.hold(tx)
        if this.state == "done":
            return
        await runs.update(tx, this.id, state="done", finished_at=now())
        await events.append(
            tx,
            "run.finished",
            f"Run {this.id} finished: {files}, {this.usage.total:,} tokens",
            project=this.project,
            proposal=this.proposal_id,
            run=this.id,
            data={"tokens": this.usage.total, "files": paths},
        )


def _changeset(this: Run) -> Changeset:
    return this.changeset or Changeset(base=this.base_sha or "")
