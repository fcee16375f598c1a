"""What each event's delivery says, besides the repository and who did it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.doubles.github import check_shapes, pull_shapes, shapes
from tests.doubles.github.state import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doubles.github.shapes import Json
    from tests.doubles.github.state import Check, Comment, Pull, Repo, Review, Status
    from tests.doubles.github.webhooks import Hook

CHANGED = "changes"


def payload(repo: Repo, event: str, action: str, subject: Any, user: str, **more: Any) -> Json:
    """Return the whole payload of an event."""
    said = {"action": action} if action else {}
    ends = {"repository": shapes.repository(repo), "sender": shapes.user(user, repo.url)}
    changes = {CHANGED: more.pop(CHANGED)} if CHANGED in more else {}
    return said | EVENTS[event](repo, subject, **more) | changes | ends


def _pull_request(repo: Repo, pull: Pull, **between: str) -> Json:
    return {"number": pull.number, "pull_request": pull_shapes.pull_full(repo, pull)} | between


def _review(repo: Repo, review: Review) -> Json:
    pull = repo.pull(review.number)
    assert pull is not None
    said = pull_shapes.review(repo, review)
    said["state"] = said["state"].lower()  # the API and the deliveries differ in this
    return {"review": said, "pull_request": pull_shapes.pull_simple(repo, pull)}


def _issue_comment(repo: Repo, comment: Comment) -> Json:
    pull = repo.pull(comment.number)
    assert pull is not None
    return {"issue": pull_shapes.issue(repo, pull), "comment": pull_shapes.comment(repo, comment)}


def _check_run(repo: Repo, check: Check) -> Json:
    return {"check_run": check_shapes.check_run(repo, check)}


def _check_suite(repo: Repo, sha: str) -> Json:
    return {"check_suite": check_shapes.check_suite(repo, sha)}


def _status(repo: Repo, given: Status) -> Json:
    said = check_shapes.status(repo, given)
    there = [name for name, tip in repo.bare.branches().items() if tip == given.sha]
    here = f"{shapes.api(repo)}/commits/{given.sha}"
    return {key: said[key] for key in said if key not in ("node_id", "url")} | {
        "sha": given.sha,
        "name": repo.name,
        "commit": shapes.commit(repo, given.sha),
        "branches": [
            {"name": name, "commit": {"sha": given.sha, "url": here}, "protected": False} for name in there
        ],
    }


def _push(repo: Repo, branch: str, *, before: str, after: str) -> Json:
    there = NOBODY not in (before, after)
    gone = after == NOBODY
    commit = None if gone else _pushed(repo, after)
    return {
        "ref": f"refs/heads/{branch}",
        "before": before,
        "after": after,
        "created": before == NOBODY,
        "deleted": gone,
        "forced": there and bool(repo.bare.ahead(after, before)),
        "base_ref": None,
        "compare": f"{repo.html_url}/compare/{before[:12]}...{after[:12]}",
        "commits": [commit] if commit else [],
        "head_commit": commit,
        "pusher": shapes.WHO,
    }


def _pushed(repo: Repo, sha: str) -> Json:
    tree, message = repo.bare.commit(sha)
    return {
        "id": sha,
        "tree_id": tree,
        "distinct": True,
        "message": message,
        "timestamp": shapes.MOMENT,
        "url": f"{repo.html_url}/commit/{sha}",
        "author": shapes.WHO,
        "committer": shapes.WHO,
        "added": [],
        "modified": [],
        "removed": [],
    }


def _delete(repo: Repo, branch: str) -> Json:
    return {"ref": branch, "ref_type": "branch", "pusher_type": "user"}


def _repository(repo: Repo, name: str) -> Json:
    return {}


def _ping(repo: Repo, hook: Hook) -> Json:
    return {"zen": "Speak like a human.", "hook_id": hook.id, "hook": shapes.hook(repo, hook)}


EVENTS: dict[str, Callable[..., Json]] = {
    "check_run": _check_run,
    "check_suite": _check_suite,
    "delete": _delete,
    "issue_comment": _issue_comment,
    "ping": _ping,
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "push": _push,
    "repository": _repository,
    "status": _status,
}
