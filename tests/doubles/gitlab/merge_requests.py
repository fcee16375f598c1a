"""What the calls on merge requests do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.doubles.gitlab import shapes, state
from tests.doubles.gitlab.access import RefusedError
from tests.doubles.gitlab.calls import Answer, Call, answers
from tests.doubles.gitlab.table import REQUEST, REQUESTS

if TYPE_CHECKING:
    from tests.doubles.gitlab.state import Project, Request

LONGEST_TITLE, LONGEST_TEXT = 255, 1 << 20


@answers("GET", REQUESTS)
def _list(call: Call) -> Answer:
    wanted = {name: call.query.get(name, "") for name in ("source_branch", "target_branch")}
    state_ = call.query.get("state", "all")
    found = [
        mr
        for mr in call.project.requests
        if state_ in ("all", mr.state)
        and all(value in ("", getattr(mr, name)) for name, value in wanted.items())
    ]
    by = "updated_at" if call.query.get("order_by") == "updated_at" else "created_at"
    found.sort(key=lambda mr: (getattr(mr, by), mr.iid), reverse=call.query.get("sort") != "asc")
    return 200, [shapes.request(call.project, mr) for mr in call.page(found)]


@answers("POST", REQUESTS)
def _open(call: Call) -> Answer:
    project, asked = call.project, call.body
    source, target = asked["source_branch"], asked["target_branch"]
    branches = project.bare.branches()
    check_lengths(asked)
    if project.requests_level == "disabled":
        raise RefusedError(403, "403 Forbidden")
    if source == target:
        raise RefusedError(422, ["You can't use same project/branch for source and target"])
    if source not in branches:
        raise RefusedError(400, {"source_branch": ["does not exist"]})
    if target not in branches:
        raise RefusedError(400, {"target_branch": ["does not exist"]})
    _check_only(project, source, target)
    mr = project.open(call.user, source, target, asked["title"], asked.get("description", ""))
    apply(call, mr, asked)
    return 201, shapes.request(project, mr, whole=True)


@answers("GET", REQUEST)
def _one(call: Call) -> Answer:
    return 200, shapes.request(call.project, call.request, whole=True)


@answers("PUT", REQUEST)
def _change(call: Call) -> Answer:
    project, mr, asked = call.project, call.request, call.body
    if not asked:
        raise RefusedError(400, "", error="at least one parameter must be provided")
    check_lengths(asked)
    if asked.get("state_event") == "reopen" and mr.state == "closed":
        _check_only(project, mr.source_branch, mr.target_branch)
    apply(call, mr, asked)
    if asked.get("state_event") == "close" and mr.state == "opened":
        project.end(mr, call.user, "closed")
    elif asked.get("state_event") == "reopen" and _can_reopen(project, mr):
        project.reopen(mr, call.user)
    return 200, shapes.request(project, mr, whole=True)


@answers("GET", f"{REQUEST}/approvals")
def _approvals(call: Call) -> Answer:
    project, mr = call.project, call.request
    return 200, {
        "id": mr.id,
        "iid": mr.iid,
        "project_id": project.id,
        "state": mr.state,
        "approved": bool(mr.approved_by),
        "user_has_approved": call.user.username in mr.approved_by,
        "user_can_approve": False,
        "approved_by": [{"user": shapes.user(project.users[name], project.url)} for name in mr.approved_by],
    }


@answers("GET", f"{REQUEST}/reviewers")
def _reviewers(call: Call) -> Answer:
    project, mr = call.project, call.request
    if not project.has_reviewers_api:
        raise RefusedError(404, "", error="404 Not Found")  # the router's, which knows no such path
    return 200, [
        {
            "user": shapes.user(project.users[name], project.url),
            "state": state_,
            "created_at": shapes.time(mr.created_at),
        }
        for name, state_ in mr.reviewers.items()
    ]


def apply(call: Call, mr: Request, asked: dict[str, Any]) -> None:
    """Change what a request asks for; whom GitLab does not take it leaves out without a word."""
    before = _seen(mr)
    mr.title = asked.get("title", mr.title)
    mr.description = asked.get("description", mr.description)
    mr.target_branch = asked.get("target_branch", mr.target_branch)
    _label(call, mr, asked)
    if "assignee_ids" in asked:
        mr.assignees = _taken(call, asked["assignee_ids"])
    if "reviewer_ids" in asked:
        mr.reviewers = {
            name: mr.reviewers.get(name, "unreviewed") for name in _taken(call, asked["reviewer_ids"])
        }
    if _seen(mr) != before and call.names.get("iid"):
        mr.updated_at = state.now()
        call.project.tell(call.project, "merge_requests", mr, call.user, action="update")


def check_lengths(asked: dict[str, Any]) -> None:
    if not asked.get("title", "x").strip():
        raise RefusedError(400, {"title": ["can't be blank"]})
    if len(asked.get("title", "")) > LONGEST_TITLE:
        raise RefusedError(400, {"title": [f"is too long (maximum is {LONGEST_TITLE} characters)"]})
    if len(asked.get("description", "")) > LONGEST_TEXT:
        raise RefusedError(400, {"description": [f"is too long (maximum is {LONGEST_TEXT} characters)"]})


def _label(call: Call, mr: Request, asked: dict[str, Any]) -> None:
    labels = _words(asked["labels"]) if "labels" in asked else list(mr.labels)
    labels += _words(asked.get("add_labels", ""))
    gone = set(_words(asked.get("remove_labels", "")))
    mr.labels = sorted({label for label in labels if label not in gone})
    call.project.labels.update(mr.labels)


def _taken(call: Call, ids: list[int]) -> list[str]:
    known = [user for id_ in dict.fromkeys(ids) if (user := call.user_of(id_))]
    names = [user.username for user in known if call.project.level(user) > 0]
    return names if call.project.multiple else names[:1]


def _check_only(project: Project, source: str, target: str) -> None:
    for mr in project.requests:
        same = (mr.source_branch, mr.target_branch, mr.source_project_id) == (source, target, project.id)
        if same and mr.state == "opened":
            told = f"Another open merge request already exists for this source branch: !{mr.iid}"
            raise RefusedError(409, [told])


def _can_reopen(project: Project, mr: Request) -> bool:
    return mr.state == "closed" and mr.source_branch in project.bare.branches()


def _seen(mr: Request) -> tuple[object, ...]:
    return (
        mr.title,
        mr.description,
        mr.target_branch,
        tuple(mr.labels),
        tuple(mr.reviewers),
        tuple(mr.assignees),
    )


def _words(text: str) -> list[str]:
    return [word for each in text.split(",") if (word := each.strip())]
