"""What people decide about a proposal: merge (where we are the forge), close, retry, snooze.

Who asked stands in each event. Each call finds out what a former one, cut off by a crash, has done.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.core.base import now
from app.core.errors import GitError, Refused, RetryLater, Skipped
from app.core.models import ACTIVE, NewJob, ProposalState
from app.core.queue import Queue
from app.store import events, jobs, proposals, runs
from worker.forges.registry import forge_for
from worker.publisher import anew, decided, mirror
from worker.publisher.merging import merge
from worker.publisher.publish import read_back
from worker.publisher.taking_back import taken_back

if TYPE_CHECKING:
    from app.core.models import Proposal, Run
    from app.store.database import Tx
    from worker.context import Work
    from worker.publisher.mirror import Mirror

__all__ = ["close", "merge", "retry", "snooze"]

AGENT_IS_DONE = ("summarise", "commit", "push")
BUSY_AFTER_S = 5.0


async def close(work: Work, *, proposal_id: int, actor: str) -> tuple[NewJob, ...]:
    """Close a proposal: its failure is only counted from now on. The branch stays."""
    await _close(work, proposal_id, actor, f"closed by {actor}", {})
    return ()


async def snooze(work: Work, *, proposal_id: int, actor: str, until: str) -> tuple[NewJob, ...]:
    """Close a proposal until a time; the same failure after that gets a new one."""
    at = datetime.fromisoformat(until)
    await _close(
        work, proposal_id, actor, f"snoozed by {actor} until {at:%Y-%m-%d %H:%M} UTC", {"snoozed_until": at}
    )
    return ()


async def retry(work: Work, *, proposal_id: int, actor: str, discard: bool = False) -> tuple[NewJob, ...]:
    """Try again: open a closed proposal as it was if nothing moved, else set out on a new run.

    `discard` throws away what stands on the branch, whoever pushed it.
    """
    async with work.store.read() as tx:
        proposal = await proposals.get(tx, proposal_id)
        last = await runs.latest(tx, proposal_id)
    if proposal.state is ProposalState.MERGED:
        raise Skipped(f"the proposal is {proposal.state} by now")
    if proposal.state is ProposalState.OPEN and (proposal.foreign_sha or discard):
        return await taken_back(work, proposal, actor, discard=discard)
    if proposal.state in ACTIVE and last is not None and not _is_shown(proposal, last):
        return await _at_once(work, proposal, last, discard=discard)
    if discard:
        await _throw_away(work, await mirror.refresh(work, proposal.project), proposal)
    elif proposal.state is ProposalState.CLOSED and proposal.head_sha is not None:
        seen = await mirror.refresh(work, proposal.project)
        if _stands(seen, proposal):
            return await _reopened(work, seen, proposal, actor)
    return await _anew(work, proposal, last, actor)


async def _at_once(work: Work, proposal: Proposal, run: Run, *, discard: bool) -> tuple[NewJob, ...]:
    """Take a run that waits on now, in place of the job that waits; leave alone what is at work."""
    args = {"run_id": run.id}
    async with work.store.read() as tx:
        busy = await jobs.at_work(tx, args)
    if busy and discard:
        raise RetryLater("its run is at work just now", after_s=BUSY_AFTER_S, counts=False)
    if busy:
        return ()
    if discard:
        await _throw_away(work, await mirror.refresh(work, proposal.project), proposal)
    async with work.store.write() as tx:
        await work.hold(tx)
        await jobs.replace(tx, args, "a retry took its place")
        if discard and run.stage == "push":  # what was pushed is gone
            run = await runs.update(tx, run.id, stage="commit")
    return _go_on(run)


def _go_on(run: Run) -> tuple[NewJob, ...]:
    """Return the job that takes a run on from where it stands."""
    args = {"run_id": run.id}
    if run.base_sha is None:
        return (NewJob(queue=Queue.PUBLISHER, name="start", args=args),)
    if run.stage in AGENT_IS_DONE:
        return (NewJob(queue=Queue.PUBLISHER, name="publish", args=args),)
    return (NewJob(queue=Queue.AGENT, name="repair", args=args),)


def _is_shown(proposal: Proposal, run: Run) -> bool:
    """Tell whether an open proposal's last run is over, so that another try is a new one."""
    return proposal.state is ProposalState.OPEN and (run.stage == "open" or run.state in anew.ENDED)


