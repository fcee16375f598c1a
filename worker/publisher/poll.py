"""A whole project read from its forge, now and then: nothing depends on a webhook that finds its way here."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.core import logs
from app.core.base import now
from app.core.errors import Failed, ForgeAccessError, ForgeError, ForgeWaitError
from app.core.models import ProposalState
from app.store import events, projects, proposals, runs, troubles
from worker.git import objects
from worker.publisher import anew, codex_md, mirror
from worker.publisher.reconcile import bring, write

if TYPE_CHECKING:
    from app.core.models import NewJob, Proposal
    from worker.context import Work
    from worker.forges.base import Remote
    from worker.publisher.mirror import Mirror

QUIET = timedelta(minutes=1)
"""A forge's times have seconds: what changed within this may have changed again unseen."""


async def poll(work: Work, *, project: str) -> tuple[NewJob, ...]:
    """Bring all of a project's proposals up to date, and see what became of its branches."""
    try:
        seen = await mirror.refresh(work, project)
        requests = {remote.number: remote for remote in await seen.forge.open_requests()}
    except (ForgeAccessError, Failed) as error:
        await _in_trouble(work, project, str(error))
        return ()
    await _out_of_trouble(work, project, seen)
    async with work.store.read() as tx:
        known = await proposals.on_forge(tx, project, also=requests)
    if seen.forge.capabilities.is_read_back:
        for proposal in known:
            await _look(work, seen, proposal, requests.get(proposal.number or 0))
    await _let_go(work, seen, project)
    return ()


async def _look(work: Work, seen: Mirror, proposal: Proposal, remote: Remote | None) -> None:
    """Read one request: whole where something changed, else only what CI says."""
    try:
        if remote is None or _may_have_changed(proposal, remote):
            await bring(work, seen.forge, proposal)
        else:
            await write(work, proposal, remote, await seen.forge.standing(remote))
        if remote is not None and proposal.state is ProposalState.OPEN:
            await _branch(work, seen, proposal, remote)
    except (ForgeWaitError, ForgeAccessError):
        raise
    except ForgeError as error:  # the others need not wait for this one
        logs.get().warning("a proposal could not be read", proposal=proposal.id, error=str(error))


def _may_have_changed(proposal: Proposal, remote: Remote) -> bool:
    if proposal.state is not ProposalState.OPEN or remote.changed != proposal.forge_changed:
        return True
    if remote.head != proposal.head_sha or not remote.changed:
        return True
    try:
        return now() - datetime.fromisoformat(remote.changed).astimezone(UTC) < QUIET
    except ValueError:
        return True


async def _branch(work: Work, seen: Mirror, proposal: Proposal, remote: Remote) -> None:
    if proposal.branch not in seen.heads:
        reason = f"its branch is gone from the forge: `pimainteno retry {proposal.id}` makes it anew"
        if proposal.reason != reason:
            await _say(work, proposal, reason)
        return
    await anew.where_the_base_is_another(work, proposal, seen, remote.base)


async def _say(work: Work, proposal: Proposal, reason: str) -> None:
    async with work.store.write() as tx:
        await work.hold(tx)
        await proposals.update(tx, proposal.id, reason=reason)
        text = reason[:1].upper() + reason[1:]
        await events.append(tx, "proposal.updated", text, project=proposal.project, proposal=proposal.id)


async def _let_go(work: Work, seen: Mirror, project: str) -> None:
    """End each close by a person whose code has changed since: the next failure gets a new proposal."""
    async with work.store.read() as tx:
        closed = [
            (one, await runs.latest_with_changes(tx, one.id))
            for one in await proposals.closed_by_people(tx, project)
        ]
    for proposal, run in closed:
        if run is None or run.changeset is None:
            continue
        paths = [change.path for change in run.changeset.changes]
        if not await asyncio.to_thread(objects.has, seen.path, run.changeset.base):
            continue
        touched = await asyncio.to_thread(
            objects.changed_between, seen.path, run.changeset.base, seen.commit, paths
        )
        if touched:
            await _ended(work, proposal, touched)


async def _ended(work: Work, proposal: Proposal, touched: list[str]) -> None:
    files = ", ".join(touched[:3]) + (f" and {len(touched) - 3} more" if len(touched) > 3 else "")
    async with work.store.write() as tx:
        await work.hold(tx)
        before = await proposals.get(tx, proposal.id, lock=True)
        if before.state is not ProposalState.CLOSED or before.snoozed_until is not None:
            return
        await proposals.update(tx, before.id, snoozed_until=now())
        await events.append(
            tx,
            "proposal.updated",
            f"What it touched has changed since ({files}): if it fails again, that gets a new proposal",
            project=before.project,
            proposal=before.id,
            data={"files": touched[:10]},
        )


async def _in_trouble(work: Work, project: str, reason: str) -> None:
    reason = work.redactor.text(reason)
    async with work.store.write() as tx:
        await work.hold(tx)
        if await troubles.set_(tx, project, reason):
            await events.append(tx, "project.trouble", reason, project=project, data={"reason": reason})


async def _out_of_trouble(work: Work, project: str, seen: Mirror) -> None:
    news = await codex_md.news(work, project, seen)
    async with work.store.write() as tx:
        await work.hold(tx)
        if await troubles.clear(tx, project):
            await events.append(tx, "project.recovered", "Its forge answers again", project=project)
        before = await projects.default_branch(tx, project)
        if before and before != seen.branch:
            text = f"Its default branch is {seen.branch} now, and was {before}"
            await events.append(tx, "project.updated", text, project=project, data={"branch": seen.branch})
        await codex_md.saw(tx, project, seen, news)
