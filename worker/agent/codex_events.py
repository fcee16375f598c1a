"""What the Codex CLI says while it runs (`--json`), reduced to what we act on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from app.core.changes import Usage

SANDBOX_FAULT = "bwrap:"


@dataclass
class Story:
    """One run of the CLI, told by its events. Kinds and keys that we do not know are let go.

    `{"type": "error"}` decides nothing: each retry prints one. Only `failure` or the exit code does.
    """

    thread: str | None = None
    text: str = ""
    total: Usage | None = None
    failure: str | None = None
    stray: list[str] = field(default_factory=list)
    commands: int = 0
    broken: int = 0

    @property
    def sandbox_broken(self) -> bool:
        """Whether each command of the model failed for want of a sandbox; the exit code is 0 all the same."""
        return self.commands > 0 and self.commands == self.broken

    def take(self, line: bytes) -> None:
        """Take one line of standard output in."""
        try:
            event = json.loads(line)
            self._event(str(event["type"]), event)
        except (ValueError, KeyError, TypeError):
            if words := line.decode(errors="replace").strip():
                self.stray = [*self.stray[-9:], words[:500]]

    def _event(self, kind: str, event: dict[str, Any]) -> None:
        if kind == "thread.started":
            self.thread = str(event["thread_id"])
        elif kind == "turn.failed":
            self.failure = str(event["error"]["message"])
        elif kind == "turn.completed":
            self.total = tokens(event["usage"])
        elif kind == "item.completed":
            self._item(event["item"])

    def _item(self, item: dict[str, Any]) -> None:
        if item.get("type") == "agent_message":
            self.text = str(item["text"])
        elif item.get("type") == "command_execution":
            self.commands += 1
            self.broken += str(item.get("aggregated_output", "")).startswith(SANDBOX_FAULT)


def tokens(usage: dict[str, Any]) -> Usage:
    """Return the CLI's count of tokens as ours."""
    return Usage(
        input=int(usage["input_tokens"]),
        cached=int(usage.get("cached_input_tokens", 0)),
        output=int(usage["output_tokens"]),
    )
