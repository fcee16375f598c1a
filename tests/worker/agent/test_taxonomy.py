"""Each row of the failure table, with the real CLI; the server's count of requests is the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core.changes import Usage
from app.core.errors import Failed, PimaintenoError, Refused, RetryLater, SandboxError
from app.demo.model import message, outputs, prompt, shell
from tests.doubles.model import (
    ANSWER,
    Broken,
    Cut,
    Hang,
    Reply,
    Sequel,
    Spending,
    Status,
    Steps,
    Trickle,
    always,
)
from tests.doubles.seat import QUICK, seated, with_model
from worker.agent import codex_config, program, prompts, sandbox, taxonomy
from worker.agent.codex_config import Retries
from worker.agent.codex_events import Story

if TYPE_CHECKING:
    from collections.abc import Sequence

GOOD = [message(ANSWER)]


async def fails(reply: Reply | Sequel | Steps, **codex_settings: Any) -> tuple[PimaintenoError, int]:
    script = reply if isinstance(reply, Sequel | Steps) else always(reply)
    async with with_model(script, **codex_settings) as (seat, server):
        with pytest.raises(PimaintenoError) as caught:
            await seat.ask()
        return caught.value, len(server.requests)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_pauses_all_runs(status: int) -> None:
    error, requests = await fails(Status(status))
    assert isinstance(error, RetryLater)
    assert (error.pause, error.counts, requests) == (True, False, 1)
    assert "check codex.api_key" in str(error)


@pytest.mark.parametrize(
    "fault", [Status(429, "over quota", "insufficient_quota"), Broken("insufficient_quota")]
)
async def test_an_empty_quota_pauses_all_runs(fault: Reply) -> None:
    error, requests = await fails(fault)
    assert isinstance(error, RetryLater)
    assert (error.pause, requests) == (True, 1)
    assert "no quota is left" in str(error)


@pytest.mark.parametrize(
    "fault",
    [
        Status(429, "slow down", "rate_limit_exceeded"),
        Status(429, "slow down", "rate_limit_exceeded", {"retry-after": "3600"}),
        Broken("rate_limit_exceeded"),
        Broken("slow_down"),
    ],
)
async def test_a_rate_limit_backs_off(fault: Reply) -> None:
    error, requests = await fails(fault)
    assert isinstance(error, RetryLater)
    assert (error.pause, error.counts, requests) == (False, True, 1)
    assert error.after_s >= 0.75 * taxonomy.LATER_S


@pytest.mark.parametrize("fault", [Status(400, "no such field"), Status(404)])
async def test_a_request_that_is_not_taken_is_final(fault: Reply) -> None:
    error, requests = await fails(fault)
    assert isinstance(error, Failed)
    assert requests == 1
    assert "check codex.base_url and codex.model" in str(error)


@pytest.mark.parametrize(
    "fault",
    [Status(500), Status(503), Cut(GOOD), Broken("server_error"), Broken("server_is_overloaded")],
)
async def test_a_passing_fault_of_the_server_is_tried_again_later(fault: Reply) -> None:
    error, requests = await fails(fault)
    assert isinstance(error, RetryLater)
    assert (error.pause, error.counts, requests) == (False, True, 1)
    assert "codex" not in str(error).split(":")[0]


async def test_an_unreachable_server_is_tried_again_later() -> None:
    async with with_model(always(GOOD)) as (_, server):
        port = server.port
    async with seated(base_url=f"http://127.0.0.1:{port}/v1") as seat:
        with pytest.raises(RetryLater, match="could not be reached") as caught:
            await seat.ask()
    assert not caught.value.pause


async def test_what_nobody_knows_is_tried_again_and_told_in_full() -> None:
    error, requests = await fails(Broken("invalid_prompt", "the moon is too near"))
    assert isinstance(error, RetryLater)
    assert requests == 1
    assert "not known: the moon is too near" in str(error)


async def test_a_missing_key_pauses_before_anything_is_sent() -> None:
    async with seated(api_key="", api_key_file="", base_url="https://example.invalid/v1") as seat:
        with pytest.raises(RetryLater, match=r"set codex\.api_key") as caught:
            await seat.ask()
    assert caught.value.pause


async def test_a_spent_budget_is_refused_and_billed() -> None:
    order = Spending([shell("echo half > greet.py")], Usage(input=300, output=20))
    async with with_model(always(order), token_limit=500) as (seat, server):
        with pytest.raises(Refused, match=r"codex\.token_limit") as caught:
            await seat.ask()
        assert len(server.requests) == 2
        assert caught.value.usage == Usage(input=600, output=40)
        assert (seat.tree.path / "greet.py").read_text() == "half\n"


async def test_a_thread_without_room_starts_anew_with_less_data() -> None:
    async with with_model(Sequel([Broken("context_length_exceeded"), GOOD])) as (seat, server):
        long = "Mend it.\n" + prompts.data("log", "\n".join(f"line {n}" for n in range(1000)))
        reply = await seat.ask(prompt=long)
        first, second = (prompt(request) for request in server.requests)
        assert len(second) < len(first) / 2
        assert "line 999" in second
        assert "line 0\n" not in second
        assert reply.answer.verdict == "fixed"


async def test_a_question_that_never_fits_fails() -> None:
    error, requests = await fails(Broken("context_length_exceeded"))
    assert isinstance(error, Failed)
    assert requests == 2


@pytest.mark.parametrize("fault", [Hang(), Hang(headers_first=True), Trickle()])
async def test_silence_is_ended_and_tried_again(fault: Reply) -> None:
    error, requests = await fails(fault, idle_s=2.5)
    assert isinstance(error, RetryLater)
    assert requests == 1
    assert "codex.idle_s" in str(error) or "did not answer" in str(error)


async def test_a_run_that_takes_too_long_is_refused() -> None:
    error, requests = await fails(Steps([[shell("sleep 60")], GOOD]), timeout_s=4.0)
    assert isinstance(error, Refused)
    assert requests == 1
    assert "codex.timeout_s" in str(error)


async def test_a_broken_sandbox_stops_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async with with_model(Steps([[shell("id")], GOOD])) as (seat, server):
        await sandbox.preflight(seat.work)
        sound = sandbox._start

        def broken(*, codex: bool, network: bool) -> list[str]:
            return [*sound(codex=codex, network=network), *(["--disable-userns"] if codex else [])]

        monkeypatch.setattr(sandbox, "_start", broken)
        with pytest.raises(SandboxError, match="user namespaces"):
            await seat.ask()
        assert len(server.requests) <= 2  # one order that could not be carried out, and no other


async def test_a_command_that_claims_a_broken_sandbox_stops_nothing_else() -> None:
    async with with_model(Steps([[shell("echo bwrap: no namespaces; exit 1")], GOOD])) as (seat, server):
        with pytest.raises(RetryLater, match="every command") as caught:
            await seat.ask()
        assert not caught.value.pause
        assert outputs(server.requests[-1])


@pytest.mark.parametrize(
    ("returncode", "stderr", "kind", "words"),
    [
        (2, "error: unexpected argument '--full-auto'", Failed, "does not know its own flags"),
        (1, "Error loading config.toml: unknown field", Failed, "did not start: check \\[codex\\]"),
        (1, "bwrap: No permissions to create new namespace", SandboxError, "No permissions"),
        (1, "Error: thread 1 has an active writer", RetryLater, "another process holds the thread"),
        (137, "", RetryLater, "was killed"),
        (-9, "", RetryLater, "was killed"),
    ],
)
def test_an_end_without_an_event_is_told_by_its_code(
    returncode: int, stderr: str, kind: type[PimaintenoError], words: str
) -> None:
    error = taxonomy.outcome(Story(), returncode, stderr)
    assert isinstance(error, kind)
    with pytest.raises(kind, match=words):
        raise error


async def test_an_unknown_setting_is_a_fault_of_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    template = codex_config._TEMPLATE + "\n[nonsense]\nyes = true\n"
    monkeypatch.setattr(codex_config, "_TEMPLATE", template)
    error, requests = await fails(GOOD)
    assert isinstance(error, Failed)
    assert requests == 0
    assert "nonsense" in str(error)


async def test_an_unknown_thread_is_a_fault_of_configuration() -> None:
    async with with_model(always(GOOD)) as (seat, server):
        with pytest.raises(Failed, match="01a20867-506c-7d82-967e-c59f9f6b7ab5"):
            await seat.ask(resume="01a20867-506c-7d82-967e-c59f9f6b7ab5")
        assert server.requests == []


async def test_the_cli_bridges_a_short_fault_by_itself() -> None:
    """What production uses: a fault that passes costs nothing of what the thread has done."""
    replies: Sequence[Reply] = [[shell("echo mended > greet.py")], Status(503), Cut(), GOOD]
    async with with_model(Sequel(replies)) as (seat, server):
        reply = await seat.ask(retries=Retries())
        assert reply.answer.verdict == "fixed"
        assert len(server.requests) == 4
        assert Retries() != QUICK


async def test_another_binary_is_a_fault_of_configuration() -> None:
    async with seated(command="no-such-codex") as seat:
        with pytest.raises(PimaintenoError, match=r"codex\.command: no-such-codex is not a program"):
            program.codex(seat.work.settings)
