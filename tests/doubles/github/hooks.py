"""What the operations on a repository's webhooks do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.doubles.github import shapes
from tests.doubles.github.access import RefusedError
from tests.doubles.github.calls import REPO, Answer, Call, answers
from tests.doubles.github.events import EVENTS

if TYPE_CHECKING:
    from tests.doubles.github.webhooks import Hook


@answers("GET", f"{REPO}/hooks")
def _hooks(call: Call) -> Answer:
    return 200, [shapes.hook(call.repo, hook) for hook in call.page(_theirs(call))]


@answers("POST", f"{REPO}/hooks")
def _make(call: Call) -> Answer:
    there, asked = _theirs(call), call.body or {}
    config = asked.get("config", {})
    if not config.get("url", "").startswith(("http://", "https://")):
        raise _refused("Config url is not a valid URL")  # of loopback GitHub refuses all; that we must not
    if any(hook.url == config["url"] for hook in there):
        raise _refused("Hook already exists on this repository")
    names = _known(asked.get("events", ["push"]))
    kind, secret = config.get("content_type", "form"), config.get("secret", "")
    hook = call.webhooks.add(config["url"], secret, kind, call.repo, names)
    hook.active = asked.get("active", True)
    call.webhooks.tell(call.repo, "ping", "", hook, call.login)
    return 201, shapes.hook(call.repo, hook)


@answers("PATCH", f"{REPO}/hooks/{{hook_id}}")
def _change(call: Call) -> Answer:
    hook, asked = _hook(call), call.body
    if config := asked.get("config"):  # the whole of it: a secret that is left out is gone
        hook.url, hook.secret = config.get("url", hook.url), config.get("secret", "")
        hook.content_type = config.get("content_type", "form")
    hook.events = frozenset(_known(asked.get("events", sorted(hook.events))))
    hook.active = asked.get("active", hook.active)
    return 200, shapes.hook(call.repo, hook)


@answers("DELETE", f"{REPO}/hooks/{{hook_id}}")
def _remove(call: Call) -> Answer:
    call.webhooks.hooks.remove(_hook(call))
    return 204, None


def _theirs(call: Call) -> list[Hook]:
    if call.token is None or not call.token.hooks:
        needs = {"X-Accepted-GitHub-Permissions": "repository_hooks=write"}
        raise RefusedError(403, "Resource not accessible by personal access token", headers=needs)
    return [hook for hook in call.webhooks.hooks if hook.repo is call.repo]


def _hook(call: Call) -> Hook:
    for hook in _theirs(call):
        if str(hook.id) == call.names["hook_id"]:
            return hook
    raise RefusedError(404, "Not Found")


def _known(names: list[str]) -> list[str]:
    if unknown := set(names) - EVENTS.keys():
        raise _refused(f"These events are not allowed for this hook: {', '.join(sorted(unknown))}")
    return names


def _refused(message: str) -> RefusedError:
    return RefusedError(
        422, "Validation Failed", [{"resource": "Hook", "code": "custom", "message": message}]
    )
