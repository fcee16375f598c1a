"""One repair: the prompt, Codex in a worktree, and what it changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app.core.changes import Answer, Changeset, Usage
from app.core.errors import Failed, Refused, Skipped, StopWork
from worker.agent import changes, codex, prepare, prompts, results
from worker.agent.sandbox import box
from worker.agent.worktree import checkout
from worker.git import guarded, objects

if TYPE_CHECKING:
    from app.core.models import Incident, Run
    from worker.agent.codex import Reply
    from worker.agent.sandbox import Box
    from worker.agent.worktree import Tree
    from worker.context import Work


@dataclass(frozen=True)
class Made:
    """What a repair came to; `stop` where the run may not go on with it."""

    answer: Answer | None
    changeset: Changeset
    diff: str
    usage: Usage
    thread: str | None
    model: str
    stop: Refused | None = None

    def columns(self) -> dict[str, Any]:
        """Return the columns of the run's row that it fills."""
        return {
            "answer": self.answer,
            "changeset": self.changeset,
            "diff": self.diff,
            "usage": self.usage,
            "thread": self.thread,
            "model": self.model,
        }


async def repair(work: Work, this: Run, incident: Incident | None) -> Made:
    """Let Codex repair the project and return what it made; no second call for the same question."""
    cause = incident.fingerprint if incident else ""
    async with checkout(work, this.project, this.base_sha or "") as tree:
        name = await results.key(work, this, tree, cause=cause)
        if (known := await results.recall(work, name)) is not None:
            return await _known(work, tree, known)
        await results.afford(work)
        async with box(work, this.project) as inside:
            await prepare.ready(work, this.project, tree, inside)
            made = await _ask(work, this, incident, tree, inside)
    if made.answer is not None:
        await results.remember(work, this, name, _value(made))
    return made


async def accept(work: Work, project: str, made: Made) -> None:
    """Raise what keeps the changeset from going on: the model's verdict, or a guard."""
    if made.stop is not None:
        raise made.stop
    if made.answer is None or made.answer.verdict == "cannot_fix":
        raise Failed(f"the model found no fix: {made.answer.cause if made.answer else 'no answer'}")
    if made.answer.verdict == "not_a_code_bug":
        raise Skipped(f"not a code bug, says the model: {made.answer.cause}")
    if not made.changeset.changes:
        raise Failed("the model says that it is fixed but changed no file, also when asked again")
    clone = work.paths.clone(project)
    await guarded.check(clone, made.changeset, work.settings.limits, work.redactor)


async def _ask(work: Work, this: Run, incident: Incident | None, tree: Tree, inside: Box) -> Made:
    project = work.settings.project(this.project)
    prompt = prompts.fix(
        project=this.project,
        units=project.units,
        incident=incident,
        checks=project.checks,
        failure_log=work.redactor.text(incident.log if incident else ""),
    )
    try:
        reply = await codex.ask(work, this.project, tree, inside, prompt=prompt, answer=Answer, writable=True)
    except Refused as stop:  # over its budget or its time: what it has so far is kept for people
        usage, stop.usage = stop.usage or Usage(), None
        return await _made(work, this, tree, None, await _take(work, tree, usage), usage, None, stop)
    changeset = await _take(work, tree, reply.usage)
    if reply.answer.verdict == "fixed" and not changeset.changes:
        reply = await _ask_again(work, this, tree, inside, reply)
        changeset = await _take(work, tree, reply.usage)
    return await _made(work, this, tree, reply.answer, changeset, reply.usage, reply.thread, None)


async def _take(work: Work, tree: Tree, usage: Usage) -> Changeset:
    """Take the changes; where they cannot be taken, what the model took is on the bill all the same."""
    try:
        return await changes.take(tree, work.settings.limits)
    except StopWork as stop:
        stop.usage = usage
        raise


async def _ask_again(work: Work, this: Run, tree: Tree, inside: Box, first: Reply[Answer]) -> Reply[Answer]:
    """Say once, in the same thread, that no file was changed; the usage is that of both turns."""
    try:
        reply = await codex.ask(
            work, this.project, tree, inside,
            prompt=prompts.NOTHING_CHANGED, answer=Answer, writable=True, resume=first.thread,
        )  # fmt: skip
    except StopWork as stop:
        stop.usage = first.usage.plus(stop.usage or Usage())
        raise
    return replace(reply, usage=first.usage.plus(reply.usage))


async def _made(
    work: Work,
    this: Run,
    tree: Tree,
    answer: Answer | None,
    changeset: Changeset,
    usage: Usage,
    thread: str | None,
    stop: Refused | None,
) -> Made:
    diff = await _diff(work, tree, changeset)
    total = this.usage.plus(usage)
    return Made(answer, changeset, diff, total, thread, work.settings.codex.model, stop)


def _value(made: Made) -> dict[str, Any]:
    return {
        "answer": made.answer.model_dump(mode="json") if made.answer else None,
        "changeset": made.changeset.model_dump(mode="json"),
        "model": made.model,
    }


async def _known(work: Work, tree: Tree, value: dict[str, Any]) -> Made:
    """Return a former answer; its base may be another commit with the same tree."""
    former = Changeset.model_validate(value["changeset"])
    changeset = Changeset(base=tree.commit, changes=former.changes)
    diff = await _diff(work, tree, changeset)
    answer = Answer.model_validate(value["answer"])
    return Made(answer, changeset, diff, Usage(), None, value["model"])


async def _diff(work: Work, tree: Tree, changeset: Changeset) -> str:
    """Return the changeset as people may see it, also where it is refused for a secret that it holds."""
    return work.redactor.text(await asyncio.to_thread(objects.diff, tree.clone, changeset))
