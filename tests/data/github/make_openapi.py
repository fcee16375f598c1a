"""Make openapi.json: GitHub's own description of its REST interface, as far as the double plays it.

Run it by hand (`python tests/data/github/make_openapi.py`, needs npm); the result is in the repository.
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
    f"{REPO}/labels": ["get", "post"],
    f"{REPO}/labels/{{name}}": ["get"],
    f"{REPO}/issues/{{issue_number}}/labels": ["get", "post"],
    f"{REPO}/issues/{{issue_number}}/assignees": ["post"],
    f"{REPO}/issues/{{issue_number}}/comments": ["get", "post"],
    f"{REPO}/issues/comments/{{comment_id}}": ["get", "patch"],
    f"{REPO}/branches/{{branch}}": ["get"],
    f"{REPO}/commits/{{ref}}/check-runs": ["get"],
    f"{REPO}/commits/{{ref}}/status": ["get"],
    f"{REPO}/installation": ["get"],
    "/app/installations/{installation_id}/access_tokens": ["post"],
    "/rate_limit": ["get"],
}
WORDS = {"description", "example", "examples", "externalDocs", "summary", "tags", "deprecated", "title"}


def main() -> None:
    whole = json.loads(_fetched())
    paths = {
        path: {method: _operation(whole, whole["paths"][path][method]) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    kept: dict[str, Any] = {}
    _reach(whole, paths, kept)
    made = {"openapi": whole["openapi"], "info": {"version": VERSION}, "paths": paths}
    made["components"] = {"schemas": dict(sorted(kept.items()))}
    text = json.dumps(made, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    Path(__file__).with_name("openapi.json").write_text(text + "\n", encoding="utf-8")


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True)
        (packed,) = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise SystemExit(f"{PACKAGE}@{VERSION} is not what it was: sha512-{digest}")
        with tarfile.open(packed) as archive:
            member = archive.extractfile(MEMBER)
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
        if key not in WORDS and key != "nullable" and not key.startswith("x-")
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
            kept[name] = _plain(whole["components"]["schemas"][name])
            _reach(whole, kept[name], kept)
        for each in part.values():
            _reach(whole, each, kept)


if __name__ == "__main__":
    main()
