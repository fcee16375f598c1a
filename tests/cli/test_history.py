"""`history`: lines for people, JSON Lines for programs, and following until somebody has enough."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.cli.conftest import Command, Worker


async def test_people_see_the_last_and_programs_see_all(command: Command, worker: Worker) -> None:
    for number in range(620):
        await worker.event(f"number {number}\nof many", proposal=number if number % 2 else None)
    ended = await command.run("history")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 50
    assert ended.out.splitlines()[-1].endswith("run.finished       greeter #619: number 619 of many")
    ended = await command.run("history", "--json")
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert [line["id"] for line in lines] == list(range(1, 621))
    keys = ["id", "at", "kind", "project", "proposal", "run", "actor", "host", "text", "data"]
    assert list(lines[0]) == keys


async def test_one_project_alone(command: Command, worker: Worker) -> None:
    await worker.event("ours")
    await worker.event("of another", project="other")
    ended = await command.run("history", "--project", "greeter")
    assert "ours" in ended.out
    assert "of another" not in ended.out
    ended = await command.run("history", "--project", "gone")
    assert ended.code == 2


async def test_no_secret_is_printed_in_either_form(command: Command, worker: Worker) -> None:
    await worker.event("API_KEY=sk-proj-Zq8vN2pL7xKd93mTbW41yRcE")
    for form in ([], ["--json"]):
        ended = await command.run("history", *form)
        assert "Zq8vN2pL7xKd93mTbW41yRcE" not in ended.out
        assert "[redacted" in ended.out


async def test_nothing_yet(command: Command) -> None:
    ended = await command.run("history")
    assert (ended.code, ended.out) == (0, "Nothing has happened yet.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_follow_goes_on_and_ends_cleanly(
    command: Command, worker: Worker, number: signal.Signals
) -> None:
    await worker.event("before")
    process = command.start("history", "--json", "--follow")
    assert (await _line(process))["text"] == "before"
    await worker.event("after")
    assert (await _line(process))["text"] == "after"
    process.send_signal(number)
    ended = await command.ends(process)
    assert (ended.code, ended.out, ended.err) == (0, "", "")


async def test_follow_ends_when_its_reader_has_gone(command: Command, worker: Worker) -> None:
    await worker.event("before")
    process = command.start("history", "--follow")
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline)
    process.stdout.close()
    process.stdout = None
    assert await asyncio.to_thread(process.wait, 10) == 0


async def _line(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    line: dict[str, object] = json.loads(await asyncio.to_thread(process.stdout.readline))
    return line
