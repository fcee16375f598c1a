"""What a forge's delivery tells: headers and payload in, a notice out. No I/O, and no schema.

A delivery only says where to look, so nothing in it is needed: what is missing or strange leads nowhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from app.core.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORM = "application/x-www-form-urlencoded"
LONGEST = 1000
LONGEST_ID = 200
MOST_NUMBER = 2**31 - 1
HEADS = "refs/heads/"

Kind = Literal["github", "gitlab"]
Payload = dict[str, Any]


@dataclass(frozen=True)
class Notice:
    """Where a delivery says to look; "" and None stand for what it does not say."""

    kind: Kind
    event: str
    action: str
    delivery: str
    repository: str = ""
    former: str = ""
    """The repository's name before it was renamed or moved."""
    number: int | None = None
    branch: str = ""
    head: str = ""
    whole: bool = False
    """It is about the repository, or its default branch, and so about the project as a whole."""
    followed: bool = True
    """It is an event that can change what we show."""


@dataclass(frozen=True)
class _Told:
    """What one kind of event tells."""

    number: object = None
    branch: object = None
    head: object = None
    former: object = None
    whole: bool = False


def delivery_id(kind: Kind, headers: Mapping[str, str]) -> str:
    """Return the id that stays the same when a delivery is sent again; raises BadRequestError.

    `X-Gitlab-Webhook-UUID` is not among them: it names the hook.
    """
    found = next((value for name in IDS[kind] if (value := headers.get(name, "").strip())), "")
    if not found or len(found) > LONGEST_ID:
        raise BadRequestError(f"{IDS[kind][0]}: the id of a delivery is expected")
    return found


def read(kind: Kind, headers: Mapping[str, str], body: bytes | bytearray) -> Notice:
    """Return what a delivery tells; raises BadRequestError where it cannot be read."""
    delivery = delivery_id(kind, headers)
    payload = _payload(headers, body)
    event = _event(kind, headers, payload)
    reading = READINGS[kind].get(event)
    told = reading(payload) if reading is not None else None
    found = told or _Told()
    return Notice(
        kind=kind,
        event=event,
        action=_text(_in(payload, "action") or _in(payload, "object_attributes", "action")),
        delivery=delivery,
        repository=_repository(payload),
        former=_text(found.former),
        number=_number(found.number),
        branch=_text(found.branch),
        head=_text(found.head),
        whole=found.whole,
        followed=told is not None,
    )


def _payload(headers: Mapping[str, str], body: bytes | bytearray) -> Payload:
    """Return the payload of a JSON body, or of a form's field `payload`, which GitHub can send instead."""
    try:
        text = body.decode("utf-8")
        if headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
            fields = dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=20))
            text = fields.get("payload", "")
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:  # broken encodings and JSON are ValueErrors too
        raise BadRequestError(f"the body is no JSON in UTF-8 ({type(error).__name__})") from error
    if not isinstance(payload, dict):
        raise BadRequestError("the body is no JSON object")
    return payload


def _event(kind: Kind, headers: Mapping[str, str], payload: Payload) -> str:
    if kind == "github":
        return _text(headers.get("x-github-event", ""))
    if headers.get("x-gitlab-event", "") == "System Hook":
        return "system"
    return _text(_in(payload, "object_kind") or _in(payload, "event_name"))


def _repository(payload: Payload) -> str:
    """Return owner and name. GitLab's jobs name them in addresses alone; an ssh one has no sub-path."""
    named = _in(payload, "repository", "full_name") or _in(payload, "project", "path_with_namespace")
    if named:
        return _text(named)
    ssh, home = (
        _text(_in(payload, "repository", "git_ssh_url")),
        _text(_in(payload, "repository", "homepage")),
    )
    if "://" not in ssh and ":" in ssh:
        return ssh.partition(":")[2].removesuffix(".git")
    try:
        return urlsplit(ssh or home).path.strip("/").removesuffix(".git")
    except ValueError:
        return ""


