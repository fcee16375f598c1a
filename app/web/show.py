"""How things are said on the page: ages, states, diffs; everything through redaction, nothing as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from app import __version__
from app.core.models import now
from app.core.redact import printable
from app.web.assets import asset

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.core.redact import Redactor

MOST_LINES = 4000
MOST_CHARACTERS = 256 * 1024
"""Of one log or diff on a page: a browser on a phone has to draw them, and we to redact them."""

SHORT, MOST_KEPT = 200, 4096
"""Characters of a text that is kept once it was redacted, and how many of them are kept."""

TONE = {
    "pass": "good", "success": "good", "merged": "good", "approved": "good", "done": "good", "active": "good",
    "fail": "bad", "failure": "bad", "error": "bad", "timeout": "bad", "failed": "bad", "refused": "bad",
    "ci_failing": "bad", "not_proposed": "bad", "changes_requested": "warn", "edited": "warn",
    "waiting": "warn", "pending": "note", "open": "note", "ready": "note", "working": "note",
    "outdated": "warn", "missing": "warn", "current": "good",
}  # fmt: skip
"""How a word is coloured; beside its colour each tone has a mark of its own."""

STEPS = ((86400, "d"), (3600, "h"), (60, "min"))


@dataclass(frozen=True)
class Line:
    """One line, fit to be printed as it is, and what it is: added, removed, hunk, file or same."""

    kind: str
    text: Markup


@dataclass(frozen=True)
class Lines:
    """A text made fit for a page, and how many lines did not fit."""

    lines: tuple[Line, ...]
    left_out: int

    def __bool__(self) -> bool:
        return bool(self.lines)


def environment(redactor: Redactor) -> Environment:
    """Return the templates. Each value that they print is made printable and redacted, then escaped."""
    fit = _fitting(redactor)

    def printed(value: object) -> object:
        if value is None:
            return ""
        if isinstance(value, Markup | Enum) or not isinstance(value, str):
            return value
        return fit(value)

    def cut(text: str | None, most: int = 200) -> str:
        whole = fit(text or "")  # first, for half a secret is no longer known as one
        return whole if len(whole) <= most else f"{whole[:most].rstrip()}…"

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "age": age,
        "chip": chip,
        "count": count,
        "cut": cut,
        "date": date,
        "full": full,
        "link": link,
        "moment": moment,
        "short": short,
        "stamp": stamp,
        "times": times,
        "when": when,
        "word": word,
    }
    templates.globals |= {"asset": asset, "version": __version__}
    return templates


def _fitting(redactor: Redactor) -> Callable[[str], str]:
    """Return what makes a text fit to be shown; what it found of short ones is kept, for most come again."""
    kept: dict[str, str] = {}
    learnt = redactor.learnt

    def fit(text: str) -> str:
        nonlocal learnt
        if len(text) > SHORT:
            return redactor.text(printable(text))
        if learnt != redactor.learnt or len(kept) >= MOST_KEPT:
            learnt = redactor.learnt
            kept.clear()
        found = kept.get(text)
        if found is None:
            found = kept[text] = redactor.text(printable(text))
        return found

    return fit


def when(at: datetime | None, none: str = "never") -> Markup:
    """Return a time as people say it, with the exact one on hover."""
    if at is None:
        return escape(none)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(stamp(at), moment(at), age(at))


def full(at: datetime | None, none: str = "never") -> Markup:
    """Return an exact time; the page's script puts it into the viewer's zone."""
    if at is None:
        return escape(none)
    said = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    return Markup('<time class="full" datetime="{}" title="{}">{}</time>').format(stamp(at), moment(at), said)


def chip(word_: str, words: str | None = None) -> Markup:
    """Return a state, outcome or need in its colour and with its mark."""
    return Markup('<span class="chip {}">{}</span>').format(TONE.get(word_, "plain"), words or say(word_))


def word(word_: str | None, none: str = "not run") -> Markup:
    """Return an outcome as plain text with its colour and mark."""
    tone = TONE.get(word_ or "", "idle")
    return Markup('<span class="word {}">{}</span>').format(tone, say(word_) if word_ else none)


def say(word_: str) -> str:
    """Return one of our own words as people write it."""
    return word_.replace("_", " ")


def date(at: datetime) -> str:
    """Return the day of a time, as its zone has it."""
    return f"{at:%Y-%m-%d}"


def count(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}"


def times(number: int) -> str:
    """Return how often."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def age(at: datetime) -> str:
    """Return how long ago something was, in its largest unit."""
    passed = max(0, int((now() - at).total_seconds()))
    for length, name in STEPS:
        if passed >= length:
            return f"{passed // length} {name} ago"
    return "just now"


def moment(at: datetime | None) -> str:
    """Return a time for people."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "never"


def stamp(at: datetime) -> str:
    """Return a time for machines."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def short(sha: str | None) -> str:
    """Return the first digits of a commit."""
    return (sha or "")[:10]


def link(url: str | None) -> str | None:
    """Return an address that may stand in a link; nothing that a browser would run."""
    return url if url is not None and url.startswith(("https://", "http://")) else None


def duration(start: datetime | None, end: datetime | None) -> str:
    """Return how long something took."""
    if start is None or end is None:
        return ""
    seconds = int((end - start).total_seconds())
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def diff(text: str, redactor: Redactor) -> Lines:
    """Return the beginning of a unified diff, line by line."""
    kept, left_out = _cut(text.rstrip("\n").split("\n") if text else [])
    header = True
    found: list[Line] = []
    for line in _fit(kept, redactor):
        header = (header or line.startswith("diff ")) and not line.startswith("@@")
        found.append(Line("file" if header else _kind(line), escape(line)))
    return Lines(tuple(found), left_out)


def log(text: str, redactor: Redactor) -> Lines:
    """Return the end of a log: the last lines say why something failed."""
    kept, left_out = _cut(text.rstrip("\n").split("\n")[::-1] if text else [])
    return Lines(tuple(Line("same", escape(line)) for line in _fit(kept[::-1], redactor)), left_out)


def summary_of(checks: tuple[Any, ...]) -> str:
    """Return the checks in a few words, before and after."""
    if not checks:
        return "no checks"
    return ", ".join(f"{check.before or '?'} → {check.after or '?'}" for check in checks)


def _cut(lines: list[str]) -> tuple[list[str], int]:
    """Return the first lines within the limits and how many are left out; an endless line is cut itself."""
    kept: list[str] = []
    room = MOST_CHARACTERS
    for line in lines[:MOST_LINES]:
        if room <= 0:
            break
        kept.append(line[:room])
        room -= len(line) + 1
    return kept, len(lines) - len(kept)


def _fit(lines: list[str], redactor: Redactor) -> list[str]:
    """Return lines as they may be shown. Redacted as one text: a secret may span lines."""
    return redactor.text(printable("\n".join(lines))).split("\n") if lines else []


def _kind(line: str) -> str:
    return {"+": "added", "-": "removed", "@": "hunk"}.get(line[:1], "same")
