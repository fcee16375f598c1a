"""When the default branch moved while a run was at work: its changeset is applied anew, three-way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.core.errors import RetryLater, Skipped
from app.core.models import Kind, NewJob
from app.core.queue import Queue
from app.store import proposals, runs
from worker.git import objects
from worker.publisher.case import SUMMARY

if TYPE_CHECKING:
    from worker.context import Work
    from worker.publisher.case import Case

ROUNDS = 3
"""After as many the proposal starts from the base that it was tested on: a forge merges from there too."""
WAIT_S = 600.0
NOTE = "The default branch moved while this was made"
FROM_THE_START: dict[str, Any] = {
    "stage": "", "changeset": None, "answer": None, "checks": (), "thread": None, "summary": None, "diff": "",
    "codex_md_diff": "",
}  # fmt: skip


async def follow(work: Work, case: Case) -> tuple[Case, tuple[NewJob, ...]]:
    """Return the case on the present base, and the job where the agent has something to do again.

    Its checks run again, and codex.md is written anew; a conflict starts the agent from the beginning.
    Raises Skipped where the new base has the change already.
    """
    onto, changeset = case.seen.commit, case.changeset
    if changeset.base == onto:
        return case, ()
    if sum(note.startswith(NOTE) for note in case.run.notes) >= ROUNDS:
        return await _as_it_is(case), ()
    whole = await asyncio.to_thread(objects.rebase, case.seen.path, changeset, onto)
    if whole.changeset is not None and not case.project.checks:
        _something_left(case, whole.changeset.changes)
        return await _save(work, case, {"changeset": whole.changeset}), ()
    if case.run.kind is Kind.SUMMARISE:
        kept = whole
    else:  # the summarise stage comes again and writes its file itself
        kept = await asyncio.to_thread(objects.rebase, case.seen.path, changeset.without_file(SUMMARY), onto)
    if kept.changeset is None:
        return await _save(work, case, FROM_THE_START), _to_the_agent(case)
    _something_left(case, kept.changeset.changes)
    if case.run.kind is Kind.SUMMARISE:
        return await _save(work, case, {"changeset": kept.changeset}), ()
    stage = "repair" if case.project.checks else "prove"
    return await _save(work, case, {"changeset": kept.changeset, "stage": stage}), _to_the_agent(case)


def _to_the_agent(case: Case) -> tuple[NewJob, ...]:
    return (NewJob(queue=Queue.AGENT, name="repair", args={"run_id": case.run.id}),)


def _something_left(case: Case, changes: tuple[object, ...]) -> None:
    if not changes:
        raise Skipped(f"{case.seen.branch} has this change already, since {case.seen.commit[:12]}")


async def _as_it_is(case: Case) -> Case:
    base = case.changeset.base
    if not await asyncio.to_thread(objects.is_ancestor, case.seen.path, base, case.seen.commit):
        raise RetryLater(
            f"{case.seen.branch} was rewritten {ROUNDS} times while this was made", after_s=WAIT_S
        )
    return case


async def _save(work: Work, case: Case, columns: dict[str, Any]) -> Case:
    onto = case.seen.commit
    await case.seen.keep(f"base/{case.run.id}", onto)
    notes = (*case.run.notes, f"{NOTE}: it was applied anew on {onto[:12]}.")
    async with work.store.write() as tx:
        await work.hold(tx)
        run = await runs.update(tx, case.run.id, base_sha=onto, notes=notes, **columns)
        proposal = await proposals.update(tx, case.proposal.id, base_sha=onto)
    return case.now(run=run, proposal=proposal)