def _pull_request(payload: Payload) -> _Told:
    head = _in(payload, "pull_request", "head")
    theirs = _in(head, "repo", "full_name")
    ours = theirs is None or theirs == _in(payload, "repository", "full_name")  # else a fork's branch
    number = _in(payload, "number") or _in(payload, "pull_request", "number")
    return _Told(number, _in(head, "ref") if ours else None, _in(head, "sha"))


def _issue_comment(payload: Payload) -> _Told | None:
    issue = _in(payload, "issue")
    return _Told(_in(issue, "number")) if _in(issue, "pull_request") else None


def _check_run(payload: Payload) -> _Told:
    run = _in(payload, "check_run")
    return _Told(branch=_in(run, "check_suite", "head_branch"), head=_in(run, "head_sha"))


def _of_head(name: str) -> Callable[[Payload], _Told]:
    def reading(payload: Payload) -> _Told:
        about = _in(payload, name)
        return _Told(branch=_in(about, "head_branch"), head=_in(about, "head_sha"))

    return reading


def _push(payload: Payload) -> _Told | None:
    ref = _text(_in(payload, "ref"))
    if not ref.startswith(HEADS):
        return None
    branch = ref.removeprefix(HEADS)
    default = _in(payload, "repository", "default_branch") or _in(payload, "project", "default_branch")
    return _Told(branch=branch, head=_in(payload, "after"), whole=branch == default)


def _delete(payload: Payload) -> _Told | None:
    return _Told(branch=_in(payload, "ref")) if _in(payload, "ref_type") == "branch" else None


def _about_repository(payload: Payload) -> _Told:
    name, owner = _in(payload, "repository", "name"), _in(payload, "repository", "owner", "login")
    was = _in(payload, "changes", "repository", "name", "from")
    source = _in(payload, "changes", "owner", "from")
    owned = _in(source, "user", "login") or _in(source, "organization", "login")
    return _Told(former=f"{owned or owner}/{was or name}" if was or owned else None, whole=True)


def _merge_request(payload: Payload) -> _Told:
    return _of_merge_request(_in(payload, "object_attributes"))


def _note(payload: Payload) -> _Told | None:
    about = _in(payload, "merge_request")
    return _of_merge_request(about) if about else None


def _of_merge_request(about: object) -> _Told:
    ours = _in(about, "source_project_id") == _in(about, "target_project_id")  # else a fork's branch
    branch = _in(about, "source_branch") if ours else None
    return _Told(_in(about, "iid"), branch, _in(about, "last_commit", "id"))


def _pipeline(payload: Payload) -> _Told:
    about = _in(payload, "object_attributes")
    return _Told(_in(payload, "merge_request", "iid"), _in(about, "ref"), _in(about, "sha"))


def _build(payload: Payload) -> _Told:
    return _Told(branch=_in(payload, "ref"), head=_in(payload, "sha"))


IDS: dict[str, tuple[str, ...]] = {
    "github": ("x-github-delivery",),
    "gitlab": ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
}
READINGS: dict[str, dict[str, Callable[[Payload], _Told | None]]] = {
    "github": {
        "pull_request": _pull_request,
        "pull_request_review": _pull_request,
        "pull_request_review_comment": _pull_request,
        "issue_comment": _issue_comment,
        "check_run": _check_run,
        "check_suite": _of_head("check_suite"),
        "workflow_run": _of_head("workflow_run"),
        "status": lambda payload: _Told(head=_in(payload, "sha")),
        "push": _push,
        "delete": _delete,
        "repository": _about_repository,
        "ping": lambda _: _Told(whole=True),
    },
    "gitlab": {
        "merge_request": _merge_request,
        "note": _note,
        "pipeline": _pipeline,
        "build": _build,
        "push": _push,
    },
}
"""What each event tells; None where this one leads nowhere, as events that are not listed."""


def _in(data: object, *keys: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what stands under these keys, one in the other; None where anything on the way is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _text(value: object) -> str:
    """Return a text that a database takes and that is not endless; "" for anything else."""
    if not isinstance(value, str) or len(value) > LONGEST:
        return ""
    try:
        value.encode()  # JSON can hold halves of characters
    except UnicodeEncodeError:
        return ""
    return value


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_NUMBER:
        return value
    return None
