"""The Codex CLI as we run it: its command line, its key, its answers, its bill."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from app.core.changes import Usage
from app.core.errors import Failed, RetryLater
from app.demo.model import CALL, fields, message, outputs, patch, prompt, shell
from tests.doubles.model import ANSWER, GARBAGE, NOTHING, Hang, Sequel, Status, Steps, always
from tests.doubles.seat import PROJECT, seated, with_model
from worker.agent import codex, codex_threads
from worker.agent.codex_events import Story

GOOD = [message(ANSWER)]
PATCH = """*** Begin Patch
*** Update File: greet.py
@@
-print('hello')
+print('hello, world')
*** End Patch
"""


async def test_a_repair_from_prompt_to_answer() -> None:
    script = Steps([[shell("cat greet.py")], [patch(PATCH)], GOOD])
    async with with_model(script) as (seat, server):
        reply = await seat.ask(prompt="Mend the greeting.")
        assert (seat.tree.path / "greet.py").read_text() == "print('hello, world')\n"
        assert reply.answer.title == ANSWER["title"]
        assert reply.usage == Usage(input=3 * CALL.input, cached=3 * CALL.cached, output=3 * CALL.output)
        first = server.requests[0]
        assert prompt(first) == "Mend the greeting."
        assert fields(first) == frozenset(ANSWER)
        assert first["text"]["format"]["strict"] is True
        assert first["model"] == seat.work.settings.codex.model
        assert "hello" in outputs(server.requests[1])[0]


async def test_the_key_goes_to_the_server_and_nowhere_else() -> None:
    script = Steps([[shell("env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'")], GOOD])
    async with with_model(script) as (seat, server):
        key = seat.work.settings.codex.api_key.get_secret_value()
        seen: set[str] = set()
        asking = asyncio.create_task(seat.ask())
        while not asking.done():
            seen |= _command_lines()
            await asyncio.sleep(0.005)
        await asking
        assert any("exec --json" in line for line in seen)
        assert [line for line in seen if key in line] == []
        assert {header["authorization"] for header in server.headers} == {f"Bearer {key}"}
        assert not any(key in json.dumps(request) for request in server.requests)
        assert "PATH=" in outputs(server.requests[-1])[0]
        home = seat.work.paths.codex_home(PROJECT)
        kept = [file for file in home.rglob("*") if file.is_file()]
        assert kept
        assert not any(key.encode() in file.read_bytes() for file in kept)


async def test_a_model_on_this_machine_needs_no_key() -> None:
    async with with_model(always(GOOD), api_key_file="", api_key="") as (seat, server):
        await seat.ask()
        assert server.headers[0]["authorization"] == "Bearer none"


async def test_the_home_is_closed_to_others_and_its_thread_can_be_resumed() -> None:
    async with with_model(Sequel([GOOD, GOOD])) as (seat, server):
        first = await seat.ask(prompt="One.")
        home = seat.work.paths.codex_home(PROJECT)
        assert home.stat().st_mode & 0o777 == 0o700
        second = await seat.ask(prompt="Two.", resume=first.thread)
        assert second.thread == first.thread
        assert "One." in json.dumps(server.requests[1])
        assert second.usage == CALL  # the CLI counts the whole thread; only the difference is billed


async def test_a_resumed_thread_keeps_its_right_to_write() -> None:
    script = Sequel([GOOD, [shell("echo more > greet.py")], GOOD])
    async with with_model(script) as (seat, _):
        first = await seat.ask()
        await seat.ask(prompt="And now?", resume=first.thread)
        assert (seat.tree.path / "greet.py").read_text() == "more\n"


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (NOTHING, "the answer is empty"),
        ([GARBAGE], "the whole: Invalid JSON"),
        ([message({**ANSWER, "verdict": "perhaps"})], "verdict: Input should be"),
        ([message({**ANSWER, "more": 1})], "more: Extra inputs"),
        ([message({**ANSWER, "confidence": 2})], "confidence: Input should be less"),
    ],
)
async def test_an_unreadable_answer_is_asked_for_once_more(
    bad: list[dict[str, object]], problem: str
) -> None:
    async with with_model(Sequel([bad, GOOD])) as (seat, server):
        reply = await seat.ask()
        assert reply.answer.verdict == "fixed"
        assert len(server.requests) == 2
        assert problem in prompt(server.requests[1])
        assert reply.usage == CALL.plus(CALL)


async def test_an_answer_that_stays_unreadable_fails_and_is_billed() -> None:
    async with with_model(always([GARBAGE])) as (seat, server):
        with pytest.raises(Failed, match="also when asked again: the whole: Invalid JSON") as caught:
            await seat.ask()
        assert len(server.requests) == 2
        assert caught.value.usage == CALL.plus(CALL)


async def test_an_order_that_makes_no_sense_does_not_end_the_run() -> None:
    nonsense = {"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": "{oops"}
    async with with_model(Steps([[nonsense], GOOD])) as (seat, _):
        assert (await seat.ask()).answer.verdict == "fixed"


async def test_a_line_of_a_megabyte_is_taken_in() -> None:
    big = {**ANSWER, "cause": "because " * 130_000}
    async with with_model(always([message(big)])) as (seat, _):
        assert len((await seat.ask()).answer.cause) > 1_000_000


async def test_a_prompt_larger_than_a_pipe_arrives_whole() -> None:
    async with with_model(always(GOOD)) as (seat, server):
        long = "x" * 300_000
        await seat.ask(prompt=long)
        assert prompt(server.requests[0]) == long


async def test_a_run_that_fails_at_once_leaves_no_process() -> None:
    """The CLI may end while it is still starting a sandbox of its own."""
    async with with_model(always(Status(401))) as (seat, _):
        for _ in range(4):
            with suppress(RetryLater):
                await seat.ask()
        assert not any(str(seat.root) in line for line in _command_lines())


async def test_a_cancelled_run_leaves_no_process() -> None:
    async with with_model(always(Hang())) as (seat, server):
        asking = asyncio.create_task(seat.ask())
        async with asyncio.timeout(20):
            await server.arrived.wait()
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        assert not any(str(seat.root) in line for line in _command_lines())
        assert list(seat.work.paths.scratch.iterdir()) == []


async def test_instructions_in_the_repository_are_all_that_the_project_adds() -> None:
    """A project's own configuration of Codex, its hooks and its skills have no say."""
    async with with_model(always(GOOD)) as (seat, server):
        planted = seat.tree.path / ".codex"
        planted.mkdir()
        (planted / "config.toml").write_text(
            'model = "planted"\n[mcp_servers.planted]\ncommand = "planted"\n'
        )
        skill = seat.tree.path / ".agents" / "skills" / "planted"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text("---\nname: planted\ndescription: planted skill\n---\nplanted\n")
        await seat.ask()
        assert "planted" not in json.dumps(server.requests)


