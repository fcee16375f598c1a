"""Pull requests and what people say of them, in the words of GitHub's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.doubles.github import shapes

if TYPE_CHECKING:
    from tests.doubles.github.shapes import Json
    from tests.doubles.github.state import Comment, Pull, Reaction, Repo, Review


def pull_simple(repo: Repo, pull: Pull) -> Json:
    api = f"{shapes.api(repo)}/pulls/{pull.number}"
    issue = f"{shapes.api(repo)}/issues/{pull.number}"
    statuses = f"{shapes.api(repo)}/statuses/{pull.head_sha}"
    links = {
        "self": api,
        "html": pull.html_url,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{api}/comments",
        "review_comment": f"{shapes.api(repo)}/pulls/comments{{/number}}",
        "commits": f"{api}/commits",
        "statuses": statuses,
    }
    people = [shapes.user(login, repo.url) for login in pull.assignees]
    return {
        "_links": {name: {"href": link} for name, link in links.items()},
        "id": pull.id,
        "node_id": f"PR_{pull.id}",
        "number": pull.number,
        "state": "open" if pull.state == "open" else "closed",
        "locked": False,
        "title": pull.title,
        "body": pull.body or None,
        "draft": pull.draft,
        "user": shapes.user(pull.user, repo.url),
        "labels": [shapes.label(repo, found) for name in pull.labels if (found := repo.label(name))],
        "assignee": people[0] if people else None,
        "assignees": people,
        "requested_reviewers": [shapes.user(login, repo.url) for login in pull.reviewers],
        "requested_teams": [shapes.team(repo, slug) for slug in pull.teams],
        "milestone": None,
        "head": _side(repo, pull.head_ref, pull.head_sha),
        "base": _side(repo, pull.base_ref, pull.base_sha),
        "author_association": repo.association(pull.user),
        "auto_merge": None,
        "active_lock_reason": None,
        # of an open one it is a trial merge that no branch has
        "merge_commit_sha": pull.merge_sha or ("5e" * 20 if pull.state == "open" else None),
        "created_at": shapes.time(pull.created_at),
        "updated_at": shapes.time(pull.updated_at),
        "closed_at": pull.closed_at and shapes.time(pull.closed_at),
        "merged_at": pull.closed_at and shapes.time(pull.closed_at) if pull.merged else None,
        "url": api,
        "html_url": pull.html_url,
        "diff_url": f"{pull.html_url}.diff",
        "patch_url": f"{pull.html_url}.patch",
        "issue_url": issue,
        "comments_url": f"{issue}/comments",
        "commits_url": f"{api}/commits",
        "review_comments_url": f"{api}/comments",
        "review_comment_url": f"{shapes.api(repo)}/pulls/comments{{/number}}",
        "statuses_url": statuses,
    }


def pull_full(repo: Repo, pull: Pull) -> Json:
    files, added, gone = repo.bare.size(pull.base_sha, pull.head_sha)
    mergeable = None
    if pull.state == "open" and not repo.thinks:
        mergeable = repo.bare.fits(pull.base_sha, pull.head_sha)
    words = {None: "unknown", False: "dirty", True: "draft" if pull.draft else "clean"}
    return pull_simple(repo, pull) | {
        "additions": added,
        "deletions": gone,
        "changed_files": files,
        "commits": repo.bare.ahead(pull.base_sha, pull.head_sha),
        "comments": sum(comment.number == pull.number for comment in repo.comments),
        "review_comments": 0,
        "merged": pull.merged,
        "merged_by": shapes.user(pull.closed_by, repo.url) if pull.merged and pull.closed_by else None,
        "mergeable": mergeable,
        "mergeable_state": words[mergeable],
        "maintainer_can_modify": False,
        "rebaseable": None,
    }


def issue(repo: Repo, pull: Pull) -> Json:
    same = (
        "number state locked title body draft user labels assignee assignees milestone created_at "
        "updated_at closed_at author_association html_url comments_url"
    )
    simple = pull_simple(repo, pull)
    api = f"{shapes.api(repo)}/issues/{pull.number}"
    return {name: simple[name] for name in same.split()} | {
        "id": pull.id,
        "node_id": f"PR_{pull.id}",
        "comments": sum(comment.number == pull.number for comment in repo.comments),
        "events_url": f"{api}/events",
        "labels_url": f"{api}/labels{{/name}}",
        "repository_url": shapes.api(repo),
        "url": api,
        "active_lock_reason": None,
        "closed_by": shapes.user(pull.closed_by, repo.url) if pull.closed_by else None,
        "reactions": _rollup(api, []),
        "pull_request": {key: simple[key] for key in ("url", "html_url", "diff_url", "patch_url")},
    }


def comment(repo: Repo, said: Comment) -> Json:
    here = f"{shapes.api(repo)}/issues/comments/{said.id}"
    return {
        "id": said.id,
        "node_id": f"IC_{said.id}",
        "url": here,
        "html_url": f"{repo.html_url}/pull/{said.number}#issuecomment-{said.id}",
        "issue_url": f"{shapes.api(repo)}/issues/{said.number}",
        "user": shapes.user(said.user, repo.url),
        "body": said.body,
        "author_association": repo.association(said.user),
        "performed_via_github_app": shapes.app(repo.url, said.app_id) if said.app_id else None,
        "reactions": _rollup(here, said.reactions),
        "created_at": shapes.time(said.created_at),
        "updated_at": shapes.time(said.updated_at),
    }


def reaction(repo: Repo, made: Reaction) -> Json:
    return {
        "id": made.id,
        "node_id": f"REA_{made.id}",
        "user": shapes.user(made.user, repo.url),
        "content": made.content,
        "created_at": shapes.time(made.created_at),
    }


def review(repo: Repo, made: Review) -> Json:
    pull = f"{shapes.api(repo)}/pulls/{made.number}"
    html = f"{repo.html_url}/pull/{made.number}#pullrequestreview-{made.id}"
    return {
        "id": made.id,
        "node_id": f"PRR_{made.id}",
        "user": shapes.user(made.user, repo.url),
        "body": made.body,
        "state": made.state,
        "commit_id": made.sha,
        "author_association": repo.association(made.user),
        "submitted_at": shapes.time(made.submitted_at),
        "html_url": html,
        "pull_request_url": pull,
        "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
    }


def permission(repo: Repo, login: str) -> Json:
    role = repo.role(login)
    rights = {"admin": 4, "maintain": 3, "write": 2, "triage": 1, "read": 0, "none": -1}
    old = {"maintain": "write", "triage": "read"}.get(role, role)
    return {
        "permission": old,
        "role_name": role,
        "user": shapes.user(login, repo.url)
        | {
            "role_name": role,
            "permissions": {
                "admin": rights[role] >= 4,
                "maintain": rights[role] >= 3,
                "push": rights[role] >= 2,
                "triage": rights[role] >= 1,
                "pull": rights[role] >= 0,
            },
        },
    }


def _rollup(url: str, made: list[Reaction]) -> Json:
    kinds = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")
    counts = {kind: sum(each.content == kind for each in made) for kind in kinds}
    return {"url": f"{url}/reactions", "total_count": len(made), **counts}


def _side(repo: Repo, ref: str, sha: str) -> Json:
    who = shapes.user(repo.owner, repo.url)
    return {
        "label": f"{repo.owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "repo": shapes.repository(repo),
        "user": who,
    }
