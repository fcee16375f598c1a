"""Untrusted text made safe for a description, a title or a commit message.

Logs and the model's words may hold anything: Markdown, HTML, mentions, closing keywords, quick actions,
fences. In prose every sign of markup is escaped; in code blocks only what forges act on even there.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from app.core.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BREAK = "\u200b"
"""A zero-width space: it ends what a forge would act on, and nobody sees it."""

_CLOSING = re.compile(
    r"\b([cfri])((?:los(?:e[sd]?|ing)|ix(?:e[sd]|ing)?|esolv(?:e[sd]?|ing)|mplement(?:s|ed|ing)?)"
    r"\b:?\s+(?:issues?\s+)?(?:\S{0,200}[#!]\d|\w{2,10}-\d|\w{2,10}://))",
    re.IGNORECASE,
)
_SKIP = re.compile(r"\[((?:skip|no|ci|actions)[ -](?:ci|skip|actions))\]", re.IGNORECASE)
_REFERENCE = re.compile(
    r"@(?=\w)|[#!](?=\d)|\bGH-(?=\d)|(?<!\w)[$%&~^](?=[\w\"])|:(?=//)|\bwww(?=\.)", re.IGNORECASE
)
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
_MARKUP = re.compile(r"[\\`*\[\]<>|~&]|(?<!\w)_|_(?!\w)")
_LEADING = re.compile(r"^(?:[#+=-]|\d{1,9}(?=[.)]))")
_PLAIN_COMMAND = re.compile(r"[^`|\\]+")


def clean(text: str, redact: Callable[[str], str]) -> str:
    """Return text without control, bidi and zero-width characters and without secrets."""
    return redact(printable(text))


def inert(text: str) -> str:
    """Return one line for a title or a commit message: nothing in it notifies, closes or skips."""
    line = " ".join(_COMMENT.sub("", text).split())
    return _SKIP.sub(r"(\1)", _REFERENCE.sub(rf"\g<0>{BREAK}", _unclosing(line)))


def short(text: str, limit: int) -> str:
    """Return the text, cut at a word where it is too long."""
    if len(text) <= limit:
        return text
    return text[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,;:.-") + "…"


def wrapped(line: str, width: int) -> str:
    """Return one line broken at spaces."""
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)


def quote(text: str, limit: int) -> str:
    """Return untrusted prose as a block quote in which nothing is markup."""
    text = short(_COMMENT.sub("", text).strip(), limit)
    lines = [escape(line) for line in text.split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines) if text else "> (nothing)"


def escape(line: str) -> str:
    """Return one line of untrusted prose in which nothing is markup."""
    line = _MARKUP.sub(r"\\\g<0>", _unclosing(" ".join(line.split())))
    line = (
        re.sub(r"^\d{1,9}(?=[.)])", rf"\g<0>{BREAK}", line)
        if line[:1].isdigit()
        else _LEADING.sub(r"\\\g<0>", line)
    )
    return _REFERENCE.sub(rf"\g<0>{BREAK}", line.replace("<!--", f"<!{BREAK}--"))


def code(text: str, limit: int = 200) -> str:
    """Return untrusted text as code within a line or a table's cell."""
    text = " ".join(short(text, limit).split()) or "(empty)"
    if _PLAIN_COMMAND.fullmatch(text):
        return f"`{_unclosing(text).replace('<!--', f'<!{BREAK}--')}`"
    # in a table no backslash is sure to escape a pipe, so all signs become entities
    return "<code>" + re.sub(r"[^\w ./=,+-]", lambda m: f"&#x{ord(m[0]):x};", _unclosing(text)) + "</code>"


def fence(text: str, language: str = "text") -> str:
    """Return untrusted text as a fenced block that nothing inside it can end."""
    text = _unclosing(text).replace("<!--", f"<!{BREAK}--").strip("\n")
    text = re.sub(r"^/", " /", text, flags=re.MULTILINE)  # GitLab reads quick actions at a line's start
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{ticks}{language}\n{text}\n{ticks}"


def tail(text: str, limit: int) -> str:
    """Return the last whole lines of a log that fit."""
    if len(text) <= limit:
        return text
    end = text[-limit:]
    return "…\n" + (end.split("\n", 1)[1] if "\n" in end else end)


def head(diff: str, limit: int) -> tuple[str, int]:
    """Return the first whole hunks of a unified diff that fit, and how many were left out."""
    hunks = re.split(r"^(?=@@ )", diff, flags=re.MULTILINE)
    kept, size = [hunks[0]], len(hunks[0])
    for hunk in hunks[1:]:
        if size + len(hunk) > limit:
            break
        kept.append(hunk)
        size += len(hunk)
    return ("".join(kept) if len(kept) > 1 else ""), len(hunks) - len(kept)


def listed(lines: Iterable[str], limit: int, rest: str) -> list[str]:
    """Return the first lines that fit in `limit` characters; `rest` says how many more there are."""
    kept: list[str] = []
    whole = list(lines)
    for line in whole:
        limit -= len(line) + 1
        if limit < 0:
            return [*kept, rest.format(len(whole) - len(kept))]
        kept.append(line)
    return kept


def _unclosing(text: str) -> str:
    # forges look for closing keywords in the raw text, code blocks included
    return _CLOSING.sub(rf"\1{BREAK}\2", text)
