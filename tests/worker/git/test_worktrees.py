"""Worktrees by the git command line: the bytes of the blobs, no code of others, and leftovers that heal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core.base import now
from app.core.changes import Change, Changeset
from app.core.errors import GitError
from worker.git import commands, config, objects

if TYPE_CHECKING:
    from pathlib import Path

    from app.core.paths import StatePaths
    from tests.doubles.origin import Origin
    from worker.git.commands import Git

TRICKY: dict[str, bytes] = {
    ".gitattributes": b"* text=auto\n*.crlf eol=crlf\n*.lfs filter=lfs diff=lfs\n*.id ident\n"
    b"*.u16 working-tree-encoding=UTF-16\n*.sh text eol=lf\n",
    "a.crlf": b"one\ntwo\n",
    "b.crlf": b"one\r\ntwo\r\n",
    "c.txt": b"mixed\r\nends\n",
    "big.lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "d.id": b"$Id$\n",
    "e.u16": "text".encode("utf-16"),
    "f.u16": b"plain\n",
    "g.sh": b"#!/bin/sh\r\n",
}


async def test_a_worktree_has_the_bytes_of_the_blobs(
    git: Git, origin: Origin, paths: StatePaths, mirror: Path
) -> None:
    base = origin.git("rev-parse", "HEAD")
    changes = [Change(path=path, content=content) for path, content in TRICKY.items()]
    commit = objects.write_commit(
        mirror, Changeset(base=base).with_changes(changes), message="m", name="n", email="e@x", at=now()
    )
    tree = paths.worktree("project")
    await commands.add_worktree(git, mirror, tree, commit)
    assert {path: (tree / path).read_bytes() for path in TRICKY} == TRICKY
    admin = mirror / "worktrees" / tree.name
    assert await git(f"--work-tree={tree}", "status", "--porcelain", at=admin) == b""


async def test_planted_configuration_is_put_right_before_a_checkout(
    git: Git, origin: Origin, paths: StatePaths, mirror: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    hook = mirror / "hooks" / "post-checkout"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    (mirror / "config").write_text(
        f'[core]\n\tbare = true\n\tfsmonitor = "touch {mark}"\n\thooksPath = {hook.parent}\n'
        f'[filter "x"]\n\tsmudge = touch {mark}\n'
    )
    changes = [Change(path=".gitattributes", content=b"* filter=x\n")]
    filtered = objects.write_commit(
        mirror,
        Changeset(base=origin.git("rev-parse", "HEAD")).with_changes(changes),
        message="m",
        name="n",
        email="e@x",
        at=now(),
    )
    await commands.add_worktree(git, mirror, paths.worktree("project"), filtered)
    assert not mark.exists()
    assert (mirror / "config").read_text() == config.REPOSITORY


async def test_worktrees_come_and_go_and_leftovers_heal(
    git: Git, origin: Origin, paths: StatePaths, mirror: Path
) -> None:
    head, tree = origin.git("rev-parse", "HEAD"), paths.worktree("project")
    await commands.add_worktree(git, mirror, tree, head)
    (tree / "left").write_text("x")
    await commands.add_worktree(git, mirror, tree, head)  # the former one's process was killed
    assert not (tree / "left").exists()
    await commands.remove_worktree(mirror, tree)
    assert list(tree.parent.iterdir()) == []
    assert list((mirror / "worktrees").iterdir()) == []
    tree.mkdir(parents=True)  # a crash between the folder and git's record
    (tree / "half").write_text("x")
    await commands.add_worktree(git, mirror, tree, head)
    assert (tree / "app.py").exists()
    with pytest.raises(GitError, match="invalid reference"):
        await commands.add_worktree(git, mirror, tree, "0" * 40)
