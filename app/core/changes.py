"""What a run makes: a changeset, what the checks say of it, and what the model does."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator

from app.core.base import Model

Verdict = Literal["pass", "fail", "timeout", "error"]
"""How one check ended: `error` is a command that could not be started."""


def _bytes_in(value: Any) -> bytes | None:  # noqa: ANN401 - whatever JSON holds
    return value if value is None or isinstance(value, bytes) else base64.b64decode(value, validate=True)


def _bytes_out(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


Content = Annotated[
    bytes | None, PlainValidator(_bytes_in), PlainSerializer(_bytes_out, return_type=str | None)
]


class Change(Model):
    """One file of a changeset; `content` is None where the file is deleted."""

    path: str
    mode: Literal["100644", "100755", "120000"] = "100644"
    content: Content = None


class Changeset(Model):
    """What a run made: a base commit and the files that differ from it, in order of their paths."""

    base: str
    changes: tuple[Change, ...] = ()

    def with_file(self, path: str, content: bytes) -> Changeset:
        """Return this changeset with one regular file more, or replaced."""
        others = [c for c in self.changes if c.path != path]
        return self.with_changes([*others, Change(path=path, content=content)])

    def without_file(self, path: str) -> Changeset:
        """Return this changeset without that file."""
        return self.with_changes([c for c in self.changes if c.path != path])

    def with_changes(self, changes: list[Change]) -> Changeset:
        """Return a changeset on the same base with these changes, sorted by path."""
        return Changeset(base=self.base, changes=tuple(sorted(changes, key=lambda c: c.path)))


class CheckResult(Model):
    """One check's verdict on the base and on the changeset; None where it did not run."""

    command: str
    before: Verdict | None = None
    after: Verdict | None = None
    before_output: str = ""
    after_output: str = ""

    @property
    def proves(self) -> bool:
        """Whether it fails, or does not end, without the changeset and passes with it.

        A check that could not even be started before has shown no failure.
        """
        return self.before in ("fail", "timeout") and self.after == "pass"


class Answer(Model):
    """What the model says of a fix: a claim, shown as one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["fixed", "not_a_code_bug", "cannot_fix"]
    title: str
    cause: str
    change: str
    risk: Literal["low", "medium", "high"]
    confidence: float = Field(ge=0, le=1)


class Summary(Model):
    """What the model answers to a summarise call; the program writes the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    changed: bool
    codex_md: str


class CodexMd(Model):
    """A project's codex.md on its default branch, fit to be shown; None where it has none."""

    text: str | None
    commit: str
    cut: bool = False
    """Whether the file goes on after the text."""


class Usage(Model):
    """Tokens that one run took, over all its calls to the model."""

    input: int = 0
    cached: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """All tokens, in and out."""
        return self.input + self.output

    def plus(self, other: Usage) -> Usage:
        """Return the sum of both."""
        return Usage(
            input=self.input + other.input,
            cached=self.cached + other.cached,
            output=self.output + other.output,
        )
