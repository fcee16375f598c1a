"""A merge that a person asked for, on a forge that leaves it to us: a compare-and-swap push."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from app.core import logs
from app.core.base import now
from app.core.errors import GitError, PushRejectedError, Refused, RetryLater, Skipped
from app.core.models import ProposalState
from app.store import events, incidents, projects, proposals, runs
from worker.git import objects
from worker.publisher import anew, codex_md, mirror
from worker.publisher.case import SUMMARY

if TYPE_CHECKING:
    from app.core.models import NewJob, Proposal
    from worker.context import Work
    from worker.publisher.mirror import Mirror

TRIES = 3
BUSY_AFTER_S = 10.0


async def merge(work: Work, *, proposal_id: int, actor: str) -> tuple[NewJob, ...]:
    """Merge exactly what our page shows into the default branch, and delete the branch."""
    async with work.store.read() as tx:
        proposal = await proposals.get(tx, proposal_id)
    if proposal.state is ProposalState.MERGED:
        await _tidy(work, proposal, await mirror.refresh(work, proposal.project))
        return ()
    if proposal.state is not ProposalState.OPEN or proposal.head_sha is None:
        raise Skipped(f"the proposal is {proposal.state} by now")
    for _ in range(TRIES):
        seen = await mirror.refresh(work, proposal.project)
        if commit := await _merged(work, proposal, seen, actor):
            await _write(work, proposal, seen, commit, actor)
            await _tidy(work, proposal, seen)
            return ()
    raise RetryLater(f"{seen.branch} moved {TRIES} times while this was merged", after_s=BUSY_AFTER_S)


async def _merged(work: Work, proposal: Proposal, seen: Mirror, actor: str) -> str | None:
    """Return the commit that holds both, pushed; None where the default branch moved meanwhile."""
    if not seen.forge.capabilities.merges_here:
        raise Refused(f"it is merged on its forge: {proposal.url}")
    head = proposal.head_sha or ""
    known = await asyncio.to_thread(objects.has, seen.path, head)
    if known and await asyncio.to_thread(objects.is_ancestor, seen.path, head, seen.commit):
        return seen.commit  # a former try got as far as the push, or a person merged by hand
    await _as_shown(work, proposal, seen)
    author = work.settings.commit
    made = await asyncio.to_thread(
        objects.merge,
        seen.path,
        seen.commit,
        head,
        message=f"Merge proposal {proposal.id}: {proposal.title}\n\nAsked for by {actor}.",
        name=author.name,
        email=author.email,
        at=now(),
    )
    if made.conflicts == (SUMMARY,):
        await _summary_anew(work, proposal, seen)
    if made.commit is None:
        files = ", ".join(made.conflicts)
        await _stop(work, proposal, f"it conflicts with {seen.branch} in {files}: merge by hand, or close it")
    commit = made.commit or ""
    await work.still_ours()
    try:
        await seen.push(commit, seen.branch, expect=seen.commit)
    except PushRejectedError as error:
        if (await seen.heads_now(seen.branch)).get(seen.branch) != seen.commit:
            return None
        await _stop(work, proposal, f"the repository refused the merge: {error}")
    return commit


async def _as_shown(work: Work, proposal: Proposal, seen: Mirror) -> None:
    """Stop where the branch is not what the page showed; from then on the page shows what is there."""
    there = seen.heads.get(proposal.branch)
    if there == proposal.head_sha:
        return
    if there is None:
        await _stop(work, proposal, f"the branch {proposal.branch} is gone: `pimainteno close {proposal.id}`")
        return
    await mirror.bring(seen, there)
    reason = f"somebody else pushed {there[:12]} to {proposal.branch}: look at it, then merge again"
    async with work.store.write() as tx:
        await work.hold(tx)
        await proposals.update(tx, proposal.id, head_sha=there, reason=reason)
        await events.append(
            tx,
            "proposal.updated",
            f"Its branch stands at {there[:12]}, which we did not push",
            project=proposal.project,
            proposal=proposal.id,
            data={"commit": there},
        )
    raise Refused(reason)


async def _summary_anew(work: Work, proposal: Proposal, seen: Mirror) -> None:
    """Have codex.md written anew on the present base, which conflicts in nothing else; raise Refused."""
    reason = f"{SUMMARY} has changed on {seen.branch}: it is written anew; merge again when that is done"
    async with work.store.write() as tx:
        await work.hold(tx)
        run = await runs.latest(tx, proposal.id)
        if run is not None:
            await anew.set_out(tx, run, reason=reason)
    raise Refused(reason)


async def _stop(work: Work, proposal: Proposal, reason: str) -> None:
    """Keep the proposal open, with the reason on its page; raise Refused."""
    reason = work.redactor.text(reason)
    async with work.store.write() as tx:
        await work.hold(tx)
        await proposals.update(tx, proposal.id, reason=reason)
    raise Refused(reason)


async def _write(work: Work, proposal: Proposal, seen: Mirror, commit: str, actor: str) -> None:
    merged = replace(seen, commit=commit)
    news = await codex_md.news(work, proposal.project, merged)
    async with work.store.write() as tx:
        await work.hold(tx)
        before = await proposals.get(tx, proposal.id, lock=True)
        if before.state is not ProposalState.OPEN:
            return
        await proposals.update(tx, proposal.id, state=ProposalState.MERGED, reason=None, merge_commit=commit)
        if proposal.incident_id is not None:
            await incidents.resolve(tx, proposal.incident_id)
        await codex_md.saw(tx, proposal.project, merged, news)
        if proposal.codex_md_diff:  # it came along, made for just this
            await projects.saw(tx, proposal.project, summary="current")
        await events.append(
            tx,
            "proposal.merged",
            f"Merged into {seen.branch} by {actor}",
            project=proposal.project,
            proposal=proposal.id,
            actor=actor,
            data={"commit": commit, "branch": seen.branch},
        )


async def _tidy(work: Work, proposal: Proposal, seen: Mirror) -> None:
    """Delete the merged branch; if somebody pushed to it meanwhile, or may not, it stays."""
    if seen.heads.get(proposal.branch) != proposal.head_sha or proposal.head_sha is None:
        return
    await work.still_ours()
    try:
        await seen.delete(proposal.branch, expect=proposal.head_sha)
    except GitError as error:
        logs.get().warning("a merged branch stays", branch=proposal.branch, error=str(error))
