"""What the operations on repositories, labels and Apps do, and the way to all operations."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from tests.doubles.github import checks, hooks, pull_shapes, pulls, shapes, state, talk
from tests.doubles.github.access import RefusedError, check, invalid
from tests.doubles.github.calls import HANDLERS, REPO, SIGNED_BY_APP, Answer, Call, answers
from tests.doubles.github.state import Label

if TYPE_CHECKING:
    from tests.doubles.github.state import Repo

__all__ = ["SIGNED_BY_APP", "Call", "checks", "hooks", "perform", "pulls", "talk"]


def perform(call: Call, method: str, template: str) -> Answer:
    """Check the rights and do the work; raises RefusedError."""
    if template.startswith(REPO) and template not in SIGNED_BY_APP:
        check(call.repo, call.token, writes=method != "GET")
        call.repo.refresh(call.login)
    return HANDLERS[method, template](call)


@answers("GET", REPO)
def _repo(call: Call) -> Answer:
    rights = call.token is not None and call.token.write and not call.token.of_app
    shown = shapes.repository(call.repo, push=rights)
    if call.token is not None and call.token.scopes is not None:
        theirs = pull_shapes.permission(call.repo, call.token.login)["user"]["permissions"]
        shown["permissions"] = theirs
    return 200, shown


@answers("GET", f"{REPO}/labels")
def _labels(call: Call) -> Answer:
    return 200, [shapes.label(call.repo, each) for each in call.page(list(call.repo.labels.values()))]


@answers("POST", f"{REPO}/labels")
def _make_label(call: Call) -> Answer:
    name = call.body["name"]
    if call.repo.label(name):
        raise invalid("Label", "name", "already_exists")
    return 201, shapes.label(call.repo, _label(call.repo, name, call.body))


@answers("GET", f"{REPO}/labels/{{name}}")
def _one_label(call: Call) -> Answer:
    if found := call.repo.label(call.names["name"]):
        return 200, shapes.label(call.repo, found)
    raise RefusedError(404, "Not Found")


@answers("GET", f"{REPO}/issues/{{issue_number}}/labels")
def _labels_of(call: Call) -> Answer:
    return 200, call.page(pull_shapes.pull_simple(call.repo, call.pull)["labels"])


@answers("POST", f"{REPO}/issues/{{issue_number}}/labels")
def _add_labels(call: Call) -> Answer:
    repo, pull = call.repo, call.pull
    for each in (call.body or {}).get("labels", []):
        name = each if isinstance(each, str) else each["name"]
        found = repo.label(name) or _label(repo, name, {})
        if found.name not in pull.labels:
            pull.labels.append(found.name)
    return 200, pull_shapes.pull_simple(repo, pull)["labels"]


@answers("GET", f"{REPO}/branches/{{branch}}")
def _branch(call: Call) -> Answer:
    name = call.names["branch"]
    if sha := call.repo.bare.branches().get(name):
        return 200, shapes.branch(call.repo, name, sha)
    raise RefusedError(404, "Branch not found")


@answers("GET", f"{REPO}/installation")
def _installation(call: Call) -> Answer:
    if not call.repo.installed:
        raise RefusedError(404, "Not Found")
    return 200, shapes.installation(call.repo, int(call.access.app_id))


@answers("POST", "/app/installations/{installation_id}/access_tokens")
def _access_token(call: Call) -> Answer:
    theirs = [each for each in call.repos.values() if str(each.id) == call.names["installation_id"]]
    if not theirs or not theirs[0].installed:
        raise RefusedError(404, "Not Found")
    named = (call.body or {}).get("repositories")
    reach = {
        each.name.partition("/")[2]: each
        for each in call.repos.values()
        if each.owner == theirs[0].owner and each.installed
    }
    if named is not None and not reach.keys() >= set(named):
        raise RefusedError(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent "
            "installation.",
        )
    names = frozenset(reach[name].id_name for name in (reach if named is None else named))
    secret = f"ghs_{secrets.token_hex(18)}"
    token = call.access.tokens[secret] = state.token_for_app(names, call.token_lasts)
    assert token.until is not None
    return 201, {
        "token": secret,
        "expires_at": shapes.time(token.until),
        "permissions": {"contents": "write", "pull_requests": "write", "metadata": "read"},
        "repository_selection": "selected" if named is not None else "all",
    }


@answers("GET", "/user")
def _user(call: Call) -> Answer:
    if call.token is None:
        raise RefusedError(401, "Requires authentication")
    if call.token.of_app:
        raise RefusedError(403, "Resource not accessible by integration")
    return 200, shapes.whole_user(call.login, call.url)


@answers("GET", "/rate_limit")
def _rate_limit(call: Call) -> Answer:
    rate = {"limit": 5000, "used": 0, "remaining": 5000, "reset": int(time.time()) + 3600}
    return 200, {"resources": {"core": rate, "search": rate}, "rate": rate}


def _label(repo: Repo, name: str, told: dict[str, str]) -> Label:
    if len(name) > 50:
        raise invalid("Label", "name", "invalid", "name is too long (maximum is 50 characters)")
    made = Label(name, told.get("color", "ededed"), told.get("description") or "")
    repo.labels[name.casefold()] = made
    return made
