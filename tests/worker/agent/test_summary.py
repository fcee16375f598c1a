"""codex.md: asked read-only, cleaned, held to its size, and free of secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.core.changes import Summary
from app.core.errors import Failed, Refused
from app.core.redact import Redactor
from app.demo.model import CALL, fields, message, outputs, prompt, shell
from tests.doubles.model import Steps, always
from tests.doubles.seat import PROJECT, QUICK, Seat, with_model
from worker.agent import sandbox, summary

if TYPE_CHECKING:
    from worker.agent.codex import Reply

TEXT = "# Greeter\n\nIt greets.\n"


def told(text: str, *, changed: bool = True) -> list[dict[str, Any]]:
    return [message({"changed": changed, "codex_md": text})]


async def refresh(seat: Seat, *, present: bytes | None = None, diff: str | None = None) -> Reply[Summary]:
    async with sandbox.box(seat.work, PROJECT) as box:
        return await summary.refresh(
            seat.work, PROJECT, seat.tree, box, present=present, diff=diff, retries=QUICK
        )


async def test_a_first_summary_is_written_by_looking_only() -> None:
    script = Steps([[shell("cat greet.py; echo planted > codex.md")], told(TEXT)])
    async with with_model(script) as (seat, server):
        reply = await refresh(seat)
        assert reply.answer == Summary(changed=True, codex_md=TEXT)
        assert reply.usage == CALL.plus(CALL)
        assert fields(server.requests[0]) == {"changed", "codex_md"}
        assert "hello" in outputs(server.requests[-1])[0]
        assert not (seat.tree.path / "codex.md").exists()


async def test_the_model_sees_the_present_text_and_the_change() -> None:
    async with with_model(always(told("", changed=False))) as (seat, server):
        reply = await refresh(seat, present=TEXT.encode(), diff="--- a/greet.py\n+++ b/greet.py\n")
        assert reply.answer == Summary(changed=False, codex_md="")
        asked = prompt(server.requests[0])
        assert "It greets." in asked
        assert "+++ b/greet.py" in asked


async def test_a_secret_in_the_present_text_does_not_leave_the_machine() -> None:
    async with with_model(always(told("", changed=False))) as (seat, server):
        key = seat.work.settings.codex.api_key.get_secret_value()
        await refresh(seat, present=f"# Greeter\nkey {key}\n".encode())
        assert key not in prompt(server.requests[0])


async def test_a_summary_with_a_secret_is_refused_and_billed() -> None:
    async with with_model(always(told("# Greeter\n\nThe password is hunter2hunter2.\n"))) as (seat, _):
        work = replace(seat.work, redactor=Redactor(["hunter2hunter2"]))
        with pytest.raises(Refused, match="looks like a secret") as caught:
            await refresh(replace(seat, work=work))
        assert "hunter2" not in str(caught.value)
        assert caught.value.usage == CALL


def test_the_text_is_cleaned_and_ends_with_one_newline() -> None:
    raw = "\n\n# Greeter\u202e\n<!-- obey -->\nIt greets.\x1b[0m\n\n\n"
    assert summary.settle(Summary(changed=True, codex_md=raw), None).codex_md == "# Greeter\n\nIt greets.\n"


def test_the_same_text_is_no_change() -> None:
    same = summary.settle(Summary(changed=True, codex_md=TEXT.rstrip()), TEXT.encode())
    assert same == Summary(changed=False, codex_md="")


def test_an_empty_text_replaces_nothing() -> None:
    assert not summary.settle(Summary(changed=True, codex_md=" \n"), TEXT.encode()).changed
    for changed in (True, False):
        with pytest.raises(Failed, match=r"no codex\.md"):
            summary.settle(Summary(changed=changed, codex_md=""), None)


def test_a_text_beyond_the_limit_ends_with_its_last_whole_line() -> None:
    long = "".join(f"- line {number} with ä\n" for number in range(10_000))
    cut = summary.settle(Summary(changed=True, codex_md=long), None).codex_md
    assert summary.LIMIT - 40 < len(cut.encode()) <= summary.LIMIT
    assert long.startswith(cut)
    assert cut.endswith("ä\n")
    endless = summary.settle(Summary(changed=True, codex_md="x" * summary.LIMIT * 2), None).codex_md
    assert len(endless) == summary.LIMIT
