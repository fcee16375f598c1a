"""The Codex CLI's own records of its threads, in CODEX_HOME: what they have cost, and when they go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from app.core.changes import Usage
from worker.agent.codex_events import tokens

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 20


def spent(home: Path, thread: str | None) -> Usage:
    """Return all that a thread has taken so far; its own count goes on from one resume to the next.

    The record is the only place that knows what a run took that failed or was stopped. Where there is
    none, or the CLI writes it in another way by now, nothing is counted.
    """
    last = Usage()
    for file in _records(home, thread or "") if thread else ():
        for line in file.read_text(errors="replace").splitlines():
            if '"token_count"' in line:
                last = _total(line) or last
    return last


def prune(home: Path) -> None:
    """Remove all records but the newest `KEPT`."""
    records = sorted(_records(home, ""), key=lambda file: file.name)
    for file in records[:-KEPT]:
        file.unlink(missing_ok=True)


def _records(home: Path, thread: str) -> list[Path]:
    return list((home / "sessions").glob(f"*/*/*/rollout-*{thread}.jsonl"))


def _total(line: str) -> Usage | None:
    try:
        return tokens(json.loads(line)["payload"]["info"]["total_token_usage"])
    except (ValueError, KeyError, TypeError):
        return None
