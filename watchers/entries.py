"""Entries of the journal: what its fields say, and which of them are one run's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDED = frozenset(
    {
        "d9b373ed55a64feb8242e02dbe79a49c",  # Failed with result '...'
        "7ad2d189f7e94e70a38c781354912448",  # Deactivated successfully.
    }
)
"""MESSAGE_ID of what systemd says after a run's own last line (systemd's sd-messages.h)."""
MANY_LINES = 50
"""A log of so many lines may still be on its way into the journal."""


@dataclass(frozen=True)
class Entry:
    """One entry of the journal; `text` is None where it is longer than the reader's limit."""

    cursor: str
    text: str | None
    ends: bool
    by_manager: bool
    invocation: str
    pid: str = ""


def parsed(line: bytes) -> Mapping[str, Any]:
    """Return what one line of `-o json` holds; nothing for one that is cut."""
    try:
        fields = json.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def entry_of(fields: Mapping[str, Any]) -> Entry | None:
    """Return an entry; None for one without a message."""
    if "MESSAGE" not in fields:
        return None
    ends = fields.get("MESSAGE_ID") in ENDED if isinstance(fields.get("MESSAGE_ID"), str) else False
    said_of = fields.get("INVOCATION_ID") or fields.get("USER_INVOCATION_ID")
    invocation = said_of or fields.get("_SYSTEMD_INVOCATION_ID") or ""
    cursor, text = str(fields.get("__CURSOR", "")), _text(fields["MESSAGE"])
    pid = str(fields.get("_PID", ""))
    return Entry(cursor, text, ends, by_manager=bool(said_of), invocation=str(invocation), pid=pid)


def one_run(entries: list[Entry], invocation: str, pid: str) -> list[Entry]:
    """Return a run's own entries, and those of no run that its main process wrote or that follow one of them.

    What follows its end, and comes from another process than a known main one, may be of the next run: that
    can write before systemd says that it has started.
    """
    run: list[Entry] = []
    follows = has_ended = False
    for entry in entries:
        if entry.invocation:
            follows = entry.invocation == invocation
            has_ended |= follows and entry.ends
            ours = follows
        else:
            by_main = bool(pid) and entry.pid == pid
            ours = by_main or (follows and not (pid and has_ended))
        if ours:
            run.append(entry)
    return run


def is_whole(unit: str, entries: list[Entry], before: list[Entry]) -> bool:
    """Tell whether a run's log is there: systemd's word of its end can overtake what the run itself wrote."""
    own = [entry for entry in entries if not entry.by_manager]
    if not any(entry.ends for entry in entries) or (unit.endswith(".service") and not own):
        return False
    short = len(own) < MANY_LINES and all(entry.text is not None for entry in own)
    return short or entries == before


def without_restarts(entries: list[Entry]) -> list[Entry]:
    """Leave out what systemd says after a run's end, of restarts and limits: in a loop each says another.

    Lines of the run's own can come that late.
    """
    ended = next((number for number, entry in enumerate(entries, 1) if entry.ends), len(entries))
    return entries[:ended] + [entry for entry in entries[ended:] if not entry.by_manager]


def _text(value: Any) -> str | None:  # noqa: ANN401 - whatever JSON holds
    """Return a field's text: bytes that are not UTF-8 come as numbers, a repeated field as a list."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, int) for each in value):
        return bytes(each & 0xFF for each in value).decode(errors="replace")
    if isinstance(value, list):
        return "\n".join(_text(each) or "" for each in value)
    return str(value)
