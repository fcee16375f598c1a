"""What an open proposal can do without: labels, reviewers, assignees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from codeowners import CodeOwners

from app.core.models import ProposalState
from app.store import events, proposals, runs
from worker.forges.base import NewProposal
from worker.forges.registry import forge_for
from worker.git import folders, objects
from worker.publisher import mirror

if TYPE_CHECKING:
    from app.core.models import NewJob, Proposal, Run
    from app.core.settings import ProjectSettings
    from worker.context import Work
    from worker.forges.base import Forge

OWNERS_FILES = ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""In GitLab's order: the first that is there counts."""
OWNERS_LIMIT = 1 << 20
MOST_OWNERS = 5
KIND_LABEL, RISK_LABEL = "pimainteno: {}", "risk: {}"


async def dress(work: Work, *, proposal_id: int) -> tuple[NewJob, ...]:
    """Give an open proposal its labels, reviewers and assignees; what the forge refuses is said, once."""
    async with work.store.read() as tx:
        proposal = await proposals.get(tx, proposal_id)
        run = await runs.latest_with_changes(tx, proposal_id)
    if proposal.state is not ProposalState.OPEN or not mirror.is_our_name(proposal.branch):
        return ()
    forge = forge_for(work.settings, proposal.project)
    await forge.look()
    remote = await forge.find(proposal.branch)
    if remote is None or remote.state != "open":
        return ()
    wanted = await _wanted(work, forge, proposal, run)
    await work.still_ours()
    notes = await forge.dress(remote, wanted)
    async with work.store.write() as tx:
        await work.hold(tx)
        told = {event.text for event in (await events.page(tx, proposal=proposal.id))[0]}
        for note in (f"Not taken by the forge: {work.redactor.text(note)}" for note in notes):
            if note not in told:
                await events.append(
                    tx, "proposal.updated", note, project=proposal.project, proposal=proposal.id
                )
    return ()


def labels(project: ProjectSettings, proposal: Proposal, run: Run | None) -> tuple[str, ...]:
    """Return the configured labels with the kind and the risk that the model sees; or none at all."""
    if not project.labels:
        return ()
    risk = (RISK_LABEL.format(run.answer.risk),) if run is not None and run.answer is not None else ()
    return (*project.labels, KIND_LABEL.format(proposal.kind), *risk)


def owners(text: str, paths: list[str]) -> tuple[str, ...]:
    """Return the people, without groups and addresses, whom CODEOWNERS names for any of the paths."""
    try:
        rules = CodeOwners(text)
    except ValueError:  # a pattern that is none
        return ()
    named = [name for path in paths for kind, name in rules.of(path) if kind == "USERNAME"]
    return tuple(name.removeprefix("@") for name in dict.fromkeys(named))[:MOST_OWNERS]


async def _wanted(work: Work, forge: Forge, proposal: Proposal, run: Run | None) -> NewProposal:
    project = work.settings.project(proposal.project)
    reviewers = project.reviewers
    if not reviewers and not forge.capabilities.asks_code_owners and run is not None:
        reviewers = await _code_owners(work, run)
    return NewProposal(
        id=proposal.id,
        branch=proposal.branch,
        base="",
        head=proposal.head_sha or "",
        title=proposal.title,
        body=proposal.body,
        draft=proposal.draft,
        labels=labels(project, proposal, run),
        reviewers=reviewers,
        assignees=project.assignees,
    )


async def _code_owners(work: Work, run: Run) -> tuple[str, ...]:
    path, changeset = work.paths.mirror(run.project), run.changeset
    if changeset is None or not folders.there(path):
        return ()
    for name in OWNERS_FILES:
        content = await asyncio.to_thread(objects.read, path, changeset.base, name)
        if content is not None:
            text = content[:OWNERS_LIMIT].decode(errors="replace")
            return owners(text, [change.path for change in changeset.changes])
    return ()
