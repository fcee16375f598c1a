"""Work in the box: what it may do, what Codex finds there, and that nothing of it outlives the box."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.core import process
from app.core.changes import Answer
from app.core.errors import SandboxError
from app.demo.model import message, outputs, shell
from tests.doubles.model import ANSWER, Hang, Steps, always
from tests.doubles.seat import PROJECT, QUICK, with_model
from worker.agent import codex, program, sandbox

if TYPE_CHECKING:
    from tests.doubles.seat import Seat


async def test_codex_without_write_access_cannot_edit_the_worktree() -> None:
    script = Steps([[shell("echo edited > greet.py; cat greet.py")], [message(ANSWER)]])
    async with with_model(script) as (seat, server):
        await seat.ask(writable=False)
        assert (seat.tree.path / "greet.py").read_text() == "print('hello')\n"
        assert "hello" in outputs(server.requests[-1])[0]


async def test_codex_gets_nothing_that_an_earlier_step_left_in_its_home() -> None:
    script = Steps([[shell("ls -A $HOME /tmp")], [message(ANSWER)]])
    async with with_model(script) as (seat, server), sandbox.box(seat.work, PROJECT) as box:
        plant = "echo '[core]\nfsmonitor = /bin/false' > $HOME/.gitconfig; touch /tmp/left"
        argv = sandbox.command(seat.work, box, ["/bin/sh", "-c", plant], tree=seat.tree, network=False)
        assert (await process.run(argv, env=sandbox.environment(box))).returncode == 0
        fresh = box.apart()
        assert (box.home / ".gitconfig").exists()
        assert list(fresh.home.iterdir()) == []
        await codex.ask(
            seat.work, PROJECT, seat.tree, box, prompt="x", answer=Answer, writable=True, retries=QUICK
        )
        seen = outputs(server.requests[-1])[0]
        assert ".gitconfig" not in seen
        assert "left" not in seen


async def test_work_in_the_box_is_ordinary_work(seat: Seat) -> None:
    command = (
        "echo $PWD; git status --porcelain; git log --format=%s; echo new > new; echo x > /tmp/t; cat /tmp/t;"
        "echo y > /var/tmp/t && echo z > /dev/shm/t && echo $HOME > $HOME/h && cat $HOME/h; exit 7"
    )
    done = await seat.run(command)
    words = done.stdout.decode().split()
    assert done.returncode == 7
    assert words[:3] == [str(seat.tree.path), "Greet", "x"]
    assert len(words) == 4
    assert (seat.tree.path / "new").read_text() == "new\n"


async def test_a_box_that_is_not_writable_shows_its_worktree_only(seat: Seat) -> None:
    done = await seat.run("cat greet.py; echo x > greet.py && echo written", writable=False)
    assert b"hello" in done.stdout
    assert b"written" not in done.stdout


async def test_the_box_is_gone_afterwards_whatever_was_left_in_it(seat: Seat) -> None:
    async with sandbox.box(seat.work, PROJECT) as box:
        argv = [
            "/bin/sh",
            "-c",
            "mkdir -p $HOME/a/b; touch $HOME/a/b/c; ln -s / $HOME/a/root; chmod 0 $HOME/a/b $HOME/a",
        ]
        whole = sandbox.command(seat.work, box, argv, tree=seat.tree, network=False)
        assert (await process.run(whole, env=sandbox.environment(box))).returncode == 0
        assert box.root.stat().st_mode & 0o77 == 0
    assert not box.root.exists()


async def test_a_box_of_endless_depth_is_gone_too(seat: Seat) -> None:
    deep = 'chdir $ENV{HOME}; $n = "d" x 200; for (1..60) { mkdir $n; chdir $n or die }'
    async with sandbox.box(seat.work, PROJECT) as box:
        argv = ["/usr/bin/perl", "-e", deep]
        whole = sandbox.command(seat.work, box, argv, tree=seat.tree, network=False)
        assert (await process.run(whole, env=sandbox.environment(box))).returncode == 0
    assert not box.root.exists()


async def test_a_configuration_in_the_project_starts_nothing_beside_codex() -> None:
    script = Steps([[shell("true")], [message(ANSWER)]])
    async with with_model(script) as (seat, _):
        planted = seat.tree.path / "planted"
        argv = f'command = "/bin/sh"\nargs = ["-c", "env > {planted}"]\n'
        notify = f'notify = ["/bin/sh", "-c", "env > {planted}"]\n'
        (seat.tree.path / ".codex").mkdir()
        (seat.tree.path / ".codex" / "config.toml").write_text(f"{notify}[mcp_servers.x]\n{argv}")
        await seat.ask(writable=True)
        assert not planted.exists()


async def test_a_repository_within_the_project_starts_nothing_beside_codex() -> None:
    script = Steps([[shell("true")], [message(ANSWER)]])
    async with with_model(script) as (seat, _):
        tree, planted = seat.tree.path, seat.tree.path / "planted"
        planter = tree / "filter"
        planter.write_text(f"#!/bin/sh\nenv > {planted}\n")
        planter.chmod(0o755)
        who = "-c user.name=x -c user.email=x@localhost"
        make = (
            f"git init -q sub && echo x > sub/f && git -C sub add f && git -C sub {who} commit -q -m x &&"
            " echo '* filter=x' > sub/.gitattributes && echo y > sub/f &&"
            f" git -C sub config filter.x.clean {planter} &&"
            " git update-index --add --cacheinfo 160000,$(git -C sub rev-parse HEAD),sub"
        )
        done = await process.run(["/bin/sh", "-c", make], cwd=tree, merge=True)
        assert done.returncode == 0, done.stdout
        await seat.ask(writable=True)
        assert not planted.exists()


async def test_no_process_outlives_the_box(seat: Seat) -> None:
    mark = f"mark-{uuid.uuid4().hex}"
    left = f"setsid nohup /bin/bash -c 'exec -a {mark} sleep 300' > /dev/null 2>&1 & sleep 0.1; echo started"
    done = await seat.run(left)
    assert done.stdout == b"started\n"
    await _gone(mark)


@pytest.mark.parametrize("kind", ["plain", "codex"])
async def test_no_process_outlives_a_killed_worker(kind: str) -> None:
    mark = f"mark-{uuid.uuid4().hex}"
    sleep = f"/bin/bash -c 'exec -a {mark} sleep 300'"
    script = Steps([[shell(sleep)], [message(ANSWER)]])
    async with with_model(script) as (seat, _):
        argv = [sys.executable, "-m", "tests.doubles.seat", str(seat.config), kind, mark]
        with process.spawn(argv) as worker:
            try:
                await _there(mark)
            finally:
                worker.kill()
                await asyncio.to_thread(worker.wait)
        await _gone(mark)
        await _gone(str(seat.root))


async def test_a_codex_that_waits_for_its_model_dies_with_its_worker() -> None:
    async with with_model(always(Hang())) as (seat, server):
        with process.spawn(
            [sys.executable, "-m", "tests.doubles.seat", str(seat.config), "codex", "hello"]
        ) as worker:
            try:
                async with asyncio.timeout(20):
                    await server.arrived.wait()
            finally:
                worker.kill()
                await asyncio.to_thread(worker.wait)
        await _gone(str(seat.root))


async def test_preflight_finds_a_sound_sandbox_and_a_broken_one(
    seat: Seat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await sandbox.preflight(seat.work)
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(program, "bubblewrap", lambda: broken)
    with pytest.raises(SandboxError, match=r"No permissions.*kernel\.unprivileged_userns_clone"):
        await sandbox.preflight(seat.work)


async def _there(mark: str) -> None:
    async with asyncio.timeout(20):
        while not any(line.startswith(mark) for line in _processes()):  # noqa: ASYNC110 - /proc rings no bell
            await asyncio.sleep(0.02)


async def _gone(mark: str) -> None:
    """Wait until no process has the mark in its command line."""
    async with asyncio.timeout(5):
        while any(mark in line for line in _processes()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _processes() -> list[str]:
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(entry.read_text(errors="replace"))
    return lines
