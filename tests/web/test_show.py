"""How logs, diffs and times are said."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.core.models import CheckResult, now
from app.core.redact import Redactor
from app.web import show

REDACTOR = Redactor(["canary-4f2e9b7c1d8a6e30"])


def test_a_diff_names_its_lines() -> None:
    text = (
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same\ndiff --git a/y b/y\n--- a/y\n"
    )
    kinds = [line.kind for line in show.diff(text, REDACTOR).lines]
    assert kinds == ["file", "file", "file", "hunk", "removed", "added", "same", "file", "file"]


def test_removed_dashes_inside_a_hunk_are_no_header() -> None:
    lines = show.diff("--- a/x\n+++ b/x\n@@ -1 +1 @@\n--- x\n+++ y\n", REDACTOR).lines
    assert [line.kind for line in lines[3:]] == ["removed", "added"]


@pytest.mark.parametrize("text", ["", "\n", "no diff at all", "@@", "<b>&amp;"])
def test_any_text_is_shown_as_text(text: str) -> None:
    assert "<b>" not in "".join(line.text for line in show.diff(text, REDACTOR).lines)
    assert "<b>" not in "".join(line.text for line in show.log(text, REDACTOR).lines)


def test_nothing_is_falsy() -> None:
    assert not show.log("", REDACTOR)
    assert not show.diff("", REDACTOR)


def test_long_texts_are_cut_where_it_hurts_least() -> None:
    text = "\n".join(f"line {number}" for number in range(show.MOST_LINES + 10))
    log, diff = show.log(text, REDACTOR), show.diff(text, REDACTOR)
    assert (log.left_out, diff.left_out) == (10, 10)
    assert (log.lines[0].text, log.lines[-1].text) == ("line 10", f"line {show.MOST_LINES + 9}")
    assert diff.lines[0].text == "line 0"


def test_one_endless_line_is_cut_too() -> None:
    shown = show.log("a\n" + "x" * 2_000_000, REDACTOR)
    assert sum(len(line.text) for line in shown.lines) <= show.MOST_CHARACTERS
    assert shown.left_out == 1


def test_secrets_and_controls_are_out() -> None:
    shown = show.log("a \x1b[31mred\x1b[0m canary-4f2e9b7c1d8a6e30 \u202e", REDACTOR)
    assert shown.lines[0].text.strip() == "a red [redacted]"


def test_ages() -> None:
    assert show.age(now() + timedelta(minutes=5)) == "just now"
    assert show.age(now() - timedelta(seconds=70)) == "1 min ago"
    assert show.age(now() - timedelta(hours=5, minutes=59)) == "5 h ago"
    assert show.age(now() - timedelta(days=40)) == "40 d ago"
    assert show.moment(None) == "never"


def test_durations() -> None:
    start = now()
    assert show.duration(start, None) == ""
    assert show.duration(start, start + timedelta(seconds=59)) == "59 s"
    assert show.duration(start, start + timedelta(seconds=75)) == "1 min 15 s"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "file:///etc/passwd", None]
)
def test_only_web_addresses_are_links(url: str | None) -> None:
    assert show.link(url) is None
    assert show.link("https://example.org/1") == "https://example.org/1"


def test_checks_in_a_few_words() -> None:
    checks = (CheckResult(command="a", before="fail", after="pass"), CheckResult(command="b"))
    assert show.summary_of(checks) == "fail → pass, ? → ?"
    assert show.summary_of(()) == "no checks"