async def test_the_version_is_that_of_the_binary() -> None:
    async with seated() as seat:
        found = await codex.version(seat.work.settings)
        assert found[0].isdigit()
        assert found == await codex.version(seat.work.settings)


async def test_old_threads_are_pruned() -> None:
    async with with_model(always(GOOD)) as (seat, _):
        folder = seat.work.paths.codex_home(PROJECT) / "sessions" / "2020" / "01" / "01"
        folder.mkdir(parents=True)
        for number in range(codex_threads.KEPT + 5):
            (folder / f"rollout-2020-01-01T00-00-{number:02}-old.jsonl").write_text("{}\n")
        await seat.ask()
        left = sorted(file.name for file in folder.iterdir())
        assert len(left) == codex_threads.KEPT
        assert left[0] == "rollout-2020-01-01T00-00-05-old.jsonl"


def test_an_unknown_record_costs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "sessions" / "2020" / "01" / "01"
    folder.mkdir(parents=True)
    (folder / "rollout-x-thread.jsonl").write_text(
        '{"payload": {"type": "token_count", "info": null}}\nnonsense\n'
    )
    assert codex_threads.spent(tmp_path, "thread") == Usage()
    assert codex_threads.spent(tmp_path, "other") == Usage()
    assert codex_threads.spent(tmp_path, None) == Usage()


def test_events_of_a_later_version_are_let_go() -> None:
    story = Story()
    for line in (
        b'{"type": "thread.started", "thread_id": "t"}',
        b'{"type": "from.the.future", "what": 1}',
        b'{"type": "item.completed", "item": {"type": "novelty"}}',
        b'{"type": "item.completed", "item": {"type": "agent_message", "text": "one"}}',
        b'{"type": "item.completed"}',
        b'{"type": "error", "message": "Reconnecting... 1/5"}',
        b"WARNING: plain words",
        b'{"type": "item.completed", "item": {"type": "agent_message", "text": "two"}}',
        b'{"type": "turn.completed", "usage": {"input_tokens": 3, "output_tokens": 1, "novel": 9}}',
    ):
        story.take(line + b"\n")
    assert (story.thread, story.text, story.failure) == ("t", "two", None)
    assert story.total == Usage(input=3, output=1)


def _command_lines() -> set[str]:
    lines = set()
    for entry in Path("/proc").glob("[0-9]*"):
        if entry.name != str(os.getpid()):
            with suppress(OSError):
                lines.add((entry / "cmdline").read_text(errors="replace").replace("\0", " "))
    return lines
