"""What is taken from a worktree that hostile code wrote to, and what is not."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from app.core.changes import Change, Changeset
from app.core.errors import GitError, Refused
from app.core.settings import LimitSettings
from tests.worker.agent.conftest import PROJECT, Workshop
from worker.agent.changes import take
from worker.agent.worktree import Tree, checkout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIMITS = LimitSettings()


@pytest.fixture
async def tree(shop: Workshop) -> AsyncIterator[Tree]:
    shop.origin.write("run.sh", "#!/bin/sh\n", executable=True)
    (shop.origin.work / "link").symlink_to("greet.py")
    head = await shop.commit(
        {
            "greet.py": "print('helo')\n",
            "src/deep/one.txt": "1\n",
            "src/two.txt": "2\n",
            "kept/__pycache__/tracked.pyc": b"\0",
            ".gitignore": "*.log\nbuild/\n",
            "codex.md": "# greeter\n",
        }
    )
    async with checkout(shop.work(), PROJECT, head) as made:
        yield made


def _write(tree: Tree, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        file = tree.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _init(folder: Path) -> None:
    subprocess.run(["git", "init", "--quiet", folder], check=True)


async def _taken(tree: Tree) -> dict[str, tuple[str, bytes | None]]:
    changeset = await take(tree, LIMITS)
    assert changeset.base == tree.commit
    assert [c.path for c in changeset.changes] == sorted(c.path for c in changeset.changes)
    return {change.path: (change.mode, change.content) for change in changeset.changes}


async def test_nothing_changed(tree: Tree) -> None:
    os.utime(tree.path / "greet.py", (1, 1))
    (tree.path / "empty" / "folder").mkdir(parents=True)
    assert await _taken(tree) == {}


async def test_edits_new_files_modes_links_and_deletions(tree: Tree) -> None:
    _write(tree, {"greet.py": b"print('hello')\r\n", 'new/a \xe4"b.txt'.encode().decode(): b"n\xff\0"})
    (tree.path / "run.sh").chmod(0o644)
    (tree.path / "src/two.txt").chmod(0o755)
    (tree.path / "src/deep/one.txt").unlink()
    (tree.path / "link").unlink()
    (tree.path / "link").symlink_to("src")
    (tree.path / "to").symlink_to("/etc/passwd")
    _write(tree, {"kept/__pycache__/tracked.pyc": b"\1"})
    assert await _taken(tree) == {
        "greet.py": ("100644", b"print('hello')\r\n"),
        "kept/__pycache__/tracked.pyc": ("100644", b"\1"),
        "link": ("120000", b"src"),
        'new/a ä"b.txt': ("100644", b"n\xff\0"),
        "run.sh": ("100644", b"#!/bin/sh\n"),
        "src/deep/one.txt": ("100644", None),
        "src/two.txt": ("100755", b"2\n"),
        "to": ("120000", b"/etc/passwd"),
    }


async def test_what_was_taken_makes_the_same_tree_again(tree: Tree, shop: Workshop) -> None:
    (tree.path / "src/two.txt").unlink()
    _write(tree, {"src/two.txt/inner": b"i"})
    (tree.path / "src/deep/one.txt").unlink()
    (tree.path / "src/deep").rmdir()
    _write(tree, {"src/deep": b"flat"})
    changeset = await take(tree, LIMITS)
    assert [(c.path, c.content) for c in changeset.changes] == [
        ("src/deep", b"flat"),
        ("src/deep/one.txt", None),
        ("src/two.txt", None),
        ("src/two.txt/inner", b"i"),
    ]


async def test_droppings_ignored_files_and_the_summary_are_left_out(tree: Tree) -> None:
    droppings = [
        "__pycache__/x.pyc",
        "src/__pycache__/y.pyc",
        ".pytest_cache/v/x",
        ".mypy_cache/x",
        "a.orig",
        "b.rej",
    ]
    droppings += [".venv/lib/x.py", "node_modules/x/package.json", ".coverage", "greeter.egg-info/PKG-INFO"]
    _write(tree, dict.fromkeys([*droppings, "x.log", "build/out", "codex.md"], b"x"))
    assert await _taken(tree) == {}


async def test_placeholders_of_the_sandbox_are_left_out(tree: Tree) -> None:
    for folder in (".agents", ".aws", ".codex", ".codex/deep"):
        (tree.path / folder).mkdir()
    _write(
        tree,
        dict.fromkeys([".gitconfig", ".gitmodules", ".codex/config.toml", ".github/x", "AGENTS.md"], b""),
    )
    _write(tree, {"src/__init__.py": b"", "full": b"x"})
    assert await _taken(tree) == {"src/__init__.py": ("100644", b""), "full": ("100644", b"x")}


async def test_ignoring_one_file_more_hides_nothing_tracked(tree: Tree) -> None:
    _write(tree, {".gitignore": b"*\n", "greet.py": b"x"})
    assert set(await _taken(tree)) == {".gitignore", "greet.py"}


@pytest.mark.parametrize("kind", ["pipe", "socket", "repository", "bytes"])
async def test_refuses_what_is_no_file(tree: Tree, kind: str) -> None:
    spot = tree.path / "spot"
    if kind == "pipe":
        (tree.path / "greet.py").unlink()
        os.mkfifo(tree.path / "greet.py")
    elif kind == "socket":
        (tree.path / "greet.py").unlink()
        with socket.socket(socket.AF_UNIX) as listening:
            here = os.open(tree.path, os.O_RDONLY)
            listening.bind(f"/proc/self/fd/{here}/greet.py")
            os.close(here)
    elif kind == "repository":
        _init(spot)
        (spot / "x").write_text("x")
    else:
        (tree.path / os.fsdecode(b"\xff")).write_text("x")
    expected = {
        "pipe": "'greet.py' is a pipe",
        "socket": "'greet.py' is a socket",
        "repository": "'spot/' is a git repository of its own",
        "bytes": "is not UTF-8",
    }
    with pytest.raises(Refused, match=expected[kind]):
        await take(tree, LIMITS)


async def test_refuses_too_much_before_it_reads(tree: Tree) -> None:
    with (tree.path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Refused, match=r"`limits\.max_patch_bytes`"):
        await take(tree, LIMITS)
    (tree.path / "huge").unlink()
    _write(tree, {f"many/{n}": b"x" for n in range(101)})
    with pytest.raises(Refused, match="101 files; 100 are allowed"):
        await take(tree, LIMITS)


async def test_follows_no_link_out_of_the_tree(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("a secret of the host")
    (tree.path / "src/deep/one.txt").unlink()
    (tree.path / "src/deep").rmdir()
    (tree.path / "src/deep").symlink_to(tmp_path)
    taken = await _taken(tree)
    assert taken == {"src/deep": ("120000", str(tmp_path).encode()), "src/deep/one.txt": ("100644", None)}


async def test_runs_no_code_of_the_tree(tree: Tree, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    planted = (
        f'[core]\n\tbare = false\n\tfsmonitor = "touch {mark}"\n\thooksPath = {tmp_path}\n'
        f'[filter "x"]\n\tclean = touch {mark}\n\tprocess = touch {mark}\n\trequired = true\n'
        f'[diff "x"]\n\ttextconv = touch {mark}\n\tcommand = touch {mark}\n'
    )
    (tree.path / ".git").unlink()
    _init(tree.path)
    (tree.path / ".git" / "config").write_text(planted)
    _write(
        tree,
        {
            ".gitattributes": b"* filter=x diff=x\n",
            "greet.py": b"print('hallo')\n",
            "src/.gitattributes": b"",
        },
    )
    assert (await _taken(tree))["greet.py"] == ("100644", b"print('hallo')\n")
    assert not mark.exists()


async def test_a_submodule_of_the_base_is_left_alone(shop: Workshop, head: str, tmp_path: Path) -> None:
    shop.origin.git("update-index", "--add", "--cacheinfo", f"160000,{head},sub")
    shop.origin.git("commit", "--quiet", "--message", "sub")
    shop.origin.git("push", "--quiet", "origin", "HEAD:main")
    commit = await shop.fetch()
    mark = tmp_path / "mark"
    async with checkout(shop.work(), PROJECT, commit) as tree:
        _init(tree.path / "sub")
        with (tree.path / "sub" / ".git" / "config").open("a") as config:
            config.write(f'[core]\n\tfsmonitor = "touch {mark}"\n')
        (tree.path / "sub" / "x").write_text("x")
        _write(tree, {"greet.py": b"x"})
        assert set(await _taken(tree)) == {"greet.py"}
    assert not mark.exists()


async def test_a_tree_that_makes_git_wait_is_given_up(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.agent.changes.TIMEOUT_S", 0.5)
    (tree.path / "src" / "new").write_text("x")
    os.mkfifo(tree.path / "src" / ".gitignore")
    with pytest.raises(GitError, match="took longer than"):
        await take(tree, LIMITS)


async def test_a_changeset_round_trips(shop: Workshop, head: str) -> None:
    changeset = Changeset(base=head).with_changes(
        [
            Change(path="greet.py", mode="100755", content=b"x\n"),
            Change(path="src/two.txt"),
            Change(path="n", content=b""),
        ]
    )
    async with checkout(shop.work(), PROJECT, head, changeset) as tree:
        assert await take(tree, LIMITS) == changeset
