"""Making a used worktree as good as a new one.

Writing thousands of files anew is the greatest cost of a run, most of all on an SD card. So a worktree
stays where it is and is put back: git rewrites each file whose change time, inode or content differs
from what it wrote itself (untrusted work cannot set a change time), then this walk takes out whatever
the commit does not have. At anything odd the worktree is given up and made anew.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from typing import TYPE_CHECKING

from app.core.errors import GitError
from worker.git import config, names
from worker.git.folders import delete_soon

if TYPE_CHECKING:
    from pathlib import Path

    from worker.agent.worktree import Tree

GITLINK, LINK, EXECUTABLE = "160000", "120000", "100755"
TIMEOUT_S = 120.0


class _OddError(Exception):
    """Something in the worktree is not as git would have written it."""


async def recycle(tree: Tree) -> bool:
    """Put the worktree that is there back to `tree.commit`; False when a new one has to be made."""
    if not _is_ours(tree):
        return False
    config.settle(tree.clone)
    commit = names.sha(tree.commit)
    here = f"--work-tree={tree.path}"
    try:
        await tree.git(here, "reset", "--hard", "--quiet", commit, at=tree.git_dir, timeout_s=TIMEOUT_S)
        listed = await tree.git("ls-tree", "-r", "-z", "--full-tree", commit, at=tree.clone)
        extra = await asyncio.to_thread(_compare, tree.path, _tracked(listed))
        await asyncio.to_thread(_take_out, tree.path, extra)
    except (_OddError, GitError, OSError):
        return False
    return True


def _is_ours(tree: Tree) -> bool:
    """Tell whether a worktree is there whose `.git` names git's record of it, and no git is at work in it."""
    try:
        link = tree.path / ".git"
        if not stat.S_ISREG(link.lstat().st_mode) or link.stat().st_size > os.pathconf("/", "PC_PATH_MAX"):
            return False
        named = {f"gitdir: {path}\n" for path in (tree.git_dir, tree.git_dir.resolve())}
        return (
            link.read_text() in named
            and not (tree.git_dir / "index.lock").exists()
            and (tree.git_dir / "HEAD").exists()
        )
    except (OSError, UnicodeDecodeError):
        return False


def _tracked(listed: bytes) -> dict[str, str]:
    """Return the mode of each path of a commit."""
    rows = (record.split(b"\t", 1) for record in listed.split(b"\0") if record)
    return {os.fsdecode(path): about.split(b" ", 1)[0].decode() for about, path in rows}


def _compare(root: Path, tracked: dict[str, str]) -> list[str]:
    """Return what is there beside the tracked files; raise when one of those is not as it should be."""
    folders = {above for path in tracked for above in _above(path)}
    extra, seen, ahead = [], 0, [""]
    while ahead:
        within = ahead.pop()
        with os.scandir(root / within) as entries:
            for entry in entries:
                path = f"{within}/{entry.name}" if within else entry.name
                mode = tracked.get(path)
                if path in folders:
                    _folder(entry)
                    ahead.append(path)
                elif mode == GITLINK:
                    _folder(entry)
                    ahead.append(path)
                    seen += 1
                elif mode is not None:
                    _file(entry, mode)
                    seen += 1
                elif path != ".git":
                    extra.append(path)
    if seen != len(tracked):
        raise _OddError
    return extra


def _folder(entry: os.DirEntry[str]) -> None:
    mode = entry.stat(follow_symlinks=False).st_mode
    if not stat.S_ISDIR(mode) or mode & 0o7000 or mode & 0o700 != 0o700:
        raise _OddError


def _file(entry: os.DirEntry[str], wanted: str) -> None:
    found = entry.stat(follow_symlinks=False)
    mode = found.st_mode
    if wanted == LINK:
        fits = stat.S_ISLNK(mode)
    else:
        runs = bool(mode & 0o100)
        fits = stat.S_ISREG(mode) and runs == (wanted == EXECUTABLE) and mode & 0o600 == 0o600
        fits = fits and not mode & 0o7000
    if not fits or found.st_nlink != 1:  # two names of one file would change together
        raise _OddError


def _take_out(root: Path, extra: list[str]) -> None:
    """Move what the commit does not have beside the worktree, to be deleted in the background."""
    if not extra:
        return
    aside = root.with_name(f".{root.name}.gone-{secrets.token_hex(4)}")
    aside.mkdir()
    for number, path in enumerate(extra):
        (root / path).rename(aside / str(number))
    delete_soon(aside)


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
