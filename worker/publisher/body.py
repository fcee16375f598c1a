"""The description of a proposal: a pure function from facts to Markdown.

What the program measured stands as fact, what the model or a log said as a quote. All of it is redacted,
and it fits into what the strictest forge accepts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.models import Kind
from worker.publisher import markup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from app.core.models import Incident, Proposal, Run

LIMIT = 65_536
"""Characters: GitHub answers 422 "body is too long" beyond."""
LONG = 4
"""A forge that takes more is given so many times more at most: people read it."""
TITLE_LIMIT = 100
_HOSTS = 10
_ROOM = {"log": 12_000, "words": 4_000, "files": 8_000, "checks": 8_000, "diff": 24_000, "notes": 2_000}

PROVEN = "Proven: at least one check fails without this change and passes with it."
NOT_SHOWN = (
    "No check shows the failure: without this change, every check that could be started passes too. "
    "Please look closely."
)
NO_CHECKS = (
    "No checks are configured for this project, so nothing shows that the change works. It stays a draft."
)
ONLY_CODEX_MD = "Only codex.md changes; no check was run."


@dataclass(frozen=True)
class Facts:
    """What a description is made of.

    `stat` is (path, lines added, lines removed, binary) per file; `share_log` lets log and hosts out of
    our page; `link` is the proposal on our page; `redact` takes secrets out of a text; `follows` is the
    merged proposal whose failure came back; `limit` is how many characters the forge takes.
    """

    proposal: Proposal
    run: Run
    incident: Incident | None
    stat: Sequence[tuple[str, int, int, bool]]
    flags: tuple[str, ...]
    share_log: bool
    link: str
    redact: Callable[[str], str]
    follows: Proposal | None = None
    limit: int = LIMIT

    def clean(self, text: str) -> str:
        """Return a text of others, printable and without secrets."""
        return markup.clean(text, self.redact)


def describe(facts: Facts) -> str:
    """Return the description, with the headings that people's scripts rest on."""
    most = min(facts.limit / LIMIT, LONG)
    for share in (most, 1.0, 0.5, 0.2, 0.05):  # signs that need escaping may make it several times longer
        room = {part: int(size * share) for part, size in _ROOM.items()}
        text = "\n\n".join(_parts(facts, room)) + "\n"
        if len(text) <= facts.limit:
            break
    return text


def title(text: str, fallback: str, redact: Callable[[str], str]) -> str:
    """Return the model's title on one harmless line, or `fallback` where it has none."""
    return markup.short(markup.inert(markup.clean(text, redact)), TITLE_LIMIT) or fallback


def _parts(facts: Facts, room: dict[str, int]) -> list[str]:
    fix = facts.proposal.kind in (Kind.FIX, Kind.REVISE)
    return [
        "## What failed" if fix else "## What",
        *(_what_failed(facts, room["log"]) if fix else _what(facts)),
        "## Why",
        *_why(facts, room["words"]),
        "## The change",
        *_change(facts, room),
        "## Proof",
        *_proof(facts, room["checks"]),
        "## codex.md",
        *_codex_md(facts, room["diff"]),
        "## Run",
        *_run(facts, room["notes"]),
        _marker(facts),
    ]


def _what_failed(facts: Facts, room: int) -> list[str]:
    incident = facts.incident
    if incident is None:
        return [f"- Unit: {markup.code(facts.clean(facts.proposal.unit or 'unknown'))}"]
    status = f", exit status {markup.code(facts.clean(incident.exit_status))}" if incident.exit_status else ""
    seen = "once" if incident.count == 1 else f"{incident.count:,} times"
    if facts.share_log:
        names = ", ".join(markup.code(facts.clean(host), 64) for host in incident.hosts[:_HOSTS])
        more = len(incident.hosts) - _HOSTS
        seen += f", on {names}" + (f" and {more} more" if more > 0 else "")
    lines = [
        f"- Unit: {markup.code(facts.clean(incident.unit))}",
        f"- Result: {markup.code(facts.clean(incident.result))}{status}",
        f"- Seen: {seen}",
        f"- First: {_time(incident.first_at)}, last: {_time(incident.last_at)}",
        *_regression(facts.follows),
    ]
    log = facts.clean(incident.log).strip()
    if not facts.share_log:
        return ["\n".join(lines), f"Hosts and log stay on [PiMainteno's page]({facts.link})."]
    if not log:
        return ["\n".join(lines), "It left no log."]
    return ["\n".join(lines), "The end of its log, without secrets:", markup.fence(markup.tail(log, room))]


