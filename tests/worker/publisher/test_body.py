"""The description: its exact form, and that nothing of others' words can break it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.changes import Answer, CheckResult, Usage
from app.core.models import Incident, Kind, Proposal, ProposalState, Run
from app.core.redact import Redactor
from worker.publisher import body, markup
from worker.publisher.body import Facts, describe

AT = datetime(2026, 11, 23, 10, 0, 1, tzinfo=UTC)
GOLDEN = Path(__file__).with_name("golden")
FIX = ["## What failed", "## Why", "## The change", "## Proof", "## codex.md", "## Run"]
OTHER = ["## What", *FIX[1:]]
DIFF = """\
--- a/codex.md
+++ b/codex.md
@@ -1,2 +1,2 @@
 # greeter
-Says hello.
+Says hello; a missing name is "world".
"""
SECRET = "hunter2-very-secret"


def facts(**more: Any) -> Facts:
    incident = Incident(
        id=1,
        project="greeter",
        unit="greeter.service",
        fingerprint="ab" * 32,
        fingerprint_version=1,
        result="exit-code",
        exit_status="1",
        count=3,
        hosts=("pi", "pi4"),
        first_at=AT,
        last_at=AT + timedelta(hours=2),
        log=more.pop("log", "Traceback (most recent call last):\nKeyError: 'name'\n"),
    )
    answer = Answer(
        verdict="fixed",
        title="Greet without a name",
        cause=more.pop("cause", "The name was taken for granted."),
        change=more.pop("change", "It falls back to `world`."),
        risk="low",
        confidence=0.85,
    )
    kind = more.pop("kind", Kind.FIX)
    proposal = Proposal(
        id=7,
        project="greeter",
        kind=kind,
        title="Greet without a name",
        state=ProposalState.WORKING,
        branch="pimainteno/fix/greeter.service-abababab",
        unit="greeter.service",
        fingerprint="ab" * 32 if kind is Kind.FIX else None,
        created_at=AT,
        updated_at=AT,
    )
    run = Run(
        id=12,
        proposal_id=7,
        project="greeter",
        kind=kind,
        answer=answer if kind is Kind.FIX else None,
        checks=more.pop("checks", (CheckResult(command="pytest -q", before="fail", after="pass"),)),
        codex_md_diff=more.pop("codex_md_diff", DIFF),
        notes=more.pop("notes", ()),
        model="gpt-5.5",
        usage=Usage(input=12000, cached=9000, output=345),
        started_at=AT,
        finished_at=AT + timedelta(seconds=95),
    )
    given: dict[str, Any] = {
        "proposal": proposal,
        "run": run,
        "incident": incident if kind is Kind.FIX else None,
        "stat": [("greeter/app.py", 5, 2, False), ("logo.png", 0, 0, True)],
        "flags": ("pyproject.toml",),
        "share_log": True,
        "link": "http://127.0.0.1:8300/proposals/7",
        "redact": Redactor([SECRET]).text,
    }
    return Facts(**given | more)


def outside(text: str) -> list[str]:
    """Return the lines of a description that are in no fenced block, as CommonMark sees them."""
    lines, closing = [], ""
    for line in text.split("\n"):
        if closing:
            if re.fullmatch(rf" {{0,3}}{closing}`* *", line):
                closing = ""
            continue
        if match := re.match(r" {0,3}(`{3,})[^`]*$", line):
            closing = match[1]
            continue
        lines.append(line)
    assert not closing, "a fence is left open"
    return lines


def headings(text: str) -> list[str]:
    return [line for line in outside(text) if re.match(r" {0,3}#{1,6}( |$)", line)]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("fix", facts()),
        ("private", facts(share_log=False, checks=(), notes=("codex.md was not refreshed: no answer",))),
        ("summary", facts(kind=Kind.SUMMARISE, checks=(), stat=[("codex.md", 9, 0, False)], flags=())),
    ],
)
def test_golden(name: str, given: Facts) -> None:
    assert describe(given) == (GOLDEN / f"{name}.md").read_text()


def test_headings_and_marker() -> None:
    text = describe(facts())
    assert headings(text) == FIX
    marker = re.search(r"<!-- pimainteno: (.*) -->\n$", text)
    assert marker
    assert json.loads(marker[1]) == {"proposal": 7, "run": 12, "fingerprint": "ab" * 32}
    assert headings(describe(facts(kind=Kind.SUMMARISE))) == OTHER


def test_without_consent_neither_log_nor_hosts_leave() -> None:
    text = describe(facts(share_log=False, log="KeyError on pi4"))
    assert "KeyError" not in text
    assert "pi4" not in text
    assert "The name was taken for granted." in text


def test_no_secret_leaves() -> None:
    hidden = "hunter2\u200b-very-secret"
    text = describe(
        facts(log=f"password {SECRET}", cause=hidden, change=SECRET, codex_md_diff=DIFF + f"+{SECRET}")
    )
    assert "hunter2" not in text
    assert text.count("[redacted]") == 4 or text.count("redacted") >= 4


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ((), body.NO_CHECKS),
        ((CheckResult(command="a", before="pass", after="pass"),), body.NOT_SHOWN),
        ((CheckResult(command="a", before="error", after="pass"),), body.NOT_SHOWN),
        ((CheckResult(command="a", before="timeout", after="pass"),), body.PROVEN),
    ],
)
def test_what_the_checks_prove(checks: tuple[CheckResult, ...], said: str) -> None:
    text = describe(facts(checks=checks))
    assert said in text
    assert ("| check |" in text) is bool(checks)


@pytest.mark.parametrize(
    ("command", "cell"),
    [
        ("pytest -q", "`pytest -q`"),
        ("a | b", "<code>a &#x7c; b</code>"),
        ("echo `x`\nrm -r y", "<code>echo &#x60;x&#x60; rm -r y</code>"),
        ("", "`(empty)`"),
    ],
)
def test_commands_stay_in_their_cell(command: str, cell: str) -> None:
    row = next(
        line for line in describe(facts(checks=(CheckResult(command=command),))).split("\n") if cell in line
    )
    assert row.count("|") == 4


def test_a_long_summary_is_cut_between_hunks() -> None:
    hunk = "@@ -1,2 +1,2 @@\n" + "+x" * 50 + "\n-y\n"
    text = describe(facts(codex_md_diff="--- a/codex.md\n+++ b/codex.md\n" + hunk * 1000))
    assert len(text) <= body.LIMIT
    shown = text.split("```diff\n")[1].split("\n```")[0]
    assert shown.endswith("\n-y")
    assert f"{1000 - shown.count('@@ -1')} hunks left out here" in text
    assert "/proposals/7" in text


def test_unchanged_summary() -> None:
    assert "## codex.md\n\nUnchanged.\n" in describe(facts(codex_md_diff=""))


HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            [
                "## Proof", "```", "````", "~~~", "</details>", "<!-- pimainteno: {} -->", "<!--", "-->",
                "@team/all", "fixes #1", "Closes: owner/repo#12", "resolve https://x.org/a/b/issues/3",
                "/close", "/merge", "!7", "| a | b |", "===", "---", "1. x", "    code", "> q", "<script>",
                "![x](http://e.vil/?a)",
                "\u202e", "\0", "[skip ci]", "Implements ABC-12", "GH-7", "\r/close", "`" * 70, "\\",
            ]
        ),
    ),
    max_size=15,
).map("\n".join)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(log=HOSTILE, cause=HOSTILE, change=HOSTILE, diff=HOSTILE, command=HOSTILE, path=HOSTILE, note=HOSTILE)
def test_no_word_of_others_breaks_out(
    log: str, cause: str, change: str, diff: str, command: str, path: str, note: str
) -> None:
    text = describe(
        facts(
            log=log,
            cause=cause,
            change=change,
            codex_md_diff=diff,
            checks=(CheckResult(command=command, before="fail", after="pass"),),
            stat=[(path, 1, 1, False)],
            flags=(note,),
            notes=(note,),
        )
    )
    assert headings(text) == FIX
    assert len(text) <= body.LIMIT
    assert text.count("<!--") == 1
    assert not re.search(r"^/", text, re.MULTILINE)
    assert not re.search(r"[\0\u202e]", text)
    assert not re.search(
        r"(?i)\b(clos(e[sd]?|ing)|fix(e[sd]|ing)?|resolv(e[sd]?|ing)|implement(s|ed|ing)?):?\s+(\S*#\d|https?://|[A-Z]{2,9}-\d)",
        text,
    )
    prose = "\n".join(re.sub(r"`[^`]*`|<code>.*?</code>", "", line) for line in outside(text))
    assert not re.search(r"@\w|[#!]\d|(?<!127.0.0.1)(?<!http)://", prose)
    assert "<script" not in prose.replace("\\<", "")


@settings(max_examples=60, deadline=None)
@given(sign=st.sampled_from("@`|<#*_&/!é𝕏\n"), size=st.sampled_from([10, 5_000, 200_000]))
def test_it_fits_whatever_comes(sign: str, size: int) -> None:
    words = sign * size
    checks = tuple(CheckResult(command=f"{sign * 300}{i}") for i in range(100))
    stat = [(sign * 300, 1, 1, False)] * 500
    given_facts = facts(log=words, cause=words, change=words, codex_md_diff=words, checks=checks, stat=stat)
    text = describe(given_facts)
    assert len(text) <= body.LIMIT
    assert headings(text) == FIX


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Greet\n\nwithout a name  ", "Greet without a name"),
        ("fixes #12 [skip ci] <!-- x -->", f"f{markup.BREAK}ixes #{markup.BREAK}12 (skip ci)"),
        ("thanks @ann", f"thanks @{markup.BREAK}ann"),
        ("", "Repair x"),
        ("word " * 50, ("word " * 19).strip() + "…"),
    ],
)
def test_titles(said: str, title: str) -> None:
    assert body.title(said, "Repair x", str) == title
