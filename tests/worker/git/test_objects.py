"""Trees and commits against the real git: what it says of what libgit2 wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.core.changes import Change, Changeset
from app.core.errors import GitError
from worker.git import objects

if TYPE_CHECKING:
    from tests.doubles.origin import Origin

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
WHO: dict[str, Any] = {
    "message": "Mend it\n\nPimainteno-Run: 7",
    "name": "PiMainteno",
    "email": "pimainteno@localhost",
    "at": AT,
}


def _commit(origin: Origin, *changes: Change) -> str:
    base = origin.git("rev-parse", "main")
    changeset = Changeset(base=base).with_changes(list(changes))
    return objects.write_commit(origin.bare, changeset, **WHO)


def _ls(origin: Origin, commit: str) -> dict[str, str]:
    origin.git("fetch", "--quiet", str(origin.bare), "+refs/*:refs/x/*")
    out = origin.git("--git-dir", str(origin.bare), "ls-tree", "-r", commit)
    return {line.partition("\t")[2]: line.split()[0] for line in out.splitlines()}


def test_reads_files_and_nothing_else(origin: Origin) -> None:
    (origin.work / "link").symlink_to("app.py")
    head = origin.commit()
    assert objects.read(origin.bare, head, "src/deep/one.txt") == b"1\n"
    assert objects.read(origin.bare, head, "src") is None
    assert objects.read(origin.bare, head, "nowhere/x") is None
    assert objects.read(origin.bare, head, "link") is None
    assert objects.link(origin.bare, head, "link") == "app.py"
    assert objects.link(origin.bare, head, "app.py") is None
    assert objects.has(origin.bare, head)
    assert not objects.has(origin.bare, "0" * 40)


def test_writes_nested_files_modes_links_and_deletions(origin: Origin) -> None:
    made = _commit(
        origin,
        Change(path="src/deep/one.txt"),
        Change(path="src/new/a b.sh", mode="100755", content=b"#!/bin/sh\n"),
        Change(path="src/link", mode="120000", content=b"two.txt"),
        Change(path="app.py", mode="100755", content=b"print('hello')\n"),
    )
    assert _ls(origin, made) == {
        "app.py": "100755",
        "codex.md": "100644",
        "src/link": "120000",
        "src/new/a b.sh": "100755",
        "src/two.txt": "100644",
    }
    origin.git("--git-dir", str(origin.bare), "fsck", "--strict", "--no-dangling", made)


def test_a_commit_is_the_same_each_time(origin: Origin) -> None:
    first = _commit(origin, Change(path="app.py", content=b"x\n"))
    assert first == _commit(origin, Change(path="app.py", content=b"x\n"))
    shown = origin.git("--git-dir", str(origin.bare), "log", "-1", "--format=%an|%ae|%cn|%at|%B", first)
    assert (
        shown
        == f"PiMainteno|pimainteno@localhost|PiMainteno|{int(AT.timestamp())}|Mend it\n\nPimainteno-Run: 7"
    )


def test_a_file_becomes_a_folder_and_back(origin: Origin) -> None:
    made = _commit(
        origin,
        Change(path="app.py"),
        Change(path="app.py/main.py", content=b"m\n"),
        Change(path="src/deep/one.txt"),
        Change(path="src/deep", content=b"flat\n"),
    )
    assert set(_ls(origin, made)) == {"app.py/main.py", "codex.md", "src/deep", "src/two.txt"}


def test_no_folder_vanishes_under_a_file(origin: Origin) -> None:
    with pytest.raises(GitError, match="would take the place of a folder"):
        _commit(origin, Change(path="src", content=b"x"))
    with pytest.raises(GitError, match="would take the place of a file"):
        _commit(origin, Change(path="app.py/x", content=b"x"))
    with pytest.raises(GitError, match="as a file and as a folder"):
        _commit(origin, Change(path="n", content=b"x"), Change(path="n/m", content=b"x"))


@pytest.mark.parametrize("path", [".git/config", "a/../b", "/etc/passwd", "a//b", ".GIT/x", ""])
def test_refuses_names_that_git_refuses(origin: Origin, path: str) -> None:
    with pytest.raises(GitError):
        _commit(origin, Change(path=path, content=b"x"))


def test_refuses_a_commit_that_changes_nothing(origin: Origin) -> None:
    with pytest.raises(GitError, match="nothing to commit"):
        _commit(origin, Change(path="app.py", content=b"print('hello')\n"), Change(path="never/was"))


def test_deleting_everything_leaves_the_empty_tree(origin: Origin) -> None:
    made = _commit(
        origin,
        *[Change(path=p) for p in ("app.py", "src/deep/one.txt", "src/two.txt", "codex.md")],
    )
    assert _ls(origin, made) == {}


def test_tree_key_leaves_the_summary_out(origin: Origin) -> None:
    base = origin.git("rev-parse", "HEAD")
    key = objects.tree_key(origin.bare, base)
    assert key == objects.tree_key(origin.bare, origin.commit({"codex.md": "# other\n"}))
    changed = Changeset(base=base, changes=(Change(path="app.py", content=b"y\n"),))
    assert key != objects.tree_key(origin.bare, base, changed)
    assert objects.tree_key(origin.bare, origin.commit({"app.py": "y\n"})) == objects.tree_key(
        origin.bare, base, changed
    )


def test_diff_and_stat(origin: Origin) -> None:
    base = origin.commit({"bin": b"\0\1", "latin": b"caf\xe9\n"})
    changeset = Changeset(base=base).with_changes(
        [
            Change(path="app.py", content=b"print('bye')\nmore\n"),
            Change(path="bin", content=b"\0\2"),
            Change(path="latin", content=b"th\xe9\n"),
            Change(path="src/two.txt"),
        ]
    )
    text = objects.diff(origin.bare, changeset)
    assert "-print('hello')\n+print('bye')\n+more\n" in text
    assert "+th�\n" in text
    assert "Binary files a/bin and b/bin differ" in text
    assert "deleted file mode 100644" in text
    assert objects.stat(origin.bare, changeset) == [
        ("app.py", 2, 1, False),
        ("bin", 0, 0, True),
        ("latin", 1, 1, False),
        ("src/two.txt", 0, 1, False),
    ]


def test_rebase_keeps_what_both_sides_did(origin: Origin) -> None:
    base = origin.commit(
        {"long.txt": "".join(f"{n}\n" for n in range(20)), "run": "r\n", "bin": b"\0\1", "old": "o\n"}
    )
    onto = origin.commit({"long.txt": "first\n" + "".join(f"{n}\n" for n in range(20)), "more": "m\n"})
    changeset = Changeset(base=base).with_changes(
        [
            Change(path="long.txt", content=("".join(f"{n}\n" for n in range(20)) + "last\n").encode()),
            Change(path="run", mode="100755", content=b"r\n"),
            Change(path="bin", content=b"\0\2"),
            Change(path="old"),
            Change(path="link", mode="120000", content=b"run"),
            Change(path="more", content=b"m\n"),
        ]
    )
    done = objects.rebase(origin.bare, changeset, onto)
    assert done.conflicts == ()
    assert done.changeset is not None
    assert done.changeset.base == onto
    assert {c.path: (c.mode, c.content) for c in done.changeset.changes} == {
        "long.txt": ("100644", ("first\n" + "".join(f"{n}\n" for n in range(20)) + "last\n").encode()),
        "run": ("100755", b"r\n"),
        "bin": ("100644", b"\0\2"),
        "old": ("100644", None),
        "link": ("120000", b"run"),
    }


def test_rebase_names_each_conflict(origin: Origin) -> None:
    base = origin.git("rev-parse", "HEAD")
    onto = origin.commit({"app.py": "print('theirs')\n", "codex.md": "# theirs\n", "src/two.txt": "2!\n"})
    changeset = Changeset(base=base).with_changes(
        [
            Change(path="app.py", content=b"print('ours')\n"),
            Change(path="codex.md", content=b"# ours\n"),
            Change(path="src/two.txt"),
        ]
    )
    assert objects.rebase(origin.bare, changeset, onto) == objects.Rebased(
        None, ("app.py", "codex.md", "src/two.txt")
    )
    assert objects.rebase(origin.bare, changeset, base).changeset == changeset


def test_rebase_past_gitlinks_and_through_changed_kinds(origin: Origin) -> None:
    base = origin.git("rev-parse", "HEAD")
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{base},sub")
    origin.git("commit", "--quiet", "-m", "sub")
    origin.git("push", "--quiet", "origin", "HEAD:main")
    onto = origin.git("rev-parse", "HEAD")
    changeset = Changeset(base=base).with_changes(
        [Change(path="src/two.txt"), Change(path="src/two.txt/x", content=b"x\n")]
    )
    done = objects.rebase(origin.bare, changeset, onto)
    assert done.changeset is not None
    assert done.changeset.changes == changeset.changes


def test_merge_makes_a_merge_commit_even_where_it_could_fast_forward(origin: Origin) -> None:
    main = origin.git("rev-parse", "HEAD")
    ours = _commit(origin, Change(path="app.py", content=b"x\n"))
    done = objects.merge(origin.bare, main, ours, **WHO)
    assert done.commit is not None
    parents = origin.git("--git-dir", str(origin.bare), "log", "-1", "--format=%P", done.commit)
    assert parents == f"{main} {ours}"
    assert objects.merge(origin.bare, done.commit, ours, **WHO).commit == done.commit
    assert objects.is_ancestor(origin.bare, main, done.commit)
    assert not objects.is_ancestor(origin.bare, done.commit, main)


def test_merge_refuses_conflicts_and_strangers(origin: Origin) -> None:
    ours = _commit(origin, Change(path="app.py", content=b"x\n"))
    main = origin.commit({"app.py": "y\n"})
    assert objects.merge(origin.bare, main, ours, **WHO) == objects.Merged(None, ("app.py",))
    origin.git("checkout", "--quiet", "--orphan", "apart")
    stranger = origin.commit({"z": "z\n"}, to="apart")
    with pytest.raises(GitError, match="no commit in common"):
        objects.merge(origin.bare, ours, stranger, **WHO)


def test_says_what_is_missing(origin: Origin) -> None:
    with pytest.raises(GitError, match="not a git repository"):
        objects.read(origin.work / "nowhere", "0" * 40, "x")
    with pytest.raises(GitError, match="fetch it first"):
        objects.read(origin.bare, "0" * 40, "x")
    with pytest.raises(GitError, match="cannot be read"):
        objects.read(origin.bare, "--all", "x")
