"""How things are said on the page: ages, states, diffs; everything through redaction, nothing as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from app.core.models import now
from app.core.redact import printable

if TYPE_CHECKING:
    from app.core.redact import Redactor

MOST_LINES = 4000
MOST_CHARACTERS = 256 * 1024
"""Of one log or diff on a page: a browser on a phone has to draw them, and we to redact them."""

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

    def fit(value: object) -> object:
        if value is None:
            return ""
        if isinstance(value, Markup) or not isinstance(value, str):
            return value
        return redactor.text(printable(value))

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=fit,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"age": age, "moment": moment, "stamp": stamp, "short": short, "link": link}
    return templates


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