def _regression(follows: Proposal | None) -> list[str]:
    """Say that a merged proposal for the same failure is in the base already."""
    if follows is None:
        return []
    there = f"[proposal {follows.id}]({follows.url})" if follows.url else f"proposal {follows.id}"
    return [f"- It came back after {there} was merged (or this host has not got that yet)"]


def _what(facts: Facts) -> list[str]:
    if facts.proposal.kind is Kind.SUMMARISE:
        verb = "Adds" if _codex_md_is_new(facts) else "Refreshes"
        return [f"{verb} codex.md, the summary of this project that people and coding agents read first."]
    return [markup.quote(facts.clean(facts.proposal.title), TITLE_LIMIT)]


def _why(facts: Facts, room: int) -> list[str]:
    answer = facts.run.answer
    if answer is None:
        if facts.proposal.kind is Kind.SUMMARISE:
            missing = _codex_md_is_new(facts)
            return ["codex.md was missing." if missing else "codex.md no longer said what the project is."]
        return ["The model gave no reason."]
    said = f"The model's words (it is {answer.confidence:.0%} confident and calls the risk {answer.risk}):"
    return [said, markup.quote(facts.clean(answer.cause), room)]


def _change(facts: Facts, room: dict[str, int]) -> list[str]:
    parts = []
    if facts.run.answer is not None:
        parts += ["The model's words:", markup.quote(facts.clean(facts.run.answer.change), room["words"])]
    count, added, removed = len(facts.stat), sum(s[1] for s in facts.stat), sum(s[2] for s in facts.stat)
    parts.append(f"Measured: {_count(count, 'file')}, {_count(added, 'line')} added, {removed:,} removed.")
    files = (
        f"- {markup.code(facts.clean(path))} {'binary' if binary else f'+{plus} -{minus}'}"
        for path, plus, minus, binary in facts.stat
    )
    parts.append("\n".join(markup.listed(files, room["files"], "- and {} more")))
    if facts.flags:
        flags = (f"- {markup.escape(markup.short(facts.clean(flag), 300))}" for flag in facts.flags)
        parts.append("Look closely at:\n\n" + "\n".join(markup.listed(flags, room["notes"], "- and {} more")))
    return [part for part in parts if part]


def _proof(facts: Facts, room: int) -> list[str]:
    if not facts.run.checks:
        return [note(facts.proposal, facts.run)]
    none = "not run"
    rows = (
        f"| {markup.code(facts.clean(check.command))} | {check.before or none} | {check.after or none} |"
        for check in facts.run.checks
    )
    table = ["| check | before | after |", "|---|---|---|", *markup.listed(rows, room, "| and {} more | | |")]
    return ["\n".join(table), note(facts.proposal, facts.run)]


def note(proposal: Proposal, run: Run) -> str:
    """Return what the checks prove, in one sentence."""
    if any(check.proves for check in run.checks):
        return PROVEN
    if proposal.kind is Kind.SUMMARISE:
        return ONLY_CODEX_MD
    return NOT_SHOWN if run.checks else NO_CHECKS


def _codex_md(facts: Facts, room: int) -> list[str]:
    diff = facts.clean(facts.run.codex_md_diff).strip("\n")
    if not diff:
        return ["Unchanged."]
    shown, left_out = markup.head(diff + "\n", room)
    parts = [markup.fence(shown, "diff")] if shown else []
    if left_out:
        parts.append(
            f"{_count(left_out, 'hunk')} left out here; all of it is on [PiMainteno's page]({facts.link})."
        )
    return parts


def _run(facts: Facts, room: int) -> list[str]:
    run, usage = facts.run, facts.run.usage
    lines = [
        f"- Model: {markup.code(facts.clean(run.model or 'unknown'))}",
        f"- Tokens: {usage.total:,} ({usage.input:,} in, {usage.cached:,} cached; {usage.output:,} out)",
        f"- Duration: {_duration(run)}",
        f"- [Proposal {facts.proposal.id}]({facts.link}) on PiMainteno's page, run {run.id}",
    ]
    notes = (f"- {markup.escape(markup.short(facts.clean(text), 300))}" for text in run.notes)
    return ["\n".join([*lines, *markup.listed(notes, room, "- and {} more notes")])]


def _marker(facts: Facts) -> str:
    marker = json.dumps(
        {"proposal": facts.proposal.id, "run": facts.run.id, "fingerprint": facts.proposal.fingerprint}
    )
    safe = marker.replace("--", r"-\u002d").replace(">", r"\u003e")
    return f"<!-- pimainteno: {safe} -->"


def _codex_md_is_new(facts: Facts) -> bool:
    return "--- /dev/null" in facts.run.codex_md_diff


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _duration(run: Run) -> str:
    if run.started_at is None or run.finished_at is None:
        return "unknown"
    seconds = max(0, round((run.finished_at - run.started_at).total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
