"""The worktree: fresh each time, at one path, for one at a time."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.core.changes import Change, Changeset
from app.core.errors import GitError, RetryLater
from tests.worker.agent.conftest import PROJECT, Workshop
from worker.agent import files
from worker.agent.worktree import checkout

if TYPE_CHECKING:
    from collections.abc import Callable


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name != "lock")


async def _gone(folder: Path, *, but: str = "") -> None:
    """Wait until what is deleted in the background is gone."""
    async with asyncio.timeout(10):
        while set(_names(folder)) - {but}:  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)


async def _identity(shop: Workshop, head: str) -> tuple[int, dict[str, int]]:
    """Return the inode of a checked-out worktree and the modes of all that is in it, seen to be clean."""
    async with checkout(shop.work(), PROJECT, head) as tree:
        modes = {str(path.relative_to(tree.path)): path.lstat().st_mode for path in tree.path.rglob("*")}
        assert set(modes) == {".git", "greet.py", "run.sh", "link", "src", "src/deep", "src/deep/one.txt"}
        assert (tree.path / "greet.py").read_text() == "print('helo')\n"
        assert (tree.path / "run.sh").stat().st_mode & 0o777 == 0o755
        assert (tree.path / "link").readlink() == Path("greet.py")
        assert (tree.path / "src/deep/one.txt").read_text() == "1\n"
        assert await tree.git(f"--work-tree={tree.path}", "status", "--porcelain", at=tree.git_dir) == b""
        return tree.path.stat().st_ino, modes


@pytest.fixture
async def base(shop: Workshop) -> str:
    shop.origin.write("run.sh", "#!/bin/sh\n", executable=True)
    (shop.origin.work / "link").symlink_to("greet.py")
    return await shop.commit({"greet.py": "print('helo')\n", "src/deep/one.txt": "1\n"})


def _edit_unseen(root: Path) -> None:
    file = root / "greet.py"
    before = file.stat()
    file.write_text("print('evil')\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _swap_folder(root: Path) -> None:
    (root / "src" / "deep").rename(root / "moved")
    (root / "src" / "deep").symlink_to(root / "moved")


def _nested_repository(root: Path) -> None:
    (root / "src" / ".git").mkdir()
    (root / "src" / ".git" / "config").write_text("[core]\n\tfsmonitor = touch /tmp/never\n")


def _litter(root: Path) -> None:
    (root / ".gitignore").write_text("*\n")
    (root / "src" / ".gitattributes").write_text("* filter=x\n")
    (root / "env" / "deep").mkdir(parents=True)
    (root / "env" / "deep" / "x").write_text("x")
    (root / "src" / "__pycache__").mkdir()
    (root / "src" / "empty").mkdir()
    os.mkfifo(root / "src" / "pipe")


def _close(root: Path) -> None:
    (root / "shut" / "in").mkdir(parents=True)
    (root / "shut" / "in").chmod(0)
    (root / "src").chmod(0)


def _modes(root: Path) -> None:
    (root / "run.sh").chmod(0o644)
    (root / "greet.py").chmod(0o755)


def _another_link(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("/etc/passwd")


def _folder_for_a_file(root: Path) -> None:
    (root / "greet.py").unlink()
    (root / "greet.py" / "x").mkdir(parents=True)


def _pipe_for_git(root: Path) -> None:
    (root / ".git").unlink()
    os.mkfifo(root / ".git")


MESSES: dict[str, Callable[[Path], object]] = {
    "nothing": Path.exists,
    "an edit": lambda root: (root / "greet.py").write_text("x"),
    "an edit with the old times": _edit_unseen,
    "a deletion": lambda root: (root / "src/deep/one.txt").unlink(),
    "modes": _modes,
    "litter": _litter,
    "another link": _another_link,
    "a folder for a file": _folder_for_a_file,
    "a link for a folder": _swap_folder,
    "a second name": lambda root: os.link(root / "greet.py", root / "twin"),
    "closed folders": _close,
    "setuid": lambda root: (root / "run.sh").chmod(0o4755),
    "a nested repository": _nested_repository,
    "no .git": lambda root: (root / ".git").unlink(),
    "another .git": lambda root: (root / ".git").write_text("gitdir: /tmp\n"),
    "a huge .git": lambda root: os.truncate(root / ".git", 1 << 40),
    "a pipe for .git": _pipe_for_git,
}
KEPT = {"nothing", "an edit", "an edit with the old times", "a deletion", "modes", "litter", "another link"}


@pytest.mark.parametrize("mess", MESSES)
async def test_each_use_begins_clean(shop: Workshop, base: str, mess: str) -> None:
    first, modes = await _identity(shop, base)
    async with checkout(shop.work(), PROJECT, base) as tree:
        MESSES[mess](tree.path)
    again, modes_again = await _identity(shop, base)
    assert modes_again == modes
    if mess in KEPT:
        assert again == first, "it should have been put back, not made anew"
    await _gone(shop.work().paths.worktree(PROJECT).parent, but="tree")


async def test_a_fresh_one_is_made_anew(shop: Workshop, base: str) -> None:
    async with checkout(shop.work(), PROJECT, base, fresh=True) as tree:
        first = (tree.path / "greet.py").stat().st_ino
        names = _names(tree.path.parent)
    async with checkout(shop.work(), PROJECT, base, fresh=True) as tree:
        assert (tree.path / "greet.py").stat().st_ino != first
    assert names == ["tree"]
    await _gone(tree.path.parent, but="tree")


async def test_the_worktree_follows_to_other_commits(shop: Workshop, base: str) -> None:
    later = await shop.commit({"greet.py": "later\n", "new/x": "x\n"})
    for commit, content in ((base, "print('helo')\n"), (later, "later\n"), (base, "print('helo')\n")):
        async with checkout(shop.work(), PROJECT, commit) as tree:
            assert (tree.path / "greet.py").read_text() == content
            assert (tree.path / "new").exists() == (commit == later)
            head = await tree.git("rev-parse", "HEAD", at=tree.git_dir)
            assert head.decode().strip() == commit


async def test_what_lies_in_a_submodules_folder_goes(shop: Workshop, base: str) -> None:
    shop.origin.git("update-index", "--add", "--cacheinfo", f"160000,{base},sub")
    shop.origin.git("commit", "--quiet", "--message", "sub")
    shop.origin.git("push", "--quiet", "origin", "HEAD:main")
    (shop.origin.work / "sub").mkdir()
    commit = await shop.fetch()
    async with checkout(shop.work(), PROJECT, commit) as tree:
        (tree.path / "sub" / "x").write_text("x")
    async with checkout(shop.work(), PROJECT, commit) as tree:
        assert _names(tree.path / "sub") == []


async def test_takes_new_commits_from_the_mirror_alone(shop: Workshop, head: str) -> None:
    work = shop.work()
    async with checkout(work, PROJECT, head):
        pass
    later = await shop.commit({"new.txt": "n\n"})
    shop.origin.bare.rename(shop.origin.bare.with_name("away"))
    async with checkout(work, PROJECT, later) as tree:
        assert (tree.path / "new.txt").exists()
    work.paths.mirror(PROJECT).rename(work.paths.mirror(PROJECT).with_name("away"))
    async with checkout(work, PROJECT, head):
        pass
    with pytest.raises(GitError, match="the publisher has to fetch greeter first"):
        async with checkout(work, PROJECT, "0" * 40):
            pass


async def test_a_commit_that_is_nowhere(shop: Workshop, head: str) -> None:
    with pytest.raises(GitError, match="the commit is gone from the mirror"):
        async with checkout(shop.work(), PROJECT, "0" * 40):
            pass
    async with checkout(shop.work(), PROJECT, head):
        pass


async def test_applies_a_changeset(shop: Workshop, head: str) -> None:
    changeset = Changeset(base=head).with_changes(
        [
            Change(path="greet.py", mode="100755", content=b"print('hello')\n"),
            Change(path="src/deep/one.txt"),
            Change(path="src/two.txt"),
            Change(path="src/two.txt/inner", content=b"i\n"),
            Change(path="link", mode="120000", content=b"greet.py"),
        ]
    )
    async with checkout(shop.work(), PROJECT, head, changeset) as tree:
        assert (tree.path / "greet.py").read_text() == "print('hello')\n"
        assert os.access(tree.path / "greet.py", os.X_OK)
        assert not (tree.path / "src" / "deep").exists()
        assert (tree.path / "src" / "two.txt" / "inner").read_text() == "i\n"
        assert (tree.path / "link").readlink() == Path("greet.py")


async def test_never_writes_through_a_link_of_the_base(shop: Workshop, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (shop.origin.work / "out").symlink_to(outside)
    (shop.origin.work / "file").symlink_to(outside / "target")
    head = await shop.commit({"a": "a\n"})
    changeset = Changeset(base=head, changes=(Change(path="file", content=b"x"),))
    async with checkout(shop.work(), PROJECT, head, changeset) as tree:
        assert not (tree.path / "file").is_symlink()
    changeset = Changeset(base=head, changes=(Change(path="out/x", content=b"x"),))
    with pytest.raises(GitError, match="cannot be applied"):
        async with checkout(shop.work(), PROJECT, head, changeset):
            pass
    assert _names(outside) == []


async def test_one_at_a_time(shop: Workshop, head: str) -> None:
    async with checkout(shop.work(), PROJECT, head):
        with pytest.raises(RetryLater, match="another job works on greeter") as stopped:
            async with checkout(shop.work(), PROJECT, head):
                pass
        assert not stopped.value.counts
    async with checkout(shop.work(), PROJECT, head):
        pass


async def test_what_a_killed_process_left_is_healed(shop: Workshop, head: str) -> None:
    work = shop.work()
    path, clone = work.paths.worktree(PROJECT), work.paths.clone(PROJECT)
    for step in range(4):
        path.mkdir(parents=True, exist_ok=True)
        (path / "half").write_text("x")
        (path.parent / f".tree.gone-{step}").mkdir()
        if step:
            (clone / "worktrees" / "tree").mkdir(parents=True, exist_ok=True)
            (clone / "worktrees" / "tree" / "locked").write_text("")
        async with checkout(work, PROJECT, head) as tree:
            assert not (tree.path / "half").exists()
            assert tree.git_dir.is_dir()
    await _gone(path.parent, but="tree")


async def test_an_error_inside_gives_it_free(shop: Workshop, head: str) -> None:
    with pytest.raises(KeyError):
        async with checkout(shop.work(), PROJECT, head) as tree:
            (tree.path / "greet.py").write_text("spoiled")
            raise KeyError
    async with checkout(shop.work(), PROJECT, head) as tree:
        assert (tree.path / "greet.py").read_text() == "print('helo')\n"


def test_single_files(tmp_path: Path) -> None:
    files.put(tmp_path, Change(path="a/b/c", content=b"c"))
    files.drop(tmp_path, "a/b/nothing")
    files.drop(tmp_path, "a/b/c/d/e")
    assert (tmp_path / "a/b/c").read_bytes() == b"c"
    files.drop(tmp_path, "a/b/c")
    assert _names(tmp_path) == []
