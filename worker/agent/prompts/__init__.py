"""What the model is asked. The words are in the Markdown files beside this one.

Text of others (logs, diffs, files) stands in data blocks, cleaned of what a reader would not see. That
an injected order is obeyed all the same is assumed; what it can do is bounded elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from app.core.redact import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.models import Incident

PROMPT_VERSION = 1
"""Part of the cache key: raise it whenever the words change what a model would answer."""

LOG_CHARACTERS = 48_000
DIFF_CHARACTERS = 120_000
SHORTER = 4

NOTHING_CHANGED = (
    "Your answer says `fixed`, but no file in the worktree has changed. Make the change now, in the "
    "worktree, or answer with `cannot_fix` or `not_a_code_bug`. Answer once more in the same form."
)

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_UNSEEN = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u2060-\u206f\u3164\ufe00-\ufe0f\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_BLOCK = re.compile(r"^<<<DATA (\w+) [^\n]*\n(?P<body>.*?)^DATA \1>>>$", re.DOTALL | re.MULTILINE)


def fix(
    *, project: str, units: Sequence[str], incident: Incident | None, checks: Sequence[str], failure_log: str
) -> str:
    """Return the order to repair a project after a failure; `failure_log` is redacted already."""
    return _fill(
        "fix",
        project=_line(project),
        units=_list(units, "no unit is named"),
        failure=_failure(incident),
        checks=_list(checks, "none is configured"),
        log=data("log of the failed unit", clean(failure_log)[-LOG_CHARACTERS:]),
    )


def summarise(*, project: str, present: str | None, diff: str | None) -> str:
    """Return the order to bring codex.md up to date; with `diff`, after a change that is applied already."""
    return _fill(
        "summarise",
        project=_line(project),
        present=data("the present codex.md", clean(present)) if present else "There is no codex.md yet.",
        diff=data("the change", clean(diff)[:DIFF_CHARACTERS]) if diff else "Nothing was changed just now.",
    )


def correction(problem: str) -> str:
    """Return the request to give the answer again, in the form that was asked for."""
    return _fill("correction", problem=_line(problem))


def shorter(prompt: str) -> str:
    """Return a prompt with only the last part of each data block."""

    def cut(block: re.Match[str]) -> str:
        name = block[0].splitlines()[0].split(" ", 2)[2]
        body = block["body"]
        return data(name, "(shortened)\n" + body[len(body) - len(body) // SHORTER :])

    return _BLOCK.sub(cut, prompt)


def data(name: str, text: str) -> str:
    """Return text as a data block. Its fence comes from its own hash: no text can hold its own end."""
    fence = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]
    return f"<<<DATA {fence} {name}\n{text.rstrip()}\nDATA {fence}>>>"


def clean(text: str) -> str:
    """Return text without what a reader would not see: comments of HTML, controls, invisible characters.

    A beginning without an end, or one that the removal put together, is made plain text.
    """
    return _COMMENT.sub("", _UNSEEN.sub("", printable(text))).replace("<!--", "<!- -")


def _failure(incident: Incident | None) -> str:
    if incident is None:
        return "- reported by a person, without details"
    first, last = (f"{at:%Y-%m-%d %H:%M}" for at in (incident.first_at, incident.last_at))
    facts = {
        "unit": incident.unit,
        "result": incident.result,
        "exit status": incident.exit_status or "unknown",
        "seen": f"{incident.count} times, first {first}, last {last} UTC",
        "hosts": ", ".join(incident.hosts[:10]),
    }
    return "\n".join(f"- {name}: {_line(value)}" for name, value in facts.items())


def _list(lines: Sequence[str], otherwise: str) -> str:
    return "\n".join(f"- `{_line(line)}`" for line in lines) or f"- {otherwise}"


def _line(text: str) -> str:
    return printable(clean(text), keep_newlines=False)[:500]


def _fill(name: str, **values: str) -> str:
    return Template(_words(name)).substitute(values)


@cache
def _words(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
