"""A project's own checks as proof: before and after, each in a fresh worktree, in the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.changes import CheckResult
from app.core.errors import Refused
from worker.agent import prepare, sandbox, shell
from worker.agent.worktree import checkout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core import process
    from app.core.changes import Changeset, Verdict
    from worker.agent.worktree import Tree
    from worker.context import Work

NOT_RUN = (126, 127)
"""Exit codes of /bin/sh for a command that is no program, or is not there."""

NO_CHECKS = "no checks are configured"
NOT_SHOWN = "no check shows the failure"


@dataclass(frozen=True)
class Proof:
    """What the checks say of a changeset that may be proposed; `note` is what the proposal has to say."""

    proven: bool
    note: str = ""


@dataclass(frozen=True)
class _Outcome:
    verdict: Verdict
    output: str


async def prove(work: Work, project: str, changeset: Changeset) -> tuple[CheckResult, ...]:
    """Run each check on the base and on the changeset and return what they said; () without checks.

    Call it with no worktree of the project in hand.
    """
    commands = work.settings.project(project).checks
    if not commands:
        return ()
    before = await _round(work, project, changeset.base, None, commands)
    after = await _round(work, project, changeset.base, changeset, commands)
    return tuple(
        CheckResult(
            command=command,
            before=one.verdict,
            after=other.verdict,
            before_output=one.output,
            after_output=other.output,
        )
        for command, one, other in zip(commands, before, after, strict=True)
    )


def judge(results: Sequence[CheckResult]) -> Proof:
    """Say whether the checks prove the changeset; Refused, with the check's name, when one ends badly."""
    if not results:
        return Proof(proven=False, note=NO_CHECKS)
    for result in results:
        if result.after != "pass":
            raise Refused(_why(result))
    proven = any(result.proves for result in results)
    return Proof(proven=proven, note="" if proven else NOT_SHOWN)


def _why(result: CheckResult) -> str:
    if result.before == "pass":
        return (
            f"the change breaks the check {result.command!r}: it passed before, now it {_ended(result.after)}"
        )
    if result.before == result.after:
        return f"the check {result.command!r} {_ended(result.after)} before and after alike"
    return f"the check {result.command!r} {_ended(result.after)} with the change"


def _ended(verdict: Verdict | None) -> str:
    words = {"fail": "fails", "timeout": "does not end in time", "error": "cannot be run"}
    return words.get(verdict or "", "did not run")


async def _round(
    work: Work, project: str, base: str, changeset: Changeset | None, commands: Sequence[str]
) -> list[_Outcome]:
    async with checkout(work, project, base, changeset, fresh=True) as tree:
        async with sandbox.box(work, project) as box:
            await prepare.ready(work, project, tree, box)
        return [await _check(work, project, tree, command) for command in commands]


async def _check(work: Work, project: str, tree: Tree, command: str) -> _Outcome:
    settings = work.settings.project(project)
    network, timeout_s = settings.check_network, settings.check_timeout_s
    async with sandbox.box(work, project) as box:
        done = await shell.run(work, tree, box, command, network=network, timeout_s=timeout_s)
    return _Outcome(_verdict(done), shell.words(work, done))


def _verdict(done: process.Finished) -> Verdict:
    if done.timed_out:
        return "timeout"
    if done.returncode == 0:
        return "pass"
    return "error" if done.returncode in NOT_RUN else "fail"
