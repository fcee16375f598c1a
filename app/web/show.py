"""How things are said on the page: ages, states, diffs; everything through redaction, nothing as HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from app import __version__
from app.core.base import now
from app.web.assets import asset

if TYPE_CHECKING:
    from app.web.texts import Texts

TONE = {
    "pass": "good", "success": "good", "merged": "good", "approved": "good", "done": "good", "active": "good",
    "fail": "bad", "failure": "bad", "error": "bad", "timeout": "bad", "failed": "bad", "refused": "bad",
    "ci_failing": "bad", "not_proposed": "bad", "changes_requested": "warn", "edited": "warn",
    "waiting": "warn", "pending": "note", "open": "note", "ready": "note", "working": "note",
    "outdated": "warn", "missing": "warn", "current": "good", "failing": "bad", "fine": "good",
    "needs you": "note", "unit missing": "warn", "not heard of": "warn", "activating": "note",
    "silent": "warn",
}  # fmt: skip
"""How a word is coloured; beside its colour each tone has a mark of its own."""

STEPS = ((86400, "d"), (3600, "h"), (60, "min"))


def environment(texts: Texts) -> Environment:
    """Return the templates. Each value that they print is made printable and redacted, then escaped."""
    fit = texts.fit

    def printed(value: object) -> object:
        if value is None:
            return ""
        if isinstance(value, Markup | Enum) or not isinstance(value, str):
            return value
        return fit(value)

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
        "cut": texts.cut,
        "date": date,
        "full": full,
        "link": link,
        "many": many,
        "moment": moment,
        "money": money,
        "said": texts.said,
        "short": short,
        "stamp": stamp,
        "times": times,
        "when": when,
        "word": word,
    }
    templates.globals |= {"asset": asset, "duration": duration, "version": __version__}
    return templates


def when(at: datetime | None, none: str = "never") -> Markup:
    """Return a time as people say it, with the exact one on hover."""
    if at is None:
        return escape(none)
    return Markup(f'<time datetime="{stamp(at)}" title="{moment(at)}">{age(at)}</time>')  # noqa: S704 - ours


def full(at: datetime | None, none: str = "never") -> Markup:
    """Return an exact time; the page's script puts it into the viewer's zone."""
    if at is None:
        return escape(none)
    said = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    exact = f'datetime="{stamp(at)}" title="{moment(at)}"'
    return Markup(f'<time class="full" {exact}>{said}</time>')  # noqa: S704 - ours


def chip(word_: str, words: str | None = None) -> Markup:
    """Return a state, outcome or need in its colour and with its mark."""
    tone = TONE.get(word_, "plain")
    return Markup(f'<span class="chip {tone}">{escape(words or say(word_))}</span>')  # noqa: S704 - escaped


def word(word_: str | None, none: str = "not run") -> Markup:
    """Return an outcome as plain text with its colour and mark."""
    tone = TONE.get(word_ or "", "idle")
    return Markup(f'<span class="word {tone}">{escape(say(word_) if word_ else none)}</span>')  # noqa: S704


def say(word_: str) -> str:
    """Return one of our own words as people write it."""
    return word_.replace("_", " ")


def date(at: datetime) -> str:
    """Return the day of a time, as its zone has it."""
    return f"{at:%Y-%m-%d}"


def count(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}"


def many(number: int, what: str) -> str:
    """Return how many of something."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def money(dollars: float) -> str:
    """Return what something cost; less than a cent is not nothing."""
    return f"${dollars:,.2f}" if dollars >= 0.01 or dollars == 0 else "less than $0.01"


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
