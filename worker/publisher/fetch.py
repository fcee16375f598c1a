"""The jobs that begin with a look at the project: a run's start, and a scan."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.core.base import now
from app.core.errors import Skipped
from app.core.models import ACTIVE, Kind, NewJob, ProposalState
from app.core.queue import Queue
from app.store import deliveries, events, projects, proposals, results, runs
from worker.git import objects
from worker.publisher import codex_md, mirror

if TYPE_CHECKING:
    from app.core.changes import CodexMd
    from app.core.models import Proposal, Run
    from app.store.database import Tx
    from worker.context import Work
    from worker.publisher.mirror import Mirror

SUMMARY = "codex.md"
BRANCH = "pimainteno/codex-md"
UNCHANGED = "; the project has not changed since this was last tried"
_ENDED = (ProposalState.SKIPPED, ProposalState.REFUSED, ProposalState.FAILED)


async def start(work: Work, *, run_id: int) -> tuple[NewJob, ...]:
    """Fetch the project and give a run its base; the agent goes on from there."""
    async with work.store.read() as tx:
        run = await runs.get(tx, run_id)
        proposal = await proposals.get(tx, run.proposal_id)
    if run.base_sha is None:
        async with work.timed(run, "fetch"):
            seen = await mirror.refresh(work, run.project)
            await _worth_trying(seen, run, proposal)
            present = await codex_md.news(work, run.project, seen)
            await _based(work, run, seen, present, await _came_back(work, seen, proposal))
    return (_repair(run_id),)


async def scan(work: Work, *, project: str, tick_id: str, actor: str) -> tuple[NewJob, ...]:
    """Look whether codex.md is missing or outdated; if so, set out to write it."""
    seen = await mirror.refresh(work, project)
    tree = await asyncio.to_thread(objects.tree_key, seen.path, seen.commit)
    present = await asyncio.to_thread(objects.read, seen.path, seen.commit, SUMMARY) is not None
    news = await codex_md.news(work, project, seen)
    async with work.store.write() as tx:
        await work.hold(tx)
        await codex_md.saw(tx, project, seen, news)
        run = await _scanned(tx, seen, project, tick_id, actor, tree, present=present)
    if run is None:
        return ()
    await seen.keep(f"base/{run.id}", run.base_sha or seen.commit)
    return (_repair(run.id),)


def _repair(run_id: int) -> NewJob:
    return NewJob(queue=Queue.AGENT, name="repair", args={"run_id": run_id})


async def _worth_trying(seen: Mirror, run: Run, proposal: Proposal) -> None:
    """Raise Skipped where the same code was tried before and nobody asked to try again."""
    if run.retry or proposal.base_sha is None:
        return
    if proposal.base_sha != seen.commit:
        if not await asyncio.to_thread(objects.has, seen.path, proposal.base_sha):
            return
        before = await asyncio.to_thread(objects.tree_key, seen.path, proposal.base_sha)
        if before != await asyncio.to_thread(objects.tree_key, seen.path, seen.commit):
            return
    reason = (proposal.reason or "it ended without a proposal").removesuffix(UNCHANGED)
    raise Skipped(reason + UNCHANGED)


async def _came_back(work: Work, seen: Mirror, proposal: Proposal) -> Proposal | None:
    """Return the merged proposal whose failure is here again, on a base that has the merge."""
    if proposal.incident_id is None or proposal.follows is not None:
        return None
    async with work.store.read() as tx:
        before = await proposals.merged_before(tx, proposal.incident_id, proposal.id)
    merge = before.merge_commit or before.head_sha if before is not None else None
    if merge is None or not await asyncio.to_thread(objects.has, seen.path, merge):
        return None
    there = await asyncio.to_thread(objects.is_ancestor, seen.path, merge, seen.commit)
    return before if there else None


async def _based(
    work: Work, run: Run, seen: Mirror, present: CodexMd | None, came_back: Proposal | None
) -> None:
    await seen.keep(f"base/{run.id}", seen.commit)
    async with work.store.write() as tx:
        await work.hold(tx)
        await runs.update(tx, run.id, base_sha=seen.commit)
        await proposals.update(tx, run.proposal_id, base_sha=seen.commit)
        if came_back is not None:
            await proposals.update(tx, run.proposal_id, follows=came_back.id)
            await events.append(
                tx,
                "incident.regressed",
                f"It failed again although proposal {came_back.id} is merged: a regression, unless the host "
                "has not got the merge yet",
                project=run.project,
                proposal=run.proposal_id,
                run=run.id,
                data={"follows": came_back.id, "url": came_back.url},
            )
        await codex_md.saw(tx, run.project, seen, present)


async def _scanned(
    tx: Tx, seen: Mirror, project: str, tick_id: str, actor: str, tree: str, *, present: bool
) -> Run | None:
    """Write what a scan found, and return the run that it sets out to make, or None.

    `results` keeps one row a project: of which tree, run and tick the last scan was.
    """
    last = await results.get(tx, f"scan:{project}") or {}
    before = await runs.get(tx, int(last["run"])) if last else None
    if before is not None and last["tick"] == tick_id:  # we were here before, and ended before the job did
        return before if before.stage == "" and before.state == "queued" else None
    proposal = await proposals.get(tx, before.proposal_id) if before is not None else None
    same = before is not None and last["tree"] == tree
    if reason := _current(before, proposal, same=same, present=present):
        current = present and (proposal is None or proposal.state is not ProposalState.CLOSED)
        await projects.scanned(tx, project, summary="current" if current else _standing(present=present))
        await _told(tx, project, tick_id, actor, reason, proposal, ignored=True)
        return None
    await projects.scanned(tx, project, summary=_standing(present=present))
    proposal, run = await _set_out(tx, project, proposal, seen.commit, present=present)
    await results.put(
        tx,
        f"scan:{project}",
        kind="scanned",
        project=project,
        value={"tree": tree, "run": run.id, "tick": tick_id},
    )
    what = f"{SUMMARY} is {'to be looked at again' if present else 'missing'}"
    await _told(tx, project, tick_id, actor, what, proposal, ignored=False)
    return run


def _current(run: Run | None, proposal: Proposal | None, *, same: bool, present: bool) -> str:
    """Return why there is nothing to do for codex.md, or nothing."""
    if run is None or proposal is None:
        return ""
    if proposal.state in ACTIVE:
        return f"proposal {proposal.id} for {SUMMARY} is {proposal.state}"
    if proposal.state is ProposalState.CLOSED and not (
        proposal.snoozed_until and proposal.snoozed_until <= now()
    ):
        number = proposal.id
        return f"proposal {number} for {SUMMARY} was closed; `pimainteno retry {number}` asks for it again"
    if same and present and run.state in ("done", "skipped"):
        return f"{SUMMARY} is current"
    return ""


def _standing(*, present: bool) -> str:
    return "outdated" if present else "missing"


async def _set_out(
    tx: Tx, project: str, former: Proposal | None, commit: str, *, present: bool
) -> tuple[Proposal, Run]:
    title = f"{'Refresh' if present else 'Add'} {SUMMARY}"
    columns: dict[str, Any] = {"title": title, "base_sha": commit}
    if former is not None and former.state in _ENDED:  # it never left the house: the same row goes on
        columns |= {"state": ProposalState.WORKING, "reason": None}
        proposal = await proposals.update(tx, former.id, **columns)
    else:
        branch = await proposals.free_branch(tx, project, BRANCH)
        proposal = await proposals.create(
            tx, project=project, kind=Kind.SUMMARISE, branch=branch, title=title
        )
        proposal = await proposals.update(tx, proposal.id, **columns)
    run = await runs.create(tx, proposal)
    return proposal, await runs.update(tx, run.id, base_sha=commit)


async def _told(
    tx: Tx,
    project: str,
    tick_id: str,
    actor: str,
    text: str,
    proposal: Proposal | None,
    *,
    ignored: bool,
) -> None:
    number = proposal.id if proposal else None
    active = proposal is not None and proposal.state in (
        ProposalState.WORKING,
        ProposalState.WAITING,
        ProposalState.OPEN,
    )
    outcome = "proposal" if not ignored else "counted" if active else "ignored"
    result = f"ignored: {text}" if outcome == "ignored" else outcome
    data = {"tick": tick_id, "outcome": outcome}
    await events.append(
        tx,
        "scan.done",
        f"Scan of {project}: {text}",
        project=project,
        proposal=number,
        actor=actor,
        data=data,
    )
    await deliveries.done(tx, "reports", tick_id, result=result, proposal_id=number)
