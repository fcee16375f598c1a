"""`fix`: what is sent, what is refused before it is sent, and what `--wait` makes of the outcome."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from typing import TYPE_CHECKING

import pytest

from app.commands.fix import read_log
from app.commands.following import until, worker_seen
from app.core import redis
from app.core.errors import ConfigurationError
from app.core.queue import Bell, Queue
from app.core.reports import LOG_LIMIT
from tests.cli.conftest import queued

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, Worker

FIX = ("fix", "greeter", "--unit", "greeter.service")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fix", "gone", "--unit", "greeter.service"], "known projects: greeter"),
        (["fix", "greeter", "--unit", "other.service"], "its units: greeter.service, greeter-*.timer"),
        ([*FIX, "--log", "missing.log"], "missing.log cannot be read: No such file"),
        ([*FIX, "--log", "/"], "cannot be read: Is a directory"),
        ([*FIX, "--result", "no word"], "--result"),
        ([*FIX, "--host", "a b"], "--host"),
    ],
)
async def test_wrong_use_is_told_before_anything_is_sent(
    command: Command, arguments: list[str], said: str
) -> None:
    ended = await command.run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert not (command.home / "state" / "redis").exists()


async def test_the_report_is_queued_as_given(command: Command, worker: Worker) -> None:
    ended = await command.run(
        *FIX, "--log", "-", "--result", "signal", "--host", "pi-7", stdin=b"it fell \xff over\n"
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "queued: greeter.service of greeter on pi-7\n"
    (report,) = await worker.reports()
    assert report["log"] == "it fell \ufffd over\n"
    assert (report["result"], report["host"], report["project"]) == ("signal", "pi-7", "greeter")
    assert str(report["actor"]).startswith("cli:")


async def test_a_unit_without_suffix_is_a_service_and_patterns_match(
    command: Command, worker: Worker
) -> None:
    assert (await command.run("fix", "greeter", "--unit", "greeter")).code == 0
    assert (await command.run("fix", "greeter", "--unit", "greeter-night.timer")).code == 0
    assert sorted(str(each["unit"]) for each in await worker.reports()) == [
        "greeter-night.timer",
        "greeter.service",
    ]
    assert {str(each["host"]) for each in await worker.reports()} == {socket.gethostname()}


@pytest.mark.parametrize("log", [None, b"", b" \n"])
async def test_without_a_log_it_warns_and_goes_on(
    command: Command, worker: Worker, log: bytes | None
) -> None:
    more = () if log is None else ("--log", "-")
    ended = await command.run(*FIX, *more, stdin=log)
    assert ended.code == 0
    assert "going on without it" in ended.err
    assert len(await worker.reports()) == 1


async def test_without_a_worker_it_says_so_and_the_report_stays(command: Command) -> None:
    ended = await command.run(*FIX, "--log", "-", stdin=b"boom")
    assert ended.code == 0
    assert "queued" in ended.out
    assert "no worker is running" in ended.err
    settings = command.configure()
    async with redis.running(settings) as url, Bell(url) as bell:  # a new server: the last one was stopped
        began = time.monotonic()
        assert not await worker_seen(bell, Queue.REPORTS, within_s=0.3)
        assert time.monotonic() - began < 2
        assert [each["log"] for each in await queued(url)] == ["boom"]


async def test_redis_away_queues_nothing_and_says_so(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command.configure(redis_url=f"redis://:hunter2@127.0.0.1:{port}")
    for arguments in (FIX, (*FIX, "--wait"), ("scan",)):
        ended = await command.run(*arguments)
        assert ended.code == 1
        assert "queued" not in ended.out
        assert f"Redis at 127.0.0.1:{port} cannot be reached" in ended.err
        assert "hunter2" not in ended.err


@pytest.mark.parametrize(
    ("state", "code"), [("open", 0), ("refused", 1), ("failed", 1), ("skipped", 3), ("closed", 3)]
)
async def test_wait_ends_with_the_proposal(command: Command, worker: Worker, state: str, code: int) -> None:
    process = command.start(*FIX, "--wait", "--log", "-")
    assert process.stdin is not None
    process.stdin.write(b"boom\n")
    process.stdin.close()
    process.stdin = None
    proposal = await worker.take_in(await worker.report())
    await worker.set(proposal, state="waiting", reason="at the limit of 2 an hour")
    await worker.event("Waiting: at the limit of 2 an hour", proposal=proposal.id)
    await asyncio.sleep(0.6)  # what it asks for every quarter of a second is still not there
    assert process.poll() is None
    url = f"http://127.0.0.1:8300/proposals/{proposal.id}"
    await worker.event("It came to an end", proposal=proposal.id)
    await worker.set(proposal, state=state, reason="because", url=url if state == "open" else None)
    ended = await command.ends(process)
    assert ended.code == code, ended.err
    assert ended.out.count("at the limit") == 1
    assert "Run 1 started" in ended.out
    assert "It came to an end" in ended.out
    if state == "open":
        assert ended.out.splitlines()[-1] == url
    else:
        assert f"is {state}: because" in ended.err


async def test_wait_on_a_known_proposal_is_done_at_once(command: Command, worker: Worker) -> None:
    process = command.start(*FIX, "--wait")
    first = await worker.take_in(await worker.report())
    await worker.set(first, state="open", url="http://127.0.0.1:8300/proposals/1")
    assert (await command.ends(process)).code == 0
    async with worker.store.write() as tx:
        await worker.answer(tx, "older", "proposal", first.id)
    again = command.start(*FIX, "--wait", "--host", "other")
    async with asyncio.timeout(30):
        await until(lambda: _sent_from(worker, "other"))
    (report,) = await _sent_from(worker, "other")
    async with worker.store.write() as tx:
        await worker.answer(tx, str(report["id"]), "counted", first.id)
    ended = await command.ends(again)
    assert ended.code == 0
    assert ended.out.splitlines()[-1] == "http://127.0.0.1:8300/proposals/1"
    assert "Run 1 started" not in ended.out  # old news


async def test_wait_on_a_report_that_was_ignored(command: Command, worker: Worker) -> None:
    process = command.start(*FIX, "--wait")
    report = await worker.report()
    async with worker.store.write() as tx:
        await worker.answer(tx, str(report["id"]), "ignored: the project is gone", None)
    ended = await command.ends(process)
    assert ended.code == 3
    assert "ignored: the project is gone" in ended.err


async def test_ctrl_c_ends_the_wait_cleanly(command: Command, worker: Worker) -> None:
    process = command.start(*FIX, "--wait")
    await worker.report()
    process.send_signal(2)
    ended = await command.ends(process)
    assert ended.code == 130
    assert "Traceback" not in ended.err


def test_a_line_of_a_gigabyte_is_read_from_its_end(tmp_path: Path) -> None:
    huge = tmp_path / "huge.log"
    with huge.open("wb") as file:
        file.truncate(1 << 30)  # sparse: one line of a gigabyte, without a newline
        file.seek(0, os.SEEK_END)
        file.write(b"the last words")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = read_log(str(huge))
    assert len(text) == LOG_LIMIT
    assert text.endswith("the last words")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


async def test_a_long_standard_input_keeps_its_end(command: Command, worker: Worker) -> None:
    ended = await command.run(*FIX, "--log", "-", stdin=b"x" * (30 << 20) + b"\nthe last words")
    assert ended.code == 0
    (report,) = await worker.reports()
    assert len(str(report["log"])) == LOG_LIMIT
    assert str(report["log"]).endswith("\nthe last words")


@pytest.mark.parametrize("content", [os.urandom(200_000), b"\xff" * 100_000, "ä€".encode() * 40_000])
def test_binary_and_cut_characters_keep_to_the_limit(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "log"
    file.write_bytes(content)
    text = read_log(str(file))
    assert 0 < len(text.encode()) <= LOG_LIMIT


def test_a_file_that_may_not_be_read_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigurationError, match="loop cannot be read"):
        read_log(str(tmp_path / "loop"))


async def _sent_from(worker: Worker, host: str) -> list[dict[str, object]]:
    return [each for each in await worker.reports() if each["host"] == host]
