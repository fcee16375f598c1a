"""How the Codex CLI fails, as a table: what it says, and what becomes of the run.

Each row was seen with the real CLI; tests play each one with a scripted model server.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.errors import Failed, Refused, RetryLater, SandboxError
from worker.agent.codex_events import SANDBOX_FAULT, Story

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.core.errors import PimaintenoError

SOON_S = 60.0
PAUSED_S = 15.0  # after `resume` it goes on within half a minute
LATER_S = 300.0
WORDS = 300


class OutOfRoom(Failed):
    """The thread does not fit into the model's context: try a new one with shorter data."""


def _pause(reason: str) -> RetryLater:
    return RetryLater(reason, after_s=PAUSED_S, pause=True, counts=False)


def _soon(reason: str) -> RetryLater:
    return RetryLater(reason, after_s=spread(SOON_S))


def _later(reason: str) -> RetryLater:
    return RetryLater(reason, after_s=spread(LATER_S))


@dataclass(frozen=True)
class Row:
    """What the CLI says, as a pattern; what becomes of the run; and what a person reads."""

    says: str
    outcome: Callable[[str], PimaintenoError]
    reason: str


ROWS = (
    Row(r"missing environment variable", _pause, "the model server wants a key: set codex.api_key"),
    Row(r"status 40[13]\b", _pause, "the model server refused the key: check codex.api_key"),
    Row(r"quota exceeded", _pause, "no quota is left at the model server: check plan and billing"),
    Row(r"budget (exhausted|reached)", Refused, "the run used up its tokens (codex.token_limit)"),
    Row(r"ran out of room", OutOfRoom, "the run does not fit into the model's context"),
    Row(r"status:? 429\b|rate limit", _later, "the model server is limiting requests"),
    Row(
        r"status 40[0-9]\b|^\{",
        Failed,
        "the model server did not take the request: check codex.base_url and codex.model",
    ),
    Row(
        r"high demand|at capacity|status 5\d\d|stream disconnected|idle timeout|timed? ?out"
        r"|connection failed|error sending",
        _soon,
        "the model server could not be reached or did not answer in full",
    ),
    Row(r"active writer", _soon, "another process holds the thread"),
)
UNKNOWN = Row("", _soon, "the Codex CLI failed in a way that is not known")
BAD_FLAGS = Row(
    "",
    Failed,
    "the Codex CLI does not know its own flags: a fault in PiMainteno, or another version of the CLI",
)
BAD_START = Row("", Failed, "the Codex CLI did not start: check [codex]")
KILLED = Row("", _soon, "the Codex CLI was killed, perhaps for want of memory")
NO_SANDBOX = Row("", SandboxError, "the sandbox failed around the Codex CLI")
NO_COMMAND = Row("", _soon, "every command of the model failed in the sandbox")
SILENT = Row("", _soon, "the Codex CLI said nothing for too long (codex.idle_s)")
TOO_LONG = Row("", Refused, "the run took too long (codex.timeout_s)")


def outcome(story: Story, returncode: int, stderr: str) -> PimaintenoError | None:
    """Return what a finished run of the CLI failed by, or None where it has an answer to read."""
    if story.failure is not None:
        return because(_row(story.failure), story.failure)
    if returncode == 0:
        return because(NO_COMMAND) if story.sandbox_broken else None
    words = stderr.strip() or "\n".join(story.stray)
    if SANDBOX_FAULT in words:
        return because(NO_SANDBOX, words)
    if returncode == 2:
        return because(BAD_FLAGS, words)
    if returncode < 0 or returncode > 128:
        return because(KILLED, words)
    row = _row(words)
    return because(BAD_START if row is UNKNOWN else row, words)


def because(row: Row, words: str = "") -> PimaintenoError:
    """Return the error of a row, with the CLI's own last words."""
    last = words.strip()[-WORDS:]
    return row.outcome(f"{row.reason}: {last}" if last else row.reason)


def spread(seconds: float) -> float:
    """Return about so many seconds, so that many runs do not come back at once."""
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def _row(words: str) -> Row:
    return next((row for row in ROWS if re.search(row.says, words, re.IGNORECASE)), UNKNOWN)
