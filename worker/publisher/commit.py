"""From a changeset to a commit in the mirror: every guard again, the limits, then blobs, tree and commit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.store import proposals, runs
from worker.git import guarded, objects
from worker.publisher import body, limits, markup

if TYPE_CHECKING:
    from worker.context import Work
    from worker.publisher.case import Case

CAUSE_LIMIT = 2000
LINE = 72


async def guard(work: Work, case: Case) -> tuple[str, ...]:
    """Return what the proposal has to point out; raise Refused for what must not leave the house."""
    return await guarded.check(case.seen.path, case.changeset, work.settings.limits, work.redactor)


async def commit(work: Work, case: Case) -> Case:
    """Write the commit and take a place within the limits; the same run makes the same commit."""
    author = work.settings.commit
    sha = await asyncio.to_thread(
        objects.write_commit,
        case.seen.path,
        case.changeset,
        message=message(work, case),
        name=author.name,
        email=author.email,
        at=case.run.started_at or case.proposal.created_at,
    )
    async with work.store.write() as tx:
        await work.hold(tx)
        await limits.reserve(tx, work.settings.limits, await proposals.get(tx, case.proposal.id, lock=True))
        run = await runs.update(tx, case.run.id, stage="commit", commit_sha=sha)
    return case.now(run=run)


def title(work: Work, case: Case) -> str:
    """Return the model's title, made harmless, or the one that the proposal set out with."""
    said = case.run.answer.title if case.run.answer else ""
    return body.title(said, case.proposal.title, work.redactor.text)


def message(work: Work, case: Case) -> str:
    """Return the commit message: title, the model's cause, and the trailer that names the run."""
    answer = case.run.answer
    cause = markup.inert(markup.clean(answer.cause, work.redactor.text)) if answer else ""
    parts = [title(work, case), markup.wrapped(markup.short(cause, CAUSE_LIMIT), LINE)]
    return "\n\n".join([*(part for part in parts if part), f"Pimainteno-Run: {case.run.id}"])
