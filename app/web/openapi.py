"""The document of the HTTP interface: FastAPI's own of its routes, and what FastAPI cannot know of them."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts

import app
from app.web import answers
from app.web.access import access
from app.web.auth import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.routing import BaseRoute

Json = dict[str, Any]

ABOUT = """\
What PiMainteno shows on its page, for programs.

Call it with a token of `[web.tokens]` as a bearer token; its role decides what it may do, and each operation
names the least one. Times are RFC 3339 in UTC. A list is `{"items": […], "next": …}`: give `next` as `cursor`
until it is null. Errors are problem details (RFC 9457). Parameters that are not described here are ignored,
and readers should ignore fields that are not described here: more of both may come.\
"""
LINE = json.dumps(answers.EVENT, ensure_ascii=False, separators=(",", ":"))
AS_LINES: Json = {
    "description": "A page of the history: JSON, or JSON Lines with `Accept: application/jsonl`.",
    "content": {
        "application/jsonl": {
            "schema": {"type": "string", "description": "One Event in each line."},
            "example": f"{LINE}\n",
        }
    },
    "headers": {
        "Link": {
            "description": "The next page's address, rel=next, with JSON Lines; missing on the last page.",
            "schema": {"type": "string"},
        }
    },
}
PROBLEMS = {
    400: "What was sent cannot be read: a cursor that is not ours, a length of time, or JSON.",
    401: "The token is missing or not known.",
    403: "This role may not do this, or there is none.",
    404: "There is no such proposal.",
    409: "It changed meanwhile, or cannot be done as it stands; `detail` says why.",
    413: "The body is larger than 64 KB.",
    422: "A parameter or a field of the body has the wrong type or form; `detail` names it.",
    503: "The database cannot be used at the moment.",
}
CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string", "const": "Bearer"}}}


class _Documented(RouteContext):
    """A route without HEAD, which is GET without a body."""

    @property
    def methods(self) -> set[str] | None:
        """Return the methods that the document describes."""
        return (super().methods or set()) - {"HEAD"}


def document(routes: Sequence[BaseRoute], public_url: str) -> Json:
    """Return the document of these routes."""
    made: Json = get_openapi(
        title="PiMainteno",
        version=app.__version__,
        description=ABOUT,
        servers=[{"url": public_url}],
        routes=[_Documented(each.route) for each in iter_route_contexts(routes)],
    )
    parts = made["components"]
    parts["schemas"] = {
        **{name: each for name, each in parts["schemas"].items() if "ValidationError" not in name},
        "Problem": answers.Problem.model_json_schema(mode="serialization"),
    }
    for model, example in answers.EXAMPLES.items():  # FastAPI would leave out each null
        parts["schemas"][model.__name__]["examples"] = [example]
    parts["responses"] = {str(status): _problem(status, text) for status, text in PROBLEMS.items()}
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token of `[web.tokens]`."}
    }
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _complete(operation, method.upper(), path)
    return made


def _complete(operation: Json, method: str, path: str) -> None:
    """Add who may call an operation and how it refuses; put in order what FastAPI says of the rest."""
    needed = access(method, path)
    role = needed.role if needed is not None and needed.role is not None else Role.ADMINISTRATOR
    operation["security"] = [{"token": [role.name.lower()]}]
    first, *more = operation.pop("description").split("\n\n", maxsplit=1)
    operation["summary"] = first.removesuffix(".")
    operation["description"] = "\n\n".join((*more, f"The token needs the role {role.name.lower()}."))
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _in_an_address(parameter["schema"])
    refusals = {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in sorted(_refusals(operation, method))
    }
    operation["responses"] = {
        **{status: said for status, said in operation["responses"].items() if status.startswith("2")},
        **refusals,
    }


def _refusals(operation: Json, method: str) -> Iterator[int]:
    """Yield the statuses of an operation's problems."""
    named = {each["name"] for each in operation.get("parameters", ())}
    yield from (401, 403, 503)
    if named:
        yield 422
    if "cursor" in named or "requestBody" in operation:
        yield 400
    if "id" in named:
        yield 404
    if method == "POST":
        yield from (409, 413)


def _in_an_address(schema: Json) -> Json:
    """Return a parameter's schema without null: in an address it is left out instead."""
    one: Json
    (one,) = [each for each in schema.get("anyOf", [{}]) if each.get("type") != "null"]
    return one | {key: value for key, value in schema.items() if key not in {"anyOf", "title", "description"}}


def _problem(status: int, text: str) -> Json:
    example = answers.PROBLEM | {"status": status, "title": HTTPStatus(status).phrase, "detail": text}
    schema = {"$ref": "#/components/schemas/Problem"}
    said: Json = {
        "description": text,
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    }
    return said | ({"headers": CHALLENGE} if status == 401 else {})
