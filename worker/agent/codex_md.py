"""codex.md, the project's summary: refreshed by a summarise call, written by the program."""

from __future__ import annotations

import asyncio
import difflib
from typing import TYPE_CHECKING, Any

from app.core.changes import Changeset, Summary, Usage
from app.core.errors import Failed, Refused, RetryLater, Skipped
from app.core.models import Kind
from app.store import projects
from worker.agent import results, summary
from worker.agent.sandbox import box
from worker.agent.worktree import checkout
from worker.git import objects

if TYPE_CHECKING:
    from app.core.models import Run
    from worker.context import Work

NAME = "codex.md"
TRIES = 3
_FAILED_TRY = "codex.md was not refreshed: "


async def _nothing_to_do(work: Work, this: Run, present: str | None) -> Skipped:
    """Keep that the project's codex.md is current, where it has one, and return how the scan ends."""
    if not present:
        return Skipped("the model wrote no codex.md")
    async with work.store.write() as tx:
        await work.hold(tx)
        await projects.scanned(tx, this.project, summary="current")
    return Skipped("codex.md is current")


async def describe(work: Work, this: Run, changeset: Changeset) -> dict[str, Any]:
    """Return the run's columns with codex.md brought up to date; Skipped where a scan finds it current.

    A proven fix does not wait for its summary for ever: after `TRIES` failures it goes on without, and
    says so.
    """
    try:
        told, usage, present = await _summary(work, this, changeset.without_file(NAME))
    except (Failed, Refused, RetryLater) as error:
        return await _without(work, this, error)
    notes = _without_tries(this.notes)
    text = told.codex_md if told.changed else (present or "")
    if text == (present or ""):
        if this.kind is Kind.SUMMARISE:
            raise await _nothing_to_do(work, this, present)
        return {"summary": told, "codex_md_diff": "", "usage": this.usage.plus(usage), "notes": notes}
    return {
        "summary": told,
        "changeset": changeset.with_file(NAME, text.encode()),
        "codex_md_diff": _diff(present or "", text),
        "usage": this.usage.plus(usage),
        "notes": notes,
        "model": work.settings.codex.model,
    }


async def _summary(work: Work, this: Run, changeset: Changeset) -> tuple[Summary, Usage, str | None]:
    async with checkout(work, this.project, changeset.base, changeset) as tree:
        raw = await asyncio.to_thread(objects.read, tree.clone, changeset.base, NAME)
        present = None if raw is None else raw.decode(errors="replace")
        name = await results.key(work, this, tree, changeset=changeset)
        known = await results.recall(work, name)
        if known is not None and (known["codex_md"] or present):
            text = known["codex_md"]
            return Summary(changed=text != present, codex_md=text), Usage(), present
        await results.afford(work)
        async with box(work, this.project) as inside:
            diff = work.redactor.text(this.diff) or None
            reply = await summary.refresh(work, this.project, tree, inside, present=raw, diff=diff)
    told = reply.answer
    await results.remember(work, this, name, {"codex_md": told.codex_md if told.changed else present})
    return told, reply.usage, present


async def _without(work: Work, this: Run, error: Failed | Refused | RetryLater) -> dict[str, Any]:
    """Return the columns of a run that goes on without its summary; raise where it should wait for it."""
    waits = isinstance(error, RetryLater) and (error.pause or not error.counts)
    if this.kind is Kind.SUMMARISE or waits:
        raise error
    notes = (*this.notes, f"{_FAILED_TRY}{error}")
    if isinstance(error, RetryLater) and len(notes) - len(_without_tries(notes)) < TRIES:
        await work.save(this, notes=notes)
        raise error
    usage = this.usage.plus(error.usage or Usage())
    return {"notes": (*_without_tries(notes), notes[-1]), "usage": usage}


def _without_tries(notes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(note for note in notes if not note.startswith(_FAILED_TRY))


def _diff(before: str, after: str) -> str:
    name = "/dev/null" if not before else f"a/{NAME}"
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"b/{NAME}", lineterm="")
    return "\n".join(lines) + "\n"
