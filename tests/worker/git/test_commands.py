"""The git command line against real repositories, over file:// and over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.core import process
from app.core.base import now
from app.core.changes import Change, Changeset
from app.core.errors import GitError, PushRejectedError
from tests.worker.git.backend import Backend
from worker.git import commands, config, failures, folders, names, objects
from worker.git.commands import Git, Login

if TYPE_CHECKING:
    from app.core.paths import StatePaths
    from tests.doubles.origin import Origin

LOGIN = Login("x-access-token", "s3cret-canary-token")


def _made(mirror: Path, base: str, content: bytes = b"mended\n") -> str:
    changeset = Changeset(base=base, changes=(Change(path="app.py", content=content),))
    return objects.write_commit(mirror, changeset, message="m", name="n", email="e@x", at=now())


async def test_ls_remote_and_clone(git: Git, origin: Origin, mirror: Path) -> None:
    head = origin.git("rev-parse", "HEAD")
    refs = await commands.ls_remote(git, origin.url)
    assert refs == {"HEAD": head, "refs/heads/main": head, commands.SYMREF: "refs/heads/main"}
    assert await commands.ls_remote(git, str(origin.bare), "refs/heads/main") == {"refs/heads/main": head}
    assert objects.read(mirror, head, "app.py") == b"print('hello')\n"
    assert not list(mirror.parent.glob(".*.new-*"))
    await commands.clone_bare(git, "file:///nowhere", mirror)  # it is there: nothing to do


async def test_says_what_is_wrong_with_a_repository(
    git: Git, empty: Origin, paths: StatePaths, tmp_path: Path
) -> None:
    assert await commands.ls_remote(git, empty.url) == {}
    for wrong in ("file:///no/where", str(tmp_path)):
        with pytest.raises(GitError, match="check `repo` and `clone_url`"):
            await commands.clone_bare(git, wrong, paths.mirror("other"))
    assert not paths.mirror("other").exists()
    with pytest.raises(GitError, match="check the network and the address"):
        await commands.ls_remote(git, "http://127.0.0.1:9/x.git")


async def test_a_half_made_clone_is_no_clone(git: Git, origin: Origin, paths: StatePaths) -> None:
    path = paths.mirror("project")
    (path.parent / f".{path.name}.new-dead" / "objects").mkdir(parents=True)
    await asyncio.gather(*[commands.clone_bare(git, origin.url, path) for _ in range(3)])
    assert [entry.name for entry in path.parent.iterdir() if ".new-" in entry.name] == []
    assert (path / "info" / "attributes").read_text() == config.ATTRIBUTES


async def test_fetch_follows_and_prunes(git: Git, origin: Origin, mirror: Path) -> None:
    old = origin.git("rev-parse", "HEAD")
    origin.commit({"b": "b"}, to="feature")
    await commands.fetch(git, origin.url, mirror, ["+refs/heads/*:refs/heads/*"])
    origin.git("push", "--quiet", "origin", ":feature", f"+{old}:refs/heads/feature/deeper")
    await commands.fetch(git, origin.url, mirror, ["+refs/heads/*:refs/heads/*"])
    refs = await commands.ls_remote(git, str(mirror), "refs/heads/*")
    assert refs == {"refs/heads/main": old, "refs/heads/feature/deeper": old}
    with pytest.raises(GitError, match="check `branch`"):
        await commands.fetch(git, origin.url, mirror, ["+refs/heads/no:refs/heads/no"])


async def test_push_holds_to_its_lease(git: Git, origin: Origin, mirror: Path) -> None:
    base = origin.git("rev-parse", "HEAD")
    first, second, ref = (
        _made(mirror, base),
        _made(mirror, base, b"other\n"),
        "refs/heads/pimainteno/fix/x@1.service-0",
    )
    await commands.push(git, mirror, origin.url, first, ref, expect="")
    await commands.push(git, mirror, origin.url, first, ref, expect="")  # again, as after a crash
    with pytest.raises(PushRejectedError, match="stale info"):
        await commands.push(git, mirror, origin.url, second, ref, expect=base)
    with pytest.raises(PushRejectedError, match="non-fast-forward"):
        await commands.push(git, mirror, origin.url, second, ref, expect=None)
    await commands.push(git, mirror, origin.url, second, ref, expect=first)
    assert (await commands.ls_remote(git, origin.url, ref))[ref] == second


async def test_the_owners_hooks_run_and_may_refuse(git: Git, origin: Origin, mirror: Path) -> None:
    hook = origin.bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n")
    hook.chmod(0o755)
    made = _made(mirror, origin.git("rev-parse", "HEAD"))
    with pytest.raises(PushRejectedError, match="not on a Friday"):
        await commands.push(git, mirror, origin.url, made, "refs/heads/x", expect="")


async def test_http_with_a_token_that_no_argv_and_no_file_shows(
    git: Git, origin: Origin, paths: StatePaths, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    with Backend(origin.bare.parent, user=LOGIN.user, token=LOGIN.token) as server:
        origin.git("--git-dir", str(origin.bare), "config", "http.receivepack", "true")
        url = f"{server.url}/{origin.bare.name}"
        watching = asyncio.create_task(_watch(seen))
        path = paths.mirror("project")
        await commands.clone_bare(git, url, path, login=LOGIN)
        made = _made(path, origin.git("rev-parse", "HEAD"))
        await commands.push(git, path, url, made, "refs/heads/x", expect="", login=LOGIN)
        server.cut_push_answers = True
        again = _made(path, origin.git("rev-parse", "HEAD"), b"more\n")
        await commands.push(git, path, url, again, "refs/heads/x", expect=made, login=LOGIN)
        watching.cancel()
        assert (await commands.ls_remote(git, url, "refs/heads/x", login=LOGIN))["refs/heads/x"] == again
        with pytest.raises(GitError, match="check the token of this forge"):
            await commands.ls_remote(git, url, login=Login(LOGIN.user, "wrong"))
        with pytest.raises(GitError, match="check the token of this forge"):
            await commands.ls_remote(git, url)
    assert any(b"git" in line for line in seen)
    assert not any(LOGIN.token.encode() in line for line in seen)
    assert LOGIN.token not in repr(LOGIN)
    assert not _holding(tmp_path, LOGIN.token.encode())


async def test_a_token_goes_to_no_other_host(git: Git, origin: Origin) -> None:
    with (
        Backend(origin.bare.parent, user=LOGIN.user, token=LOGIN.token) as here,
        Backend(origin.bare.parent, user=LOGIN.user, token=LOGIN.token) as elsewhere,
    ):
        here.redirect_to = elsewhere.url
        with pytest.raises(GitError, match="the address moved"):
            await commands.ls_remote(git, f"{here.url}/{origin.bare.name}", login=LOGIN)
        assert elsewhere.requests == []
        with pytest.raises(GitError, match="check the token"):
            await git("ls-remote", f"{elsewhere.url}/{origin.bare.name}", url=here.url, login=LOGIN)
        assert not any(authorization for _, authorization in elsewhere.requests)


def _holding(folder: Path, needle: bytes) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and needle in file.read_bytes()]


def _command_lines() -> list[bytes]:
    lines = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            lines.append((entry / "cmdline").read_bytes())
    return lines


async def _watch(seen: list[bytes]) -> None:
    while True:
        seen += _command_lines()
        await asyncio.sleep(0.005)


async def test_the_users_own_configuration_has_no_say(
    git: Git, origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[url "file:///nowhere"]\n\tinsteadOf = {origin.url}\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "url.file:///nowhere.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", origin.url)
    assert "HEAD" in await commands.ls_remote(git, origin.url)


async def test_other_protocols_are_closed(git: Git) -> None:
    with pytest.raises(GitError, match="not allowed"):
        await git("ls-remote", "ext::sh -c id")
    with pytest.raises(GitError, match="not allowed"):
        await git("ls-remote", "git://127.0.0.1/x")


async def test_deletes_what_resists(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o750)
    (outside / "kept").write_text("x")
    inner = tmp_path / "gone" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    (inner / "link").symlink_to(outside)
    os.mkfifo(inner / "fifo")
    inner.chmod(0)
    await folders.delete(tmp_path / "gone", tmp_path / "never")
    assert not (tmp_path / "gone").exists()
    assert (outside / "kept").exists()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o750


async def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    async with folders.alone(tmp_path / "lock"):
        with pytest.raises(GitError, match="held by another job"):
            async with folders.alone(tmp_path / "lock", wait_s=0):
                pass
    async with folders.alone(tmp_path / "lock", wait_s=0):
        pass


async def test_a_git_that_hangs_is_ended(git: Git, mirror: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(GitError, match=r"git hash-object in .* took longer than 0.2 s"):
        await git("hash-object", "--no-filters", str(tmp_path / "fifo"), at=mirror, timeout_s=0.2)


@pytest.mark.parametrize(
    "name", ["main", "refs/heads/a..b", "refs/heads/-x y", "refs/heads/a.lock", "refs/heads/@{x", ""]
)
def test_refs_are_checked(name: str) -> None:
    with pytest.raises(GitError):
        names.ref(name)


@pytest.mark.parametrize(
    "name",
    ["--upload-pack=x", "ext::sh", "git://h/x", "https://u:p@h/x", "ssh://-oProxy/x", "a\nb", "https://"],
)
def test_addresses_are_checked(name: str) -> None:
    with pytest.raises(GitError):
        names.url(name)


def test_good_names_pass() -> None:
    for ref in ("refs/heads/main", "refs/heads/pimainteno/fix/a@b.service-0a1b2c3d", "refs/heads/ä"):
        assert names.ref(ref) == ref
    for url in (
        "https://h/x.git",
        "ssh://git@h:22/x",
        "/srv/git/x y.git",
        "file:///srv/x",
        "http://127.0.0.1:80/x",
    ):
        assert names.url(url) == url
    assert names.refspec("+refs/heads/*:refs/heads/*")
    assert names.shown("ssh://git@h/x") == "ssh://h/x"
    with pytest.raises(GitError):
        names.sha("HEAD")


def test_the_last_words_of_git_come_with_a_remedy() -> None:
    full = process.Finished(128, b"", b"hint: x\nfatal: write error: No space left on device\n")
    assert str(failures.error("git fetch with file:///x", full)) == (
        "git fetch with file:///x failed: fatal: write error: No space left on device. "
        "What to do: make room on that disk"
    )
    silent = process.Finished(-9, b"", b"")
    assert str(failures.error("git fetch", silent)) == "git fetch failed: exit code -9"
