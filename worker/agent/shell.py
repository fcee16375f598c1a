"""One command of the project's owner in the sandbox: bounded in time, output and reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core import process
from app.core.errors import SandboxError
from app.core.redact import printable
from worker.agent import sandbox

if TYPE_CHECKING:
    from worker.agent.sandbox import Box
    from worker.agent.worktree import Tree
    from worker.context import Work

OUTPUT_LIMIT = 64 << 10
MARGIN = 4 << 10
"""Bytes read beyond the limit, so that no secret is cut in half before it is redacted."""


async def run(
    work: Work, tree: Tree, box: Box, command: str, *, network: bool, timeout_s: float
) -> process.Finished:
    """Run `/bin/sh -c COMMAND` in the worktree's root and return how it ended.

    Everything that it started has ended by then. Raises SandboxError when the sandbox is what failed.
    """
    done = await _boxed(work, tree, box, ["/bin/sh", "-c", command], network=network, timeout_s=timeout_s)
    if done.returncode != 0 and done.stdout.startswith(b"bwrap: "):
        # Its own words or the command's? Nothing that the command could say ends with every run paused.
        probe = await _boxed(work, tree, box, ["/bin/true"], network=network, timeout_s=30)
        if probe.returncode != 0:
            raise SandboxError(f"{words(work, probe, 500)}: {sandbox.REMEDY}")
    return done


def words(work: Work, done: process.Finished, limit: int = OUTPUT_LIMIT) -> str:
    """Return the end of what a command printed, fit for a person and without secrets."""
    return work.redactor.text(printable(done.stdout.decode(errors="replace")))[-limit:].strip()


async def _boxed(
    work: Work, tree: Tree, box: Box, argv: list[str], *, network: bool, timeout_s: float
) -> process.Finished:
    return await process.run(
        sandbox.command(work, box, argv, tree=tree, network=network),
        env=sandbox.environment(box),
        timeout_s=timeout_s,
        limit=OUTPUT_LIMIT + MARGIN,
        merge=True,
    )
