"""A project's worktree: one at a time, always at the same path, and clean at the beginning of each use."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.core.errors import GitError, RetryLater
from worker.agent import files
from worker.agent.recycle import recycle
from worker.git import commands, objects
from worker.git.folders import HeldError, alone, delete, delete_soon, deleting, there

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.core.changes import Changeset
    from app.core.paths import StatePaths
    from worker.context import Work
    from worker.git.commands import Git

BASE = "refs/pimainteno/base"
BUSY_AFTER_S = 5.0


@dataclass(frozen=True)
class Tree:
    """A worktree of the agent's own clone, `changeset` applied to `commit`."""

    path: Path
    clone: Path
    commit: str
    git: Git = field(repr=False)
    changeset: Changeset | None = field(default=None, repr=False)

    @property
    def git_dir(self) -> Path:
        """Git's record of this worktree; named on each call, so that a planted `.git` leads nowhere."""
        return self.clone / "worktrees" / self.path.name


@asynccontextmanager
async def checkout(
    work: Work, project: str, commit: str, changeset: Changeset | None = None, *, fresh: bool = False
) -> AsyncIterator[Tree]:
    """Give a clean worktree of a commit with a changeset's files in it.

    `fresh` makes it anew; else the one of last time is put back where that can be done to the letter.
    The agent's clone takes what it misses from the publisher's mirror. Nobody else has the project's
    worktree meanwhile: raises RetryLater when another job does, so do not nest calls. It stays there
    afterwards, for the next time.
    """
    paths, git = work.paths, commands.ours(work.settings)
    tree = Tree(paths.worktree(project), paths.clone(project), commit, git, changeset)
    try:
        async with alone(tree.path.with_name("lock"), wait_s=0):
            await delete(*commands.leftovers(tree.path) - deleting())  # of a crash, or it resisted
            try:
                await _bring(git, paths, project, commit)
                if fresh or not await recycle(tree):
                    await commands.add_worktree(git, tree.clone, tree.path, commit)
                await _apply(tree)
            except GitError:  # a full disk, perhaps: give back what was taken
                await commands.remove_worktree(tree.clone, tree.path)
                raise
            try:
                yield tree
            finally:
                delete_soon(*commands.leftovers(tree.path) - deleting())
    except HeldError as error:
        reason = f"another job works on {project}"
        raise RetryLater(reason, after_s=BUSY_AFTER_S, counts=False) from error


async def _bring(git: Git, paths: StatePaths, project: str, commit: str) -> None:
    """See to it that the agent's clone has the commit; nothing is fetched that is there."""
    mirror, clone = paths.mirror(project), paths.clone(project)
    if there(clone) and objects.has(clone, commit):
        return
    if not there(mirror):
        raise GitError(f"{mirror} is not there: the publisher has to fetch {project} first")
    url, wanted = f"file://{quote(str(mirror))}", f"+{commit}:{BASE}"
    if there(clone):
        await commands.fetch(git, url, clone, [wanted])
    else:
        await commands.clone_bare(git, url, clone, [wanted])


async def _apply(tree: Tree) -> None:
    if tree.changeset is None or not tree.changeset.changes:
        return
    try:
        await asyncio.to_thread(files.apply, tree.path, tree.changeset.changes)
    except (OSError, ValueError) as error:
        where = f"{tree.path} at {tree.commit[:12]}"
        raise GitError(f"the changeset cannot be applied in {where}: {error}") from error