def _stands(seen: Mirror, proposal: Proposal) -> bool:
    """Tell whether branch and base are still those of a closed proposal."""
    where = seen.heads.get(proposal.branch) if seen.is_ours(proposal.branch) else None
    return where is not None and where == proposal.head_sha and seen.commit == proposal.base_sha


async def _throw_away(work: Work, seen: Mirror, proposal: Proposal) -> None:
    there = seen.heads.get(proposal.branch)
    if there is None:
        return
    await work.still_ours()
    try:
        await seen.delete(proposal.branch, expect=there)
    except GitError as error:
        raise Refused(f"{proposal.branch} could not be thrown away: {error}") from error


async def _reopened(work: Work, seen: Mirror, proposal: Proposal, actor: str) -> tuple[NewJob, ...]:
    remote = await seen.forge.find(proposal.branch)
    if remote is not None and remote.state == "merged" and decided.is_of(proposal, remote):
        raise Skipped(await decided.write(work, proposal, remote))
    if remote is not None and remote.state == "closed":
        await work.still_ours()
        await seen.forge.reopen(remote)
    async with work.store.write() as tx:
        await work.hold(tx)
        await proposals.update(
            tx, proposal.id, state=ProposalState.OPEN, reason=None, snoozed_until=None, opened_at=now()
        )
        await _event(tx, "proposal.reopened", f"Opened again by {actor}, as it was", proposal, actor)
    return read_back(seen.forge, proposal.id)


async def _anew(work: Work, proposal: Proposal, last: Run | None, actor: str) -> tuple[NewJob, ...]:
    async with work.store.write() as tx:
        await work.hold(tx)
        if proposal.state is not ProposalState.OPEN:  # that stays where people look at it
            await proposals.update(
                tx, proposal.id, state=ProposalState.WORKING, reason=None, snoozed_until=None, opened_at=None
            )
        run = await runs.create(tx, proposal, retry=last.retry + 1 if last else 1)
        if proposal.state is ProposalState.CLOSED:
            await _event(tx, "proposal.reopened", f"Opened again by {actor}: run {run.id}", proposal, actor)
    return _go_on(run)


async def _close(work: Work, proposal_id: int, actor: str, reason: str, columns: dict[str, Any]) -> None:
    async with work.store.read() as tx:
        proposal = await proposals.get(tx, proposal_id)
    if proposal.state is ProposalState.MERGED:
        raise Skipped("the proposal is merged by now")
    if proposal.state is ProposalState.OPEN:
        await _closed_on_forge(work, proposal)
    async with work.store.write() as tx:
        await work.hold(tx)
        before = await proposals.get(tx, proposal_id, lock=True)
        closed = before.state is ProposalState.CLOSED
        if before.state is ProposalState.MERGED or (closed and before.reason == reason):
            return
        await proposals.update(tx, proposal_id, state=ProposalState.CLOSED, reason=reason, **columns)
        if not closed:
            data = {key: value.isoformat() for key, value in columns.items()}
            await _event(tx, "proposal.closed", reason[0].upper() + reason[1:], proposal, actor, data)


async def _closed_on_forge(work: Work, proposal: Proposal) -> None:
    if not mirror.is_our_name(proposal.branch):
        raise Refused(f"{proposal.branch} is no branch of ours, so nothing is closed there")
    forge = forge_for(work.settings, proposal.project)
    await forge.look()
    remote = await forge.find(proposal.branch)
    if remote is not None and remote.state == "merged" and decided.is_of(proposal, remote):
        raise Skipped(await decided.write(work, proposal, remote))
    if remote is not None and remote.state == "open":
        await work.still_ours()
        await forge.close(remote)


async def _event(
    tx: Tx,
    kind: str,
    text: str,
    proposal: Proposal,
    actor: str,
    data: dict[str, Any] | None = None,
) -> None:
    await events.append(
        tx, kind, text, project=proposal.project, proposal=proposal.id, actor=actor, data=data
    )
