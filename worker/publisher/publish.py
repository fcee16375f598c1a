"""The story of a proposal, from a changeset to an open request on the forge."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from app.core.errors import ForgeRefusedError, PushRejectedError, Refused, Skipped
from app.core.models import ACTIVE, NewJob, ProposalState
from app.core.queue import Queue
from app.store import events, proposals, runs
from worker.forges.base import NewProposal
from worker.forges.registry import forge_for
from worker.git import objects
from worker.publisher import body, decided, mirror, moved
from worker.publisher.case import Case, rows
from worker.publisher.commit import commit, guard, title

if TYPE_CHECKING:
    from app.core.models import Proposal, Run
    from app.core.settings import ProjectSettings
    from worker.context import Work
    from worker.forges.base import Forge, Remote


async def publish(work: Work, *, run_id: int) -> tuple[NewJob, ...]:
    """Take a run's changeset from its last finished stage to an open proposal, once."""
    run, proposal, incident = await rows(work, run_id)
    if run.stage == "open":
        return _then_dress(work, run)
    project = work.settings.project(run.project)
    with work.timed(run, "look"):
        case = Case(run, proposal, incident, project, await mirror.refresh(work, run.project))
    if run.stage not in ("commit", "push"):
        with work.timed(run, "commit"):
            await guard(work, case)
            case, again = await moved.follow(work, case)
            if again:
                return again
            await guard(work, case)  # another base, another change
            case = await commit(work, case)
    if case.run.stage == "commit":
        with work.timed(run, "push"):
            case = await push(work, case)
    with work.timed(run, "open"):
        await show(work, case)
    return _then_dress(work, run)


async def dress(work: Work, *, proposal_id: int) -> tuple[NewJob, ...]:
    """Give an open proposal its labels, reviewers and assignees; what the forge refuses is said, once."""
    async with work.store.read() as tx:
        proposal = await proposals.get(tx, proposal_id)
    if proposal.state is not ProposalState.OPEN or not mirror.is_our_name(proposal.branch):
        return ()
    forge = forge_for(work.settings, proposal.project)
    await forge.look()
    remote = await forge.find(proposal.branch)
    if remote is None or remote.state != "open":
        return ()
    await work.still_ours()
    notes = await forge.dress(remote, _dress_of(work.settings.project(proposal.project), proposal))
    async with work.store.write() as tx:
        await work.hold(tx)
        told = {event.text for event in (await events.page(tx, proposal=proposal.id))[0]}
        for note in (f"Not taken by the forge: {work.redactor.text(note)}" for note in notes):
            if note not in told:
                await events.append(
                    tx, "proposal.updated", note, project=proposal.project, proposal=proposal.id
                )
    return ()


async def push(work: Work, case: Case) -> Case:
    """Push the commit to the proposal's branch; what others pushed there is never overwritten."""
    branch, sha = case.proposal.branch, case.run.commit_sha or ""
    await _as_the_changeset_says(work, case, branch, sha)
    there = case.seen.heads.get(branch, "")
    if there != sha:
        _only_ours(case, there)
        async with work.store.write() as tx:  # the ledger first: a crash after the push must know its own
            await work.hold(tx)
            proposal = await proposals.pushed(tx, case.proposal.id, sha)
        case = case.now(proposal=proposal)
        await work.still_ours()
        try:
            await case.seen.push(sha, branch, expect=there)
        except PushRejectedError as error:
            _only_ours(case, (await case.seen.heads_now(branch)).get(branch, ""))
            forge = case.project.forge
            raise Refused(
                f"project {case.run.project} on forge {forge}: the push was refused: {error}"
            ) from error
    async with work.store.write() as tx:
        await work.hold(tx)
        run = await runs.update(tx, case.run.id, stage="push")
        proposal = await proposals.update(tx, case.proposal.id, head_sha=sha)
    return case.now(run=run, proposal=proposal)


