"""What the calls on users, projects, notes and hooks do, and the way to all calls."""

from __future__ import annotations

from typing import Any

from tests.doubles.gitlab import merge_requests, shapes, state
from tests.doubles.gitlab.access import RefusedError, check, check_scope
from tests.doubles.gitlab.calls import HANDLERS, NOT_FOUND, Answer, Call, answers
from tests.doubles.gitlab.state import Hook, Note
from tests.doubles.gitlab.table import NOTES, PROJECT

__all__ = ["Call", "merge_requests", "perform"]

ANY_SCOPE = "/personal_access_tokens/self"
HOOKS = f"{PROJECT}/hooks"


def perform(call: Call, method: str, template: str) -> Answer:
    """Check the rights and do the work; raises RefusedError."""
    writes = method != "GET"
    own = template == "/user" and call.token is not None and "read_user" in call.token.scopes
    if template != ANY_SCOPE and not own:
        check_scope(call.token, writes=writes)
    if template.startswith(PROJECT):
        check(call.project_, call.token, writes=writes, rules=template.startswith(HOOKS))
        call.project.refresh(call.user)
    elif call.token is None:
        raise RefusedError(401, "401 Unauthorized")
    return HANDLERS[method, template](call)


@answers("GET", "/user")
def _user(call: Call) -> Answer:
    return 200, shapes.myself(call.user, call.url)


@answers("GET", "/users")
def _users(call: Call) -> Answer:
    name = call.query.get("username", "").casefold()
    found = [each for each in call.users.values() if name in ("", each.username.casefold())]
    return 200, [shapes.user(each, call.url) for each in call.page(found)]


@answers("GET", ANY_SCOPE)
def _token(call: Call) -> Answer:
    assert call.token is not None
    return 200, shapes.token(call.token)


@answers("GET", PROJECT)
def _project(call: Call) -> Answer:
    return 200, shapes.project(call.project, call.token.user if call.token else None)


@answers("GET", f"{PROJECT}/members/all")
def _members(call: Call) -> Answer:
    found = [each for each in call.users.values() if not each.admin and call.project.level(each) > 0]
    return 200, [shapes.member(call.project, each) for each in call.page(found)]


@answers("GET", f"{PROJECT}/members/all/{{user_id}}")
def _member(call: Call) -> Answer:
    who = call.user_of(int(call.names["user_id"]))
    if who is None or who.admin or not call.project.level(who):  # an administrator is no member
        raise RefusedError(404, NOT_FOUND)
    return 200, shapes.member(call.project, who)


@answers("GET", f"{PROJECT}/labels")
def _labels(call: Call) -> Answer:
    found = [{"id": number, "name": name} for number, name in enumerate(sorted(call.project.labels), 1)]
    return 200, call.page(found)


@answers("GET", f"{PROJECT}/repository/commits/{{sha}}/statuses")
def _statuses(call: Call) -> Answer:
    if call.project.bare.sha(call.names["sha"]) is None:
        raise RefusedError(404, "404 Commit Not Found")
    found = [each for each in call.project.statuses if each.sha == call.names["sha"]]
    return 200, [shapes.status(call.project, each) for each in call.page(found)]


@answers("GET", NOTES)
def _notes(call: Call) -> Answer:
    by = "updated_at" if call.query.get("order_by") == "updated_at" else "created_at"
    found = sorted(call.request.notes, key=lambda note: (getattr(note, by), note.id))
    if call.query.get("sort") != "asc":
        found.reverse()
    return 200, [shapes.note(call.project, call.request, each) for each in call.page(found)]


@answers("POST", NOTES)
def _say(call: Call) -> Answer:
    _check_text(call.body["body"])
    said = call.project.say(call.request, call.user, call.body["body"])
    return 201, shapes.note(call.project, call.request, said)


@answers("GET", f"{NOTES}/{{note_id}}")
def _note(call: Call) -> Answer:
    return 200, shapes.note(call.project, call.request, call.note)


@answers("PUT", f"{NOTES}/{{note_id}}")
def _change_note(call: Call) -> Answer:
    note: Note = call.note
    if note.author.id != call.user.id:
        raise RefusedError(403, "403 Forbidden")
    _check_text(call.body["body"])
    note.body, note.updated_at = call.body["body"], state.now()
    call.request.updated_at = state.now()
    call.project.tell(call.project, "note", call.request, call.user, note=note, action="update")
    return 200, shapes.note(call.project, call.request, note)


@answers("GET", f"{NOTES}/{{note_id}}/award_emoji")
def _awards(call: Call) -> Answer:
    return 200, [_award(call, name) for name, _ in call.page(call.note.awards)]


@answers("POST", f"{NOTES}/{{note_id}}/award_emoji")
def _react(call: Call) -> Answer:
    name = call.body["name"]
    if (name, call.user) in call.note.awards:
        raise RefusedError(404, "404 Award Emoji Name has already been taken Not Found")
    call.note.awards.append((name, call.user))
    return 201, _award(call, name)


@answers("GET", HOOKS)
def _hooks(call: Call) -> Answer:
    return 200, [shapes.hook(call.project, each) for each in call.page(call.project.hooks)]


@answers("POST", HOOKS)
def _make_hook(call: Call) -> Answer:
    made = Hook(call.body["url"])
    _set(made, call.body)
    call.project.hooks.append(made)
    return 201, shapes.hook(call.project, made)


@answers("GET", f"{HOOKS}/{{hook_id}}")
def _one_hook(call: Call) -> Answer:
    return 200, shapes.hook(call.project, _hook(call))


@answers("PUT", f"{HOOKS}/{{hook_id}}")
def _change_hook(call: Call) -> Answer:
    _set(_hook(call), call.body)
    return 200, shapes.hook(call.project, _hook(call))


@answers("DELETE", f"{HOOKS}/{{hook_id}}")
def _drop_hook(call: Call) -> Answer:
    call.project.hooks.remove(_hook(call))
    return 204, None


def _hook(call: Call) -> Hook:
    for hook in call.project.hooks:
        if hook.id == int(call.names["hook_id"]):
            return hook
    raise RefusedError(404, NOT_FOUND)


def _set(hook: Hook, asked: dict[str, Any]) -> None:
    if not asked["url"].startswith(("http://", "https://")):
        raise RefusedError(422, "Invalid url given")
    hook.url = asked["url"]
    hook.token = asked.get("token", hook.token)
    hook.signing_token = asked.get("signing_token", hook.signing_token)
    hook.ssl = asked.get("enable_ssl_verification", hook.ssl)
    hook.events |= {name: value for name, value in asked.items() if name.endswith("_events")}


def _award(call: Call, name: str) -> dict[str, Any]:
    return {"id": 1, "name": name, "user": shapes.user(call.user, call.url), "awardable_id": call.note.id}


def _check_text(text: str) -> None:
    if not text.strip():
        raise RefusedError(400, {"note": ["can't be blank"]})
    if len(text) > merge_requests.LONGEST_TEXT:
        raise RefusedError(400, {"note": ["is too long (maximum is 1048576 characters)"]})
