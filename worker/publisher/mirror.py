"""The publisher's mirror of a project: the only place where a forge is fetched from."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.core.errors import ConfigurationError, Failed, GitError, NotFoundError
from worker.forges.registry import forge_for
from worker.git import commands, folders, names, objects

if TYPE_CHECKING:
    from pathlib import Path

    from worker.context import Work
    from worker.forges.base import Forge
    from worker.git.commands import Git

ALL_BRANCHES = ("+refs/heads/*:refs/heads/*",)
OUR_BRANCHES = "pimainteno/"
_HEADS = "refs/heads/"
_A_PERSON_MUST_ACT = re.compile(
    r"not a git repository|not appear to be a git repository|not found|does not exist|returned error: 40[134]"
    r"|Authentication failed|could not read (?:Username|Password)|Permission denied|dubious ownership"
    r"|redirection|certificate|is not the address of a repository",
    re.IGNORECASE,
)
_BROKEN = re.compile(
    r"corrupt|bad object|bad config|not a git repository|unable to read|cannot be read|invalid index-pack"
)


@dataclass(frozen=True)
class Mirror:
    """A project's mirror as of now: `commit` is the tip of `branch`, `heads` all branches of the forge."""

    path: Path
    git: Git
    forge: Forge
    branch: str
    commit: str
    heads: dict[str, str]

    def is_ours(self, branch: str) -> bool:
        """Tell whether a branch has a name that we give, and is not the default branch."""
        return is_our_name(branch) and branch != self.branch

    async def heads_now(self, *branches: str) -> dict[str, str]:
        """Ask the forge where branches stand; those that are not there are left out."""
        refs = await commands.ls_remote(
            self.git, self.forge.clone_url, *(_HEADS + b for b in branches), login=self.forge.login
        )
        return _heads(refs)

    async def push(self, sha: str, branch: str, *, expect: str) -> None:
        """Push a commit to a branch that stands at `expect`, "" for nowhere; raises PushRejectedError."""
        await commands.push(
            self.git,
            self.path,
            self.forge.clone_url,
            sha,
            _HEADS + branch,
            expect=expect,
            login=self.forge.login,
        )

    async def delete(self, branch: str, *, expect: str) -> None:
        """Delete a branch of ours that stands at `expect`; raises PushRejectedError."""
        if not self.is_ours(branch):
            raise GitError(f"{names.shown(branch)} is no branch of ours")
        ref = names.ref(_HEADS + branch)
        url = names.url(self.forge.clone_url)
        await self.git(
            "push", "--quiet", "--porcelain", "--no-verify", f"--force-with-lease={ref}:{names.sha(expect)}",
            "--end-of-options", url, f":{ref}", at=self.path, url=url, login=self.forge.login,
        )  # fmt: skip

    async def keep(self, name: str, commit: str) -> None:
        """Keep a commit alive under `refs/pimainteno/`, also when the forge lets go of it."""
        await self.git(
            "update-ref",
            "--end-of-options",
            names.ref(f"refs/pimainteno/{name}"),
            names.sha(commit),
            at=self.path,
        )


def is_our_name(branch: str) -> bool:
    """Tell whether a branch has a name that we give; a row may say anything."""
    return branch.startswith(OUR_BRANCHES)


async def refresh(work: Work, project: str) -> Mirror:
    """Fetch a project's mirror, or make it, and say where the default branch stands.

    Raises Failed where a person has to act, and GitError, which is tried again, where it may pass.
    """
    try:
        return await _refreshed(work, project)
    except (ConfigurationError, NotFoundError) as error:
        raise Failed(str(error)) from error
    except GitError as error:
        forge = work.settings.project(project).forge
        reason = f"project {project} on forge {forge}: {error}"
        if _A_PERSON_MUST_ACT.search(str(error)):
            raise Failed(reason) from error
        raise GitError(reason) from error


async def _refreshed(work: Work, project: str) -> Mirror:
    forge = forge_for(work.settings, project)
    await forge.look()
    ca_file = getattr(work.settings.forge_of(project), "ca_file", None)
    git = replace(commands.ours(work.settings), ca_file=ca_file)
    refs = await commands.ls_remote(git, forge.clone_url, login=forge.login)
    heads = _heads(refs)
    wanted = work.settings.project(project).branch
    branch = wanted or refs.get(commands.SYMREF, "").removeprefix(_HEADS)
    commit = _tip(work, project, heads, branch, given=bool(wanted))
    path = work.paths.mirror(project)
    await _fetched(git, forge, path, commit)
    return Mirror(path, git, forge, branch, commit, heads)


async def bring(seen: Mirror, commit: str) -> None:
    """See to it that the mirror holds a commit of a branch, whoever pushed it."""
    if not await asyncio.to_thread(objects.has, seen.path, commit):
        await commands.fetch(seen.git, seen.forge.clone_url, seen.path, ALL_BRANCHES, login=seen.forge.login)


def _tip(work: Work, project: str, heads: dict[str, str], branch: str, *, given: bool) -> str:
    ours = work.settings.project(project)
    where = f"project {project} on forge {ours.forge}: {names.shown(ours.clone_url or ours.repo)}"
    if not heads:
        raise Failed(f"{where} is empty: push a first commit")
    if branch not in heads:
        there = ", ".join(sorted(heads)[:5])
        what = f"has no branch {branch!r}" if branch else "names no default branch"
        remedy = f"correct [projects.{project}] branch" if given else f"set [projects.{project}] branch"
        raise Failed(f"{where} {what} (it has {there}): {remedy}")
    return heads[branch]


async def _fetched(git: Git, forge: Forge, path: Path, commit: str) -> None:
    """See to it that the mirror holds the commit; one that cannot be read is made anew."""
    url, login = forge.clone_url, forge.login
    try:
        if not folders.there(path):
            await commands.clone_bare(git, url, path, ALL_BRANCHES, login=login)
        elif not await asyncio.to_thread(objects.has, path, commit):
            await commands.fetch(git, url, path, ALL_BRANCHES, login=login)
    except GitError as error:
        if not (folders.there(path) and _BROKEN.search(str(error))):
            raise
        await folders.delete(path)
        await commands.clone_bare(git, url, path, ALL_BRANCHES, login=login)
    if not await asyncio.to_thread(objects.has, path, commit):  # force-pushed between two questions
        raise GitError(f"commit {commit[:12]} was gone before it could be fetched; it is tried again")


def _heads(refs: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix(_HEADS): sha for name, sha in refs.items() if name.startswith(_HEADS)}