async def show(work: Work, case: Case) -> None:
    """Open the request on the forge, or bring it up to date, and write that down together with its event."""
    forge, new = case.seen.forge, await _described(work, case)
    if not case.seen.is_ours(new.branch):
        raise Refused(f"{new.branch} is no branch of ours, so nothing is opened for it")
    there = await forge.find(new.branch)
    await work.still_ours()
    if there is None or (there.state != "open" and not decided.is_of(case.proposal, there)):
        remote = await forge.open(new)
    else:
        remote = await _up_to_date(work, case, there, new)
    if remote.state != "open":
        raise Skipped(await decided.write(work, case.proposal, remote))
    new = replace(new, draft=remote.draft)  # not every forge has drafts, and people end them
    async with work.store.write() as tx:
        await work.hold(tx)
        before = await proposals.get(tx, case.proposal.id, lock=True)
        if before.state in ACTIVE:
            known = before.state is ProposalState.OPEN
            await runs.update(tx, case.run.id, stage="open")
            await proposals.update(tx, before.id, **_columns(case, new, remote))
            verb, kind = ("Updated", "proposal.updated") if known else ("Opened", "proposal.opened")
            await events.append(
                tx,
                kind,
                f"{verb}: {new.title}",
                project=before.project,
                proposal=before.id,
                run=case.run.id,
                data={"url": remote.url, "commit": new.head, "branch": new.branch, "draft": new.draft},
            )
            return
    await forge.close(remote)
    raise Skipped(f"the proposal is {before.state} by now")


async def _up_to_date(work: Work, case: Case, remote: Remote, new: NewProposal) -> Remote:
    """Return the request with the new text; one that a person closed is only opened again on request."""
    forge = case.seen.forge
    if remote.state == "open":
        return await forge.update(remote, new)
    if remote.state == "merged" or not case.run.retry:
        return remote
    try:
        await forge.reopen(remote)
    except ForgeRefusedError:  # its branch was made anew since
        return await forge.open(new)
    await work.still_ours()
    return await forge.update(replace(remote, state="open"), new)


def _then_dress(work: Work, run: Run) -> tuple[NewJob, ...]:
    """Return the job for what a proposal can do without: the row says open before that.

    It names no run, for however it ends, the run has ended well.
    """
    if not forge_for(work.settings, run.project).capabilities.dresses:
        return ()
    return (NewJob(queue=Queue.PUBLISHER, name="dress", args={"proposal_id": run.proposal_id}),)


def shares_log(project: ProjectSettings, forge: Forge) -> bool:
    """Tell whether log and hosts may stand on the forge; where nobody knows who reads it, they may not."""
    if project.share_log == "auto":
        return forge.public is False
    return project.share_log == "yes"


async def _as_the_changeset_says(work: Work, case: Case, branch: str, sha: str) -> None:
    """Refuse what a row that somebody else wrote to would have pushed; the rows are the agent's too."""
    if not case.seen.is_ours(branch):
        raise Refused(f"{branch} is no branch of ours, so nothing is pushed to it")
    await guard(work, case)
    if not await asyncio.to_thread(objects.is_made_of, case.seen.path, sha, case.changeset):
        raise Refused(f"the commit {sha[:12]} is not what the changeset says: it is not pushed")


def _only_ours(case: Case, there: str) -> None:
    if there and there != case.run.commit_sha and there not in case.proposal.pushed:
        number, branch = case.proposal.id, case.proposal.branch
        raise Refused(
            f"somebody else pushed {there[:12]} to {branch}, and it stays as it is: "
            f"merge or delete that branch, or throw it away with `pimainteno retry {number} --discard`"
        )


async def _described(work: Work, case: Case) -> NewProposal:
    flags = await guard(work, case)
    stat = await asyncio.to_thread(objects.stat, case.seen.path, case.changeset)
    facts = body.Facts(
        proposal=case.proposal,
        run=case.run,
        incident=case.incident,
        stat=stat,
        flags=flags,
        share_log=shares_log(case.project, case.seen.forge),
        link=f"{work.settings.public_url}/proposals/{case.proposal.id}",
        redact=work.redactor.text,
    )
    return NewProposal(
        id=case.proposal.id,
        branch=case.proposal.branch,
        base=case.seen.branch,
        head=case.run.commit_sha or "",
        title=title(work, case),
        body=body.describe(facts),
        draft=case.project.draft or not case.project.checks,
        labels=case.project.labels,
        reviewers=case.project.reviewers,
        assignees=case.project.assignees,
    )


def _dress_of(project: ProjectSettings, proposal: Proposal) -> NewProposal:
    return NewProposal(
        id=proposal.id,
        branch=proposal.branch,
        base="",
        head=proposal.head_sha or "",
        title=proposal.title,
        body=proposal.body,
        draft=proposal.draft,
        labels=project.labels,
        reviewers=project.reviewers,
        assignees=project.assignees,
    )


def _columns(case: Case, new: NewProposal, remote: Remote) -> dict[str, object]:
    return {
        "state": ProposalState.OPEN,
        "reason": None,
        "title": new.title,
        "body": new.body,
        "draft": new.draft,
        "url": remote.url,
        "number": remote.number,
        "checks": case.run.checks,
        "codex_md_diff": case.run.codex_md_diff,
    }
