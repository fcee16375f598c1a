"""Holds answers to the document of the HTTP interface, strictly: what it does not name may not be there."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from app.web import api, openapi

if TYPE_CHECKING:
    import httpx

PUBLIC_URL = "http://127.0.0.1:8300"
READING = {"head": "get"}
FORMATS = FormatChecker()


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or (
        value.endswith("Z") and datetime.fromisoformat(value).utcoffset() is not None
    )


FORMATS.checks("date-time", raises=ValueError)(_is_moment)


@lru_cache
def document() -> Any:
    """Return the document."""
    return openapi.document(api.router.routes, PUBLIC_URL)


@lru_cache
def strict_parts() -> Any:
    """Return the components with every object closed that names its fields."""
    return json.loads(json.dumps(document()["components"]), object_hook=_closed)


def validate(value: object, schema: dict[str, Any]) -> None:
    """Raise ValidationError where a value is not as a schema of the document has it."""
    whole = {**schema, "components": strict_parts()}
    Draft202012Validator(whole, format_checker=FORMATS).validate(value)


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return the operation that an address belongs to; None where the document has none."""
    named = READING.get(method.lower(), method.lower())
    for template, operations in document()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found: dict[str, Any] | None = operations.get(named)
            return found
    return None


def check(method: str, path: str, answer: httpx.Response) -> None:
    """Hold an answer of the interface to its document: status, media type, headers and content."""
    operation = operation_of(method, path)
    if operation is None:
        assert answer.status_code in {401, 404, 405, 413}, f"{method} {path}: {answer.status_code}"
        said = document()["components"]["responses"]["404"]
    else:
        said = operation["responses"].get(str(answer.status_code))
        assert said is not None, f"{method} {path}: {answer.status_code} is not described: {answer.text}"
        if "$ref" in said:
            said = document()["components"]["responses"][said["$ref"].rpartition("/")[2]]
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in said["content"], f"{method} {path}: {media_type} is not described"
    if method == "HEAD":
        return
    if media_type == "application/jsonl":
        for line in answer.text.removesuffix("\n").split("\n"):
            validate(json.loads(line), {"$ref": "#/components/schemas/Event"})
    else:
        validate(answer.json(), said["content"][media_type]["schema"])


async def hold(answer: httpx.Response) -> None:
    """Hold each answer of a client to the document, where it is one of the interface for programs."""
    path = answer.request.url.path
    if path.startswith("/api/v1/"):
        await answer.aread()
        check(answer.request.method, path, answer)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "additionalProperties": False} if "properties" in schema else schema
