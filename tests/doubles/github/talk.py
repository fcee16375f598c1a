"""What the operations on comments, reactions and reviews do, and on what people may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.doubles.github import pull_shapes, state
from tests.doubles.github.access import RefusedError
from tests.doubles.github.calls import REPO, Answer, Call, answers, check_length
from tests.doubles.github.state import Comment, Reaction

if TYPE_CHECKING:
    from tests.doubles.github.state import Repo

NOBODY = "nobody"
"""The login that no account has."""


@answers("GET", f"{REPO}/issues/{{issue_number}}")
def _issue(call: Call) -> Answer:
    return 200, pull_shapes.issue(call.repo, call.pull)


@answers("GET", f"{REPO}/issues/{{issue_number}}/comments")
def _comments(call: Call) -> Answer:
    number = call.pull.number
    found = [said for said in call.repo.comments if said.number == number]
    return 200, [pull_shapes.comment(call.repo, said) for said in call.page(found)]


@answers("POST", f"{REPO}/issues/{{issue_number}}/comments")
def _comment(call: Call) -> Answer:
    check_length(call.body)
    app_id = int(call.access.app_id) if call.token and call.token.of_app else 0
    made = say(call.repo, Comment(call.pull.number, call.body["body"], call.login, app_id))
    return 201, pull_shapes.comment(call.repo, made)


@answers("GET", f"{REPO}/issues/comments/{{comment_id}}")
def _one_comment(call: Call) -> Answer:
    return 200, pull_shapes.comment(call.repo, _said(call))


@answers("PATCH", f"{REPO}/issues/comments/{{comment_id}}")
def _change_comment(call: Call) -> Answer:
    check_length(call.body)
    said = _said(call)
    changes = {"body": {"from": said.body}}
    said.body, said.updated_at = call.body["body"], state.now()
    call.repo.tell(call.repo, "issue_comment", "edited", said, call.login, changes=changes)
    return 200, pull_shapes.comment(call.repo, said)


@answers("GET", f"{REPO}/issues/comments/{{comment_id}}/reactions")
def _reactions(call: Call) -> Answer:
    wanted = call.query.get("content", "")
    found = [each for each in _said(call).reactions if wanted in ("", each.content)]
    return 200, [pull_shapes.reaction(call.repo, each) for each in call.page(found)]


@answers("POST", f"{REPO}/issues/comments/{{comment_id}}/reactions")
def _react(call: Call) -> Answer:
    said, content = _said(call), call.body["content"]
    for each in said.reactions:
        if (each.user, each.content) == (call.login, content):
            return 200, pull_shapes.reaction(call.repo, each)
    said.reactions.append(Reaction(call.login, content))
    return 201, pull_shapes.reaction(call.repo, said.reactions[-1])


@answers("GET", f"{REPO}/pulls/{{pull_number}}/reviews")
def _reviews(call: Call) -> Answer:
    number = call.pull.number
    found = [review for review in call.repo.reviews if review.number == number]
    return 200, [pull_shapes.review(call.repo, review) for review in call.page(found)]


@answers("GET", f"{REPO}/collaborators/{{username}}/permission")
def _permission(call: Call) -> Answer:
    if call.token is None or not call.token.write:
        raise RefusedError(403, "Must have push access to view collaborator permission.")
    if call.names["username"] == NOBODY:
        raise RefusedError(404, f"{NOBODY} is not a user")
    return 200, pull_shapes.permission(call.repo, call.names["username"])


def say(repo: Repo, said: Comment) -> Comment:
    """Write a comment under a pull request."""
    repo.comments.append(said)
    pull = repo.pull(said.number)
    assert pull is not None
    pull.updated_at = state.now()
    repo.tell(repo, "issue_comment", "created", said, said.user)
    return said


def _said(call: Call) -> Comment:
    for said in call.repo.comments:
        if str(said.id) == call.names["comment_id"]:
            return said
    raise RefusedError(404, "Not Found")
