"""`prepare`: run once per content of the lock files, kept, and copied in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from app.core.changes import Change, Changeset
from app.core.errors import Failed, Refused, RetryLater
from app.core.settings import LimitSettings
from tests.worker.agent.conftest import PROJECT, Workshop
from worker.agent import changes, prepare, sandbox
from worker.agent.checks import prove
from worker.agent.worktree import checkout

if TYPE_CHECKING:
    from pathlib import Path

    from worker.context import Work


async def _prepared(work: Work, commit: str, changeset: Changeset | None = None) -> dict[str, str]:
    """Return the files of a prepared worktree, by path."""
    async with checkout(work, PROJECT, commit, changeset) as tree, sandbox.box(work, PROJECT) as box:
        await prepare.ready(work, PROJECT, tree, box)
        assert await changes.take(tree, LimitSettings()) == (changeset or Changeset(base=commit))
        return _files(tree.path)


def _files(root: Path) -> dict[str, str]:
    found = {}
    for path in root.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(root))] = os.readlink(path)  # noqa: PTH115 - as text
        elif path.is_file() and path.name != ".git":
            found[str(path.relative_to(root))] = path.read_text()
    return found


async def test_nothing_is_configured(shop: Workshop, head: str) -> None:
    assert set(await _prepared(shop.work(), head)) == {"greet.py", "src/deep/one.txt", "src/two.txt"}
    assert not shop.work().paths.prepared(PROJECT).exists()


async def test_runs_once_per_lock_file_and_is_copied_in(shop: Workshop, head: str) -> None:
    commands = ["mkdir -p env 'odd [*] x' && date +%s%N > env/stamp", "ln -s $PWD/env/stamp 'odd [*] x/link'"]
    work = shop.work(prepare=commands)
    first = await _prepared(work, head)
    assert first["odd [*] x/link"] == f"{work.paths.worktree(PROJECT)}/env/stamp"
    assert await _prepared(work, head) == first
    edited = await _prepared(work, await shop.commit({"greet.py": "x\n"}))
    assert edited["env/stamp"] == first["env/stamp"]
    locked = await shop.commit({"sub/uv.lock": "1\n"})
    other = await _prepared(work, locked)
    assert other["env/stamp"] != first["env/stamp"]
    changeset = Changeset(base=locked, changes=(Change(path="sub/uv.lock", content=b"2\n"),))
    assert (await _prepared(work, locked, changeset))["env/stamp"] not in (
        first["env/stamp"],
        other["env/stamp"],
    )
    assert (await _prepared(work, locked))["env/stamp"] == other["env/stamp"]


async def test_copies_are_not_the_kept_files(shop: Workshop, head: str) -> None:
    work = shop.work(prepare=["echo made > env"])
    await _prepared(work, head)
    async with checkout(work, PROJECT, head) as tree, sandbox.box(work, PROJECT) as box:
        await prepare.ready(work, PROJECT, tree, box)
        with (tree.path / "env").open("w") as file:
            file.write("poisoned")
    assert (await _prepared(work, head))["env"] == "made\n"


async def test_what_it_does_to_tracked_files_is_undone(shop: Workshop, head: str) -> None:
    spoils = ["rm -r src", "echo spoiled | tee greet.py src new.txt", "mkdir -p out && touch out/x"]
    work = shop.work(prepare=spoils)
    changeset = Changeset(base=head).with_changes(
        [
            Change(path="greet.py", content=b"mended\n"),
            Change(path="new.txt", content=b"new\n"),
            Change(path="out/y", content=b"y\n"),
        ]
    )
    made = await _prepared(work, head, changeset)
    assert made == {
        "greet.py": "mended\n",
        "new.txt": "new\n",
        "out/x": "",
        "out/y": "y\n",
        "src/deep/one.txt": "1\n",
        "src/two.txt": "2\n",
    }
    assert set(await _prepared(work, head, changeset)) == set(made)
    without = {"greet.py", "new.txt", "out/x", "src/deep/one.txt", "src/two.txt"}
    assert set(await _prepared(work, head)) == without


async def test_a_virtual_environment_works_where_it_is_copied_to(shop: Workshop, head: str) -> None:
    answer = r"printf '#!%s/env/bin/python3\nprint(42)\n' $PWD > env/bin/answer && chmod +x env/bin/answer"
    work = shop.work(
        prepare=["python3 -m venv --without-pip env", answer], checks=["env/bin/answer | grep -q 42"]
    )
    (result,) = await prove(work, PROJECT, Changeset(base=head, changes=(Change(path="a", content=b"a"),)))
    assert (result.before, result.after) == ("pass", "pass"), result.before_output
    assert len(os.listdir(work.paths.prepared(PROJECT))) == 1  # noqa: PTH208


async def test_a_command_that_fails_is_named_with_its_last_words(shop: Workshop, head: str) -> None:
    work = shop.work(prepare=["true", "echo the-model-key-0123456789; echo no such package >&2; exit 3"])
    with pytest.raises(
        Failed, match=r"`prepare` failed on the project as it is \(exit code 3\): echo"
    ) as failed:
        await _prepared(work, head)
    assert str(failed.value).endswith("[redacted]\nno such package")
    changeset = Changeset(base=head, changes=(Change(path="uv.lock", content=b"x"),))
    with pytest.raises(Refused, match="failed with the change"):
        await _prepared(work, head, changeset)
    assert not work.paths.prepared(PROJECT).exists()


async def test_one_that_hangs_is_tried_later(
    shop: Workshop, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "TIMEOUT_S", 0.3)
    with pytest.raises(RetryLater, match=r"took longer than 0.3 s: sleep 60"):
        await _prepared(shop.work(prepare=["sleep 60"]), head)


async def test_old_ones_and_halves_are_pruned(shop: Workshop, head: str) -> None:
    work = shop.work(prepare=["echo x > env"])
    folder = work.paths.prepared(PROJECT)
    (folder / ".new-dead" / "files").mkdir(parents=True)
    for age in range(5):
        old = folder / f"old{age}"
        old.mkdir()
        os.utime(old, (age, age))
    await _prepared(work, head)
    names = {path.name for path in folder.iterdir()}
    assert len(names) == 3
    assert {"old3", "old4"} < names


async def test_a_link_of_the_project_does_not_lead_a_copy_out_of_the_worktree(
    shop: Workshop, head: str, place: Path
) -> None:
    work = shop.work(prepare=["test -L stamp || echo made > stamp"])
    await _prepared(work, head)
    theirs = place / "theirs"
    theirs.write_text("theirs")
    (shop.origin.work / "stamp").symlink_to(theirs)
    await _prepared(work, await shop.commit())
    assert theirs.read_text() == "theirs"


async def test_what_was_kept_does_not_replace_what_a_commit_brings(shop: Workshop, head: str) -> None:
    makes = ["test -e made || echo made > made", "mkdir -p out && test -e out/x || echo x > out/x"]
    work = shop.work(prepare=makes)
    assert (await _prepared(work, head))["made"] == "made\n"
    commit = await shop.commit({"made": "of the project\n", "out/x": "also\n"})
    found = await _prepared(work, commit)
    assert (found["made"], found["out/x"]) == ("of the project\n", "also\n")


async def test_what_a_change_made_of_its_manifests_is_not_kept_for_others(shop: Workshop, head: str) -> None:
    work = shop.work(prepare=["cp greet.py env"])
    hostile = Changeset(base=head).with_changes(
        [Change(path="uv.lock", content=b"2\n"), Change(path="greet.py", content=b"hostile\n")]
    )
    assert (await _prepared(work, head, hostile))["env"] == "hostile\n"
    commit = await shop.commit({"uv.lock": "2\n"})
    assert (await _prepared(work, commit))["env"] == "print('helo')\n"
