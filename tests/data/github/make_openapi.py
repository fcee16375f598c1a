"""Make openapi.json and webhooks.json: GitHub's own description of what the double plays of it.

Run it by hand (`python tests/data/github/make_openapi.py`, needs npm); the results are in the repository.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE, VERSION = "@octokit/openapi", "23.0.2"
INTEGRITY = "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
MEMBER = "package/generated/api.github.com.json"
REPO = "/repos/{owner}/{repo}"
OPERATIONS = {
    REPO: ["get"],
    f"{REPO}/pulls": ["get", "post"],
    f"{REPO}/pulls/{{pull_number}}": ["get", "patch"],
    f"{REPO}/pulls/{{pull_number}}/requested_reviewers": ["get", "post"],
    f"{REPO}/pulls/{{pull_number}}/reviews": ["get"],
    f"{REPO}/labels": ["get", "post"],
    f"{REPO}/labels/{{name}}": ["get"],
    f"{REPO}/issues/{{issue_number}}": ["get"],
    f"{REPO}/issues/{{issue_number}}/labels": ["get", "post"],
    f"{REPO}/issues/{{issue_number}}/assignees": ["post"],
    f"{REPO}/issues/{{issue_number}}/comments": ["get", "post"],
    f"{REPO}/issues/comments/{{comment_id}}": ["get", "patch"],
    f"{REPO}/issues/comments/{{comment_id}}/reactions": ["get", "post"],
    f"{REPO}/collaborators/{{username}}/permission": ["get"],
    f"{REPO}/hooks": ["get", "post"],
    f"{REPO}/hooks/{{hook_id}}": ["patch", "delete"],
    f"{REPO}/branches/{{branch}}": ["get"],
    f"{REPO}/commits/{{ref}}/check-runs": ["get"],
    f"{REPO}/commits/{{ref}}/status": ["get"],
    f"{REPO}/actions/runs": ["get"],
    f"{REPO}/installation": ["get"],
    "/app/installations/{installation_id}/access_tokens": ["post"],
    "/rate_limit": ["get"],
    "/user": ["get"],
}
WEBHOOKS, WEBHOOKS_VERSION = "@octokit/webhooks-schemas", "7.6.1"
WEBHOOKS_INTEGRITY = (
    "sha512-qW0Bwtb76r4m2WzVhKDyfEeEnt1GEQoRjkCqmq2ZeB0nNVDJ+Z2LBDS9FDPyduuMXf/ZTWiCJp9PFFHgRfBe3A=="
)
WEBHOOKS_MEMBER = "package/schema.json"
EVENTS = {
    "check_run": ["completed", "created"],
    "check_suite": ["completed"],
    "delete": ["event"],
    "issue_comment": ["created", "edited"],
    "ping": ["event"],
    "pull_request": ["closed", "edited", "opened", "ready_for_review", "reopened", "synchronize"],
    "pull_request_review": ["dismissed", "submitted"],
    "push": ["event"],
    "repository": ["archived", "deleted", "renamed"],
    "status": ["event"],
}
WORDS = {"description", "example", "examples", "externalDocs", "summary", "tags", "deprecated", "title"}


def main() -> None:
    _make_openapi(json.loads(_fetched(PACKAGE, VERSION, INTEGRITY, MEMBER)))
    told = _fetched(WEBHOOKS, WEBHOOKS_VERSION, WEBHOOKS_INTEGRITY, WEBHOOKS_MEMBER)
    _make_webhooks(json.loads(told)["definitions"])


def _make_openapi(whole: dict[str, Any]) -> None:
    paths = {
        path: {method: _operation(whole, whole["paths"][path][method]) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    kept: dict[str, Any] = {}
    _reach(whole["components"]["schemas"], paths, kept)
    made = {"openapi": whole["openapi"], "info": {"version": VERSION}, "paths": paths}
    made["components"] = {"schemas": dict(sorted(kept.items()))}
    _write("openapi.json", made)


def _make_webhooks(whole: dict[str, Any]) -> None:
    names = [f"{event}${action}" for event, actions in EVENTS.items() for action in actions]
    kept: dict[str, Any] = {}
    _reach(whole, [{"$ref": f"#/definitions/{name}"} for name in names], kept)
    _write("webhooks.json", {"info": {"version": WEBHOOKS_VERSION}, "definitions": _open(kept)})


def _open(schema: Any) -> Any:
    """Return schemas that let keys through which GitHub has added since."""
    if isinstance(schema, list):
        return [_open(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _open(each) for key, each in schema.items() if (key, each) != ("additionalProperties", False)
    }


def _write(name: str, made: dict[str, Any]) -> None:
    text = json.dumps(made, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    Path(__file__).with_name(name).write_text(text + "\n", encoding="utf-8")


def _fetched(package: str, version: str, integrity: str, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=folder, check=True)
        (packed,) = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != integrity:
            raise SystemExit(f"{package}@{version} is not what it was: sha512-{digest}")
        with tarfile.open(packed) as archive:
            member = archive.extractfile(name)
            assert member is not None
            return member.read()


def _operation(whole: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Return one operation, its parameters and answers written out, its schemas left as references."""
    parameters = [_followed(whole, each) for each in told.get("parameters", [])]
    body = told.get("requestBody")
    return {
        "parameters": [
            {
                "name": each["name"],
                "in": each["in"],
                "required": each.get("required", False),
                "schema": _plain(each["schema"]),
            }
            for each in parameters
        ],
        "body": _content(body) if body else None,
        "body_required": bool(body and body.get("required")),
        "answers": {
            status: _content(_followed(whole, answer)) for status, answer in told["responses"].items()
        },
    }


def _content(holder: dict[str, Any]) -> Any:
    kinds = holder.get("content", {})
    return _plain(kinds["application/json"]["schema"]) if "application/json" in kinds else None


def _followed(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        kind, name = part["$ref"].split("/")[-2:]
        part = whole["components"][kind][name]
    return part


def _plain(schema: Any) -> Any:
    """Return OpenAPI 3.0's dialect as JSON Schema: without words, and `nullable` as a type."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        # below `properties` a word is a name
        key: {name: _plain(each) for name, each in value.items()} if key == "properties" else _plain(value)
        for key, value in schema.items()
        if key not in WORDS | {"nullable", "tsAdditionalProperties"} and not key.startswith("x-")
    }
    if not schema.get("nullable"):
        return plain
    if isinstance(plain.get("type"), str) and not {"$ref", "allOf", "anyOf", "oneOf"} & plain.keys():
        plain["type"] = [plain["type"], "null"]
        if "enum" in plain and None not in plain["enum"]:
            plain["enum"] = [*plain["enum"], None]
        return plain
    return {"anyOf": [plain, {"type": "null"}]}


def _reach(whole: dict[str, Any], part: Any, kept: dict[str, Any]) -> None:
    """Collect every schema that a part refers to, and what those refer to."""
    if isinstance(part, list):
        for each in part:
            _reach(whole, each, kept)
    elif isinstance(part, dict):
        name = str(part["$ref"]).rpartition("/")[2] if isinstance(part.get("$ref"), str) else ""
        if name and name not in kept:
            kept[name] = _plain(whole[name])
            _reach(whole, kept[name], kept)
        for each in part.values():
            _reach(whole, each, kept)


if __name__ == "__main__":
    main()
