"""What a project needs beside its files before its checks can run: made once, then copied in.

The commands run in the sandbox, with network, once per content of the manifests and lock files. What
they made beside the tracked files is kept and copied into each fresh worktree, which always has the
same path, so that an environment with absolute paths in it works.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from app.core import guards, process
from app.core.errors import Failed, GitError, Refused, RetryLater
from app.core.redact import printable
from worker.agent import files, shell
from worker.git.folders import delete, replace, there

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.core.changes import Changeset
    from worker.agent.sandbox import Box
    from worker.agent.worktree import Tree
    from worker.context import Work

TIMEOUT_S = 1800.0
AGAIN_AFTER_S = 300.0
KEPT = 3
TAIL = 2000


async def ready(work: Work, project: str, tree: Tree, box: Box) -> None:
    """Make a fresh worktree ready for its checks: nothing to do where no `prepare` is configured.

    Raises Failed when a command fails on the project as it is, Refused when it fails with a changeset,
    and RetryLater when one takes too long.
    """
    commands = work.settings.project(project).prepare
    if not commands:
        return
    folder = work.paths.prepared(project)
    kept = folder / await asyncio.to_thread(_key, tree.path, commands)
    if tree.changeset is not None and tree.changeset.changes and not there(kept):
        kept = kept.with_name(f"{kept.name}-{_digest(tree.changeset)}")
    if there(kept) and await asyncio.to_thread(_fits, kept / "files", tree.path):
        await _copy(kept / "files", tree.path)
    else:
        for command in commands:
            await _run(work, tree, box, command)
        await _restore(tree)
        await delete(kept)
        await _keep(tree, kept)
        await delete(*await asyncio.to_thread(_old, folder, kept))
    os.utime(kept)
    replace(tree.clone / "info" / "exclude", await asyncio.to_thread(_exclude, kept, tree.changeset))


def _key(root: Path, commands: Sequence[str]) -> str:
    """Return the hash of the commands and of every manifest and lock file in the tree."""
    whole = hashlib.sha256("\0".join(["1", *commands]).encode())
    for path in sorted(_dependency_files(root)):
        change = files.take(root, path, limit=1 << 26)
        content = change.content or b"" if change else b""
        whole.update(
            b"\0%d\0%d\0" % (len(path), len(content)) + path.encode(errors="surrogateescape") + content
        )
    return whole.hexdigest()[:32]


def _digest(changeset: Changeset) -> str:
    """Return the hash of a changeset: what untrusted edits made is for the same edits alone."""
    return hashlib.sha256(changeset.model_dump_json().encode()).hexdigest()[:16]


def _fits(made: Path, tree: Path) -> bool:
    """Tell whether nothing of what was made stands in the worktree already.

    The copy would replace a file, and leave the worktree through a link.
    """
    for entry in list(os.scandir(made)):
        try:
            mode = (tree / entry.name).lstat().st_mode
        except FileNotFoundError:
            continue
        if not (stat.S_ISDIR(mode) and entry.is_dir(follow_symlinks=False)):
            return False
        if not _fits(made / entry.name, tree / entry.name):
            return False
    return True


def _dependency_files(root: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name in names:
            if guards.dependency_file(name) is not None:
                yield str(Path(parent, name).relative_to(root))


async def _run(work: Work, tree: Tree, box: Box, command: str) -> None:
    done = await shell.run(work, tree, box, command, network=True, timeout_s=TIMEOUT_S)
    if done.timed_out:
        raise RetryLater(f"`prepare` took longer than {TIMEOUT_S:g} s: {command}", after_s=AGAIN_AFTER_S)
    if done.returncode == 0:
        return
    changed = tree.changeset is not None and tree.changeset.changes
    outcome, when = (Refused, "with the change") if changed else (Failed, "on the project as it is")
    said = shell.words(work, done, TAIL)
    raise outcome(f"`prepare` failed {when} (exit code {done.returncode}): {command}\n{said}")


async def _restore(tree: Tree) -> None:
    """Put tracked files and those of the changeset back to what they were before the commands ran."""
    here = f"--work-tree={tree.path}"
    touched = await tree.git(
        here, "diff-files", "--name-only", "-z", "--ignore-submodules=all", at=tree.git_dir
    )
    if not touched:
        return
    await tree.git(here, "checkout-index", "--force", "-z", "--stdin", at=tree.git_dir, stdin=touched)
    if tree.changeset is not None:
        await asyncio.to_thread(files.apply, tree.path, tree.changeset.changes)


async def _keep(tree: Tree, kept: Path) -> None:
    """Copy everything untracked that is not the changeset's aside, then give it its name."""
    aside = kept.with_name(f".new-{secrets.token_hex(4)}")
    try:
        (aside / "files").mkdir(parents=True)
        listed = ["ls-files", "--others", "--directory", "-z"]
        out = await tree.git(f"--work-tree={tree.path}", *listed, at=tree.git_dir, timeout_s=300)
        made = [name.rstrip(b"/") for name in out.split(b"\0") if name]
        for first in range(0, len(made), 500):
            some = map(os.fsdecode, made[first : first + 500])
            command = ["cp", "-a", "--reflink=auto", "--parents", "-t", str(aside / "files"), "--", *some]
            await _cp(command, at=tree.path)
        for change in tree.changeset.changes if tree.changeset is not None else ():
            files.drop(aside / "files", change.path)
        names = [name for name in map(os.fsdecode, made) if there(aside / "files" / name)]
        replace(aside / "made", "".join(f"{name}\n" for name in names if "\n" not in name))
        aside.replace(kept)
    except OSError as error:
        raise GitError(f"{kept} cannot be written: {error.strerror or error}") from error
    finally:
        await delete(aside)


async def _copy(made: Path, tree: Path) -> None:
    await _cp(["cp", "-a", "--reflink=auto", "--", f"{made}/.", str(tree)], at=tree)


async def _cp(command: list[str], *, at: Path) -> None:
    done = await process.run(command, cwd=at, timeout_s=TIMEOUT_S)
    if done.returncode != 0:
        words = printable(done.stderr.decode(errors="replace")).strip().splitlines()[-1:]
        raise GitError(f"what `prepare` made cannot be copied: {''.join(words) or 'it took too long'}")


def _old(folder: Path, kept: Path) -> list[Path]:
    """Return the prepared folders past the newest few, and what a crash left half-made."""
    half = [path for path in folder.iterdir() if path.name.startswith(".new-")]
    whole = [path for path in folder.iterdir() if not path.name.startswith(".") and path != kept]
    newest_first = sorted(whole, key=lambda path: path.stat().st_mtime, reverse=True)
    return [*half, *newest_first[KEPT - 1 :]]


def _exclude(kept: Path, changeset: Changeset | None) -> str:
    """Return the lines that make git ignore what `prepare` made, and nothing that a changeset has."""
    paths = [change.path for change in changeset.changes] if changeset is not None else []
    lines = []
    for name in (kept / "made").read_text(errors="surrogateescape").splitlines():
        if any(path.startswith(f"{name}/") for path in paths):
            below = (kept / "files" / name).rglob("*")
            lines += [str(path.relative_to(kept / "files")) for path in below if not path.is_dir()]
        else:
            lines.append(name)
    return "".join("/" + re.sub(r"([\\*?\[\]!# ])", r"\\\1", line) + "\n" for line in lines)
