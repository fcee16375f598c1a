"""What a call takes and answers, checked against GitLab's documentation and recorded answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.doubles.gitlab.table import NOTES, PROJECT, REQUEST, REQUESTS, TABLE, Kind, Takes

ANSWERS = Path(__file__).parents[2] / "data/gitlab/answers.json"
RECORDED = {REQUESTS: "mr", REQUEST: "mr", NOTES: "note", PROJECT: "project"}
RECORDED |= {f"{NOTES}/{{note_id}}": "note", f"{PROJECT}/repository/commits/{{sha}}/statuses": "status"}


class ViolationError(Exception):
    """Something that GitLab's documentation does not allow."""


@dataclass(frozen=True)
class Operation:
    """One method on one path, as GitLab's documentation has it."""

    method: str
    template: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"

    def check_names(self, names: dict[str, str]) -> None:
        """Raise ViolationError for a wrong number in the path."""
        for name, value in names.items():
            if name not in ("id", "sha") and not value.isdecimal():
                raise ViolationError(f"{self.name}: path {name}: {value!r} is no number")

    def check_query(self, query: dict[str, list[str]]) -> None:
        """Raise ViolationError for a parameter that is unknown or wrong."""
        known = self._takes if self.method in ("GET", "DELETE") else {}
        for name, values in query.items():
            kind = known.get(name.removesuffix("[]"))
            if kind is None:
                raise ViolationError(f"{self.name}: unknown query parameter {name!r}")
            if isinstance(kind, list) != name.endswith("[]"):
                raise ViolationError(
                    f"{self.name}: query parameter {name!r}: a list has [] at its name's end"
                )
            for value in values:
                if not _fits_text(value, kind[0] if isinstance(kind, list) else kind):
                    raise ViolationError(f"{self.name}: query {name}: {value!r} is no {kind}")

    def check_body(self, content: bytes, content_type: str) -> dict[str, Any]:
        """Return the body's JSON; raise ViolationError where it is not as documented."""
        takes = {} if self.method in ("GET", "DELETE") else self._takes
        if not content:
            body: Any = {}
        elif content_type.partition(";")[0].strip() != "application/json":
            raise ViolationError(f"{self.name}: the body is {content_type or 'of no type'}, not JSON")
        else:
            body = _json(content, self.name)
        if not isinstance(body, dict):
            raise ViolationError(f"{self.name}: the body is no object")
        for name, value in body.items():
            kind = takes.get(name)
            if kind is None:
                raise ViolationError(f"{self.name}: unknown key in the body: {name}")
            if not _fits(value, kind):
                raise ViolationError(f"{self.name}: body {name}: {value!r} is no {kind}")
        if missing := [name for name in self._musts if name not in body]:
            raise ViolationError(f"{self.name}: the body lacks {', '.join(missing)}")
        return body

    def check_answer(self, status: int, data: Any) -> None:
        """Raise ViolationError where the double does not answer as gitlab.com did when it was recorded."""
        recorded = RECORDED.get(self.template)
        if status >= 300 or recorded is None:
            return
        for each in data if isinstance(data, list) else [data]:
            if wrong := differences(each, answers()[recorded]):
                raise ViolationError(f"{self.name}: answer {status}: {'; '.join(wrong)}")

    @property
    def _takes(self) -> Takes:
        told = TABLE[self.method, self.template]
        return {name.removeprefix("*"): kind for name, kind in told.items()}

    @property
    def _musts(self) -> list[str]:
        told = TABLE[self.method, self.template]
        return [name.removeprefix("*") for name in told if name.startswith("*")]


@cache
def operations() -> list[tuple[re.Pattern[str], Operation]]:
    """Return all operations with the shape of their paths."""
    return [
        (
            re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))),
            Operation(method, template),
        )
        for method, template in TABLE
    ]


@cache
def answers() -> dict[str, Any]:
    """Return the kinds of what was recorded."""
    told: dict[str, Any] = json.loads(ANSWERS.read_text())
    return told


def differences(value: Any, kind: Any, where: str = "it") -> list[str]:
    """Return where a value is not of the recorded kind; what was null or empty there may be anything."""
    if value is None or kind == "null" or kind in ([], {}):
        return []
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        unknown = [f"{where} never had {key!r}" for key in value if key not in kind]
        inside = [differences(each, kind[key], key) for key, each in value.items() if key in kind]
        return unknown + [each for found in inside for each in found]
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [found for each in value for found in differences(each, kind[0], where)]
    types = {"string": str, "boolean": bool, "integer": int, "number": float}
    return [] if type(value) is types[kind] else [f"{where} is {value!r}, not of kind {kind}"]


def _json(content: bytes, name: str) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise ViolationError(f"{name}: the body is no JSON: {error}") from error


def _fits(value: object, kind: Kind) -> bool:
    if isinstance(kind, list):
        return isinstance(value, list) and all(type(each) is kind[0] for each in value)
    if isinstance(kind, tuple):
        return value in kind
    return type(value) is kind


def _fits_text(value: str, kind: Kind) -> bool:
    if isinstance(kind, tuple):
        return value in kind
    if kind is int:
        return value.isdecimal()
    return value in ("true", "false") if kind is bool else True
