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
        return _then(work, run)
    project = work.settings.project(run.project)
    async with work.timed(run, "look"):
        case = Case(run, proposal, incident, project, await mirror.refresh(work, run.project))
    if run.stage not in ("commit", "push"):
        async with work.timed(run, "commit"):
            await guard(work, case)
            case, again = await moved.follow(work, case)
            if again:
                return again
            await guard(work, case)  # another base, another change
            case = await commit(work, case)
    if case.run.stage == "commit":
        async with work.timed(run, "push"):
            case = await push(work, case)
    async with work.timed(run, "open"):
        await show(work, case)
    return _then(work, run)


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
    if there is not None and there.base in case.seen.heads:  # people may point it elsewhere
        new = replace(new, base=there.base)
    await work.still_ours()
    if there is None or (there.state != "open" and not decided.is_of(case.proposal, there)):
        remote = await forge.open(new)
    else:
        remote = await _up_to_date(work, case, there, new)
    if remote.state != "open":
        raise Skipped(await decided.write(work, case.proposal, remote))
    new = replace(new, draft=remote.draft)  # not every forge has drafts, and people end them
    given = new.title
    if there is not None and _is_a_persons(case.proposal, there):
        new = replace(new, title=there.title)
    async with work.store.write() as tx:
        await work.hold(tx)
        before = await proposals.get(tx, case.proposal.id, lock=True)
        if before.state in ACTIVE:
            known = before.state is ProposalState.OPEN
            await runs.update(tx, case.run.id, stage="open")
            await proposals.update(tx, before.id, own_title=given, **_columns(case, new, remote))
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
    if _is_a_persons(case.proposal, remote):
        new = replace(new, title=remote.title)
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


def _is_a_persons(proposal: Proposal, remote: Remote) -> bool:
    """Tell whether somebody gave the request another title than we did: then that stays."""
    return bool(remote.title and proposal.own_title) and remote.title != proposal.own_title


def read_back(forge: Forge, proposal_id: int) -> tuple[NewJob, ...]:
    """Return the job that reads a request once we have written: what happened meanwhile went unread."""
    if not forge.capabilities.is_read_back:
        return ()
    return (NewJob(queue=Queue.PUBLISHER, name="reconcile", args={"proposal_id": proposal_id}),)


def _then(work: Work, run: Run) -> tuple[NewJob, ...]:
    """Return the jobs for what a proposal can do without: the row says open before that.

    They name no run, for however they end, the run has ended well.
    """
    forge, args = forge_for(work.settings, run.project), {"proposal_id": run.proposal_id}
    dress = (NewJob(queue=Queue.PUBLISHER, name="dress", args=args),) if forge.capabilities.dresses else ()
    return (*dress, *read_back(forge, run.proposal_id))


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
    follows = None
    if case.proposal.follows is not None:
        async with work.store.read() as tx:
            follows = await proposals.get(tx, case.proposal.follows)
    facts = body.Facts(
        proposal=case.proposal,
        run=case.run,
        incident=case.incident,
        stat=stat,
        flags=flags,
        share_log=shares_log(case.project, case.seen.forge),
        link=f"{work.settings.public_url}/proposals/{case.proposal.id}",
        redact=work.redactor.text,
        follows=follows,
        limit=case.seen.forge.capabilities.body_limit,
    )
    return NewProposal(
        id=case.proposal.id,
        branch=case.proposal.branch,
        base=case.seen.branch,
        head=case.run.commit_sha or "",
        title=title(work, case),
        body=body.describe(facts),
        draft=case.project.draft or not case.project.checks,
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
        "foreign_sha": None,
    }
