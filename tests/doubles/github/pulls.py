"""What the operations on pull requests do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.doubles.github import pull_shapes, state
from tests.doubles.github.access import RefusedError, invalid
from tests.doubles.github.calls import REPO, Answer, Call, answers, check_length

if TYPE_CHECKING:
    from tests.doubles.github.state import Pull, Repo


@answers("GET", f"{REPO}/pulls")
def _pulls(call: Call) -> Answer:
    state_, head, base = (call.query.get(name, "") for name in ("state", "head", "base"))
    found = [
        pull
        for pull in call.repo.pulls
        if (state_ == "all" or (pull.state == "open") == (state_ != "closed"))
        and (":" not in head or head.casefold() == f"{call.repo.owner}:{pull.head_ref}".casefold())
        and base in ("", pull.base_ref)
    ]
    by = "updated_at" if call.query.get("sort") == "updated" else "created_at"
    way = call.query.get("direction") or ("asc" if "sort" in call.query and by != "created_at" else "desc")
    found.sort(key=lambda pull: (getattr(pull, by), pull.number), reverse=way == "desc")
    return 200, [pull_shapes.pull_simple(call.repo, pull) for pull in call.page(found)]


@answers("POST", f"{REPO}/pulls")
def _open(call: Call) -> Answer:
    repo, asked = call.repo, call.body
    owner, _, head = asked["head"].rpartition(":")
    branches = repo.bare.branches()
    if "issue" not in asked and not asked.get("title", "").strip():
        raise invalid("PullRequest", "title", "missing_field")
    if (owner and owner.casefold() != repo.owner.casefold()) or head not in branches:
        raise invalid("PullRequest", "head", "invalid")
    if asked["base"] not in branches:
        raise invalid("PullRequest", "base", "invalid")
    check_length(asked)
    if asked.get("draft") and not repo.drafts:
        raise RefusedError(422, "Draft pull requests are not supported in this repository.")
    if any(
        pull.state == "open" and (pull.head_ref, pull.base_ref) == (head, asked["base"])
        for pull in repo.pulls
    ):
        raise _custom(f"A pull request already exists for {repo.owner}:{head}.")
    if not repo.bare.ahead(branches[asked["base"]], branches[head]):
        raise _custom(f"No commits between {asked['base']} and {head}")
    draft = bool(asked.get("draft"))
    text = asked.get("body") or ""
    pull = repo.open(asked["title"], text, head, asked["base"], draft=draft, user=call.login)
    return 201, pull_shapes.pull_full(repo, pull)


@answers("GET", f"{REPO}/pulls/{{pull_number}}")
def _pull(call: Call) -> Answer:
    return 200, pull_shapes.pull_full(call.repo, call.pull)


@answers("PATCH", f"{REPO}/pulls/{{pull_number}}")
def _change(call: Call) -> Answer:
    repo, pull, asked = call.repo, call.pull, call.body or {}
    check_length(asked)
    if asked.get("base", pull.base_ref) not in repo.bare.branches():
        raise invalid("PullRequest", "base", "invalid")
    wanted = asked.get("state")
    if wanted == "open" and pull.state != "open":
        _check_reopening(repo, pull)
    edit(repo, pull, call.login, **{key: asked[key] for key in ("title", "body", "base") if key in asked})
    if wanted == "closed" and pull.state == "open":
        repo.end(pull, call.login)
    elif wanted == "open" and pull.state == "closed":
        repo.reopen(pull, call.login)
    return 200, pull_shapes.pull_full(repo, pull)


def edit(repo: Repo, pull: Pull, user: str, **new: str | None) -> None:
    """Change title, body or base, and tell of what is other than before."""
    old = {"title": pull.title, "body": pull.body, "base": pull.base_ref}
    now = old | {key: value or "" for key, value in new.items()}
    pull.title, pull.body, pull.base_ref = now["title"], now["body"], now["base"]
    pull.updated_at = state.now()
    changes: dict[str, Any] = {key: {"from": old[key]} for key in ("title", "body") if now[key] != old[key]}
    if now["base"] != old["base"]:
        changes["base"] = {"ref": {"from": old["base"]}, "sha": {"from": pull.base_sha}}
        pull.base_sha = repo.bare.branches()[now["base"]]
    if changes:
        repo.tell(repo, "pull_request", "edited", pull, user, changes=changes)


def _check_reopening(repo: Repo, pull: Pull) -> None:
    head = repo.bare.branches().get(pull.head_ref)
    said = ""
    if pull.merged:
        said = "The pull request cannot be reopened."
    elif head is None:
        said = f"The {pull.head_ref} branch has been deleted."
    elif head != pull.head_sha and repo.bare.ahead(head, pull.head_sha):
        said = f"The {pull.head_ref} branch was force-pushed or recreated."
    elif any(each.state == "open" and each.head_ref == pull.head_ref for each in repo.pulls):
        said = f"A pull request already exists for {repo.owner}:{pull.head_ref}."
    if said:
        raise invalid("PullRequest", "state", "invalid", f"state cannot be changed. {said}")


@answers("GET", f"{REPO}/pulls/{{pull_number}}/requested_reviewers")
def _asked_reviewers(call: Call) -> Answer:
    simple = pull_shapes.pull_simple(call.repo, call.pull)
    return 200, {"users": simple["requested_reviewers"], "teams": simple["requested_teams"]}


@answers("POST", f"{REPO}/pulls/{{pull_number}}/requested_reviewers")
def _ask_reviewers(call: Call) -> Answer:
    repo, pull, asked = call.repo, call.pull, call.body or {}
    people, teams = asked.get("reviewers", []), asked.get("team_reviewers", [])
    if pull.user in people:
        raise RefusedError(422, "Review cannot be requested from pull request author.")
    if not repo.collaborators.issuperset(people) or not repo.teams.issuperset(teams):
        raise RefusedError(
            422,
            "Reviews may only be requested from collaborators. One or more of the users or teams you "
            f"specified is not a collaborator of the {repo.name} repository.",
        )
    pull.reviewers = list(dict.fromkeys([*pull.reviewers, *people]))
    pull.teams = list(dict.fromkeys([*pull.teams, *teams]))
    return 201, pull_shapes.pull_simple(repo, pull)


@answers("POST", f"{REPO}/issues/{{issue_number}}/assignees")
def _assign(call: Call) -> Answer:
    people = [who if isinstance(who, str) else who["login"] for who in (call.body or {}).get("assignees", [])]
    taken = [who for who in people if who in call.repo.collaborators]  # others are left out without a word
    call.pull.assignees = list(dict.fromkeys([*call.pull.assignees, *taken]))
    return 201, pull_shapes.issue(call.repo, call.pull)


def _custom(message: str) -> RefusedError:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return RefusedError(422, "Validation Failed", [error])
