"""GitHub's published description of its interface, applied to what the double receives and answers."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]

FILE = Path(__file__).parents[2] / "data/github/openapi.json"
WEBHOOKS = FILE.with_name("webhooks.json")
BASIC_ERROR = {"$ref": "#/components/schemas/basic-error"}


class ViolationError(Exception):
    """Something that GitHub's description does not allow."""


class Operation:
    """One method on one path, as GitHub describes it."""

    def __init__(self, method: str, template: str) -> None:
        self.name, self.template = f"{method} {template}", template
        self._told = _document()["paths"][template][method.lower()]

    def check_names(self, names: dict[str, str]) -> None:
        """Raise ViolationError for a wrong name or number in the path."""
        for each in self._told["parameters"]:
            if each["in"] == "path":
                value = _typed(names[each["name"]], each["schema"])
                self._check(f"path {each['name']}", each["schema"], value)

    def check_query(self, query: dict[str, str]) -> None:
        """Raise ViolationError for a parameter that is unknown, missing or wrong."""
        known = {each["name"]: each for each in self._told["parameters"] if each["in"] == "query"}
        for name in known.keys() | query.keys():
            if name not in known:
                raise ViolationError(f"{self.name}: unknown query parameter {name!r}")
            if name in query:
                schema = known[name]["schema"]
                value = _typed(query[name], schema)
                self._check(f"query {name}", schema, value)
            elif known[name]["required"]:
                raise ViolationError(f"{self.name}: query parameter {name!r} is missing")

    def check_body(self, content: bytes, content_type: str) -> Any:
        """Return the body's JSON, None without one; raise ViolationError where it is not as described."""
        schema = self._told["body"]
        if not content:
            if self._told["body_required"]:
                raise ViolationError(f"{self.name}: the body is missing")
            return None
        if schema is None:
            raise ViolationError(f"{self.name}: takes no body")
        if content_type.partition(";")[0].strip() != "application/json":
            raise ViolationError(f"{self.name}: the body is {content_type or 'of no type'}, not JSON")
        try:
            body = json.loads(content)
        except ValueError as error:
            raise ViolationError(f"{self.name}: the body is no JSON: {error}") from error
        self._check("body", schema, body)
        known = _keys(schema)
        if isinstance(body, dict) and known and (unknown := body.keys() - known):
            raise ViolationError(f"{self.name}: unknown keys in the body: {', '.join(sorted(unknown))}")
        return body

    def check_answer(self, status: int, data: Any) -> None:
        """Raise ViolationError where the double does not answer as GitHub says it does."""
        schema = self._told["answers"].get(str(status))
        if schema is None and str(status) not in self._told["answers"] and status < 400:
            raise ViolationError(f"{self.name}: GitHub never answers {status}")
        if schema is not None or status >= 400:
            self._check(f"answer {status}", schema or BASIC_ERROR, data)

    def _check(self, what: str, schema: Any, value: Any) -> None:
        error = best_match(_validator(json.dumps(schema)).iter_errors(value))
        if error is not None:
            where = "/".join(str(each) for each in error.absolute_path)
            raise ViolationError(f"{self.name}: {what} {where}: {error.message[:300]}")


def check_delivery(event: str, action: str, payload: dict[str, Any]) -> None:
    """Raise ViolationError where a delivery is not as GitHub describes it."""
    name = f"{event}${action or 'event'}"
    if name not in _deliveries()["definitions"]:
        raise ViolationError(f"GitHub has no delivery {name}, or the double does not know it")
    if error := best_match(_delivery_validator(name).iter_errors(payload)):
        where = "/".join(str(each) for each in error.absolute_path)
        raise ViolationError(f"delivery {name}: {where}: {error.message[:300]}")


@cache
def operations() -> dict[tuple[str, str], Operation]:
    """Return all operations by method and path template."""
    return {
        (method.upper(), template): Operation(method.upper(), template)
        for template, methods in _document()["paths"].items()
        for method in methods
    }


def _is_time(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


def _is_uri(text: object) -> bool:
    return not isinstance(text, str) or bool(re.match(r"[a-z]+:\S+$", text))


formats = FormatChecker(())
formats.checks("date-time", ValueError)(_is_time)
formats.checks("uri")(_is_uri)


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text())
    return document


@cache
def _deliveries() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(WEBHOOKS.read_text())
    return told


@cache
def _delivery_validator(name: str) -> Draft202012Validator:
    told = _deliveries() | {"$ref": f"#/definitions/{name}"}
    return Draft202012Validator(told, format_checker=formats)


@cache
def _validator(schema: str) -> Draft202012Validator:
    whole = {"components": _document()["components"]} | json.loads(schema)
    return Draft202012Validator(whole, format_checker=formats)


def _typed(text: str, schema: dict[str, Any]) -> object:
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def _keys(schema: dict[str, Any]) -> set[str]:
    kinds = [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])]
    return {name for kind in kinds for name in kind.get("properties", {})}
