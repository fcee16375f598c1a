"""What GitHub remembers, in the words of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from tests.doubles.github.state import Comment, Label, Pull, Repo

Json = dict[str, Any]
REPO_URLS = (
    "archive assignees blobs branches collaborators comments commits compare contents contributors "
    "deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events "
    "issues keys labels languages merges milestones notifications pulls releases stargazers statuses "
    "subscribers subscription tags teams trees"
)
USER_URLS = "events followers following gists organizations received_events repos starred subscriptions"


def user(login: str, url: str) -> Json:
    here = f"{url}/users/{login.replace('[', '%5B').replace(']', '%5D')}"
    return {
        "login": login,
        "id": 1 + sum(login.encode()),
        "node_id": f"U_{login}",
        "gravatar_id": "",
        "avatar_url": f"{here}/avatar",
        "html_url": here,
        "url": here,
        "site_admin": False,
        "type": "Bot" if login.endswith("[bot]") else "User",
    } | {f"{name}_url": f"{here}/{name}" for name in USER_URLS.split()}


def repository(repo: Repo, *, push: bool = True) -> Json:
    api, opened = _api(repo), sum(pull.state == "open" for pull in repo.pulls)
    numbers = "forks forks_count stargazers_count watchers watchers_count network_count subscribers_count"
    yes = {"has_issues", "has_projects", "has_wiki", "has_downloads"}
    made = time(repo.pulls[0].created_at) if repo.pulls else "2024-01-01T00:00:00Z"
    return (
        {f"{name}_url": f"{api}/{name}" for name in REPO_URLS.split()}
        | dict.fromkeys(numbers.split(), 0)
        | {name: name in yes for name in (*yes, "has_pages", "has_discussions", "fork", "disabled")}
        | {
            "id": repo.id,
            "node_id": f"R_{repo.id}",
            "name": repo.name.partition("/")[2],
            "full_name": repo.name,
            "owner": user(repo.owner, repo.url),
            "private": repo.private,
            "visibility": "private" if repo.private else "public",
            "archived": repo.archived,
            "description": None,
            "homepage": None,
            "language": None,
            "license": None,
            "mirror_url": None,
            "url": api,
            "html_url": repo.html_url,
            "clone_url": f"{repo.html_url}.git",
            "git_url": f"git://localhost/{repo.name}.git",
            "ssh_url": f"git@localhost:{repo.name}.git",
            "svn_url": repo.html_url,
            "size": 1,
            "default_branch": repo.bare.default_branch,
            "open_issues": opened,
            "open_issues_count": opened,
            "pushed_at": made,
            "created_at": "2024-01-01T00:00:00Z",
            "updated_at": made,
            "permissions": {
                "admin": False,
                "maintain": False,
                "push": push,
                "triage": push,
                "pull": True,
            },
        }
    )


def pull_simple(repo: Repo, pull: Pull) -> Json:
    api = f"{_api(repo)}/pulls/{pull.number}"
    issue = f"{_api(repo)}/issues/{pull.number}"
    statuses = f"{_api(repo)}/statuses/{pull.head_sha}"
    links = {
        "self": api,
        "html": pull.html_url,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{api}/comments",
        "review_comment": f"{_api(repo)}/pulls/comments{{/number}}",
        "commits": f"{api}/commits",
        "statuses": statuses,
    }
    people = [user(login, repo.url) for login in pull.assignees]
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
        "user": user(pull.user, repo.url),
        "labels": [label(repo, found) for name in pull.labels if (found := repo.label(name))],
        "assignee": people[0] if people else None,
        "assignees": people,
        "requested_reviewers": [user(login, repo.url) for login in pull.reviewers],
        "requested_teams": [team(repo, slug) for slug in pull.teams],
        "milestone": None,
        "head": _side(repo, pull.head_ref, pull.head_sha),
        "base": _side(repo, pull.base_ref, pull.base_sha),
        "author_association": "COLLABORATOR",
        "auto_merge": None,
        "merge_commit_sha": pull.merge_sha,
        "created_at": time(pull.created_at),
        "updated_at": time(pull.updated_at),
        "closed_at": pull.closed_at and time(pull.closed_at),
        "merged_at": pull.closed_at and time(pull.closed_at) if pull.merged else None,
        "url": api,
        "html_url": pull.html_url,
        "diff_url": f"{pull.html_url}.diff",
        "patch_url": f"{pull.html_url}.patch",
        "issue_url": issue,
        "comments_url": f"{issue}/comments",
        "commits_url": f"{api}/commits",
        "review_comments_url": f"{api}/comments",
        "review_comment_url": f"{_api(repo)}/pulls/comments{{/number}}",
        "statuses_url": statuses,
    }


def pull_full(repo: Repo, pull: Pull) -> Json:
    files, added, gone = repo.bare.size(pull.base_sha, pull.head_sha)
    return pull_simple(repo, pull) | {
        "additions": added,
        "deletions": gone,
        "changed_files": files,
        "commits": repo.bare.ahead(pull.base_sha, pull.head_sha),
        "comments": sum(comment.number == pull.number for comment in repo.comments),
        "review_comments": 0,
        "merged": pull.merged,
        "merged_by": user(pull.closed_by, repo.url) if pull.merged and pull.closed_by else None,
        "mergeable": None if pull.state != "open" else True,
        "mergeable_state": "unknown" if pull.state != "open" else "draft" if pull.draft else "clean",
        "maintainer_can_modify": False,
        "rebaseable": None,
    }


def issue(repo: Repo, pull: Pull) -> Json:
    same = (
        "number state locked title body draft user labels assignee assignees milestone created_at "
        "updated_at closed_at author_association html_url comments_url"
    )
    simple = pull_simple(repo, pull)
    api = f"{_api(repo)}/issues/{pull.number}"
    return {name: simple[name] for name in same.split()} | {
        "id": pull.id,
        "node_id": f"PR_{pull.id}",
        "comments": sum(comment.number == pull.number for comment in repo.comments),
        "events_url": f"{api}/events",
        "labels_url": f"{api}/labels{{/name}}",
        "repository_url": _api(repo),
        "url": api,
        "pull_request": {key: simple[key] for key in ("url", "html_url", "diff_url", "patch_url")},
    }


def label(repo: Repo, found: Label) -> Json:
    return {
        "id": found.id,
        "node_id": f"LA_{found.id}",
        "url": f"{_api(repo)}/labels/{found.name.replace(' ', '%20')}",
        "name": found.name,
        "description": found.description,
        "color": found.color,
        "default": False,
    }


def comment(repo: Repo, said: Comment) -> Json:
    return {
        "id": said.id,
        "node_id": f"IC_{said.id}",
        "url": f"{_api(repo)}/issues/comments/{said.id}",
        "html_url": f"{repo.html_url}/pull/{said.number}#issuecomment-{said.id}",
        "issue_url": f"{_api(repo)}/issues/{said.number}",
        "user": user(said.user, repo.url),
        "body": said.body,
        "author_association": "COLLABORATOR",
        "created_at": time(said.created_at),
        "updated_at": time(said.updated_at),
    }


def team(repo: Repo, slug: str) -> Json:
    api = f"{repo.url}/teams/{slug}"
    return {
        "id": 1 + sum(slug.encode()),
        "node_id": f"T_{slug}",
        "name": slug,
        "slug": slug,
        "description": None,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "push",
        "type": "organization",
        "parent": None,
        "organization_id": 1,
        "url": api,
        "html_url": api,
        "members_url": f"{api}/members{{/member}}",
        "repositories_url": f"{api}/repos",
    }


def installation(repo: Repo, app_id: int) -> Json:
    moment = "2024-01-01T00:00:00Z"
    return {
        "id": repo.id,
        "app_id": app_id,
        "app_slug": "pimainteno",
        "client_id": "Iv1.0000000000000000",
        "target_id": 1,
        "target_type": "User",
        "account": user(repo.owner, repo.url),
        "repository_selection": "selected",
        "access_tokens_url": f"{repo.url}/app/installations/{repo.id}/access_tokens",
        "repositories_url": f"{repo.url}/installation/repositories",
        "html_url": f"{repo.url}/settings/installations/{repo.id}",
        "permissions": {"contents": "write", "pull_requests": "write", "metadata": "read"},
        "events": ["pull_request"],
        "single_file_name": None,
        "suspended_by": None,
        "suspended_at": None,
        "created_at": moment,
        "updated_at": moment,
    }


def branch(repo: Repo, name: str, sha: str) -> Json:
    tree = repo.bare.git("rev-parse", f"{sha}^{{tree}}")
    api = f"{_api(repo)}/commits/{sha}"
    who = {"name": "x", "email": "x@localhost", "date": "2024-01-01T00:00:00Z"}
    return {
        "name": name,
        "protected": False,
        "protection": {"enabled": False},
        "protection_url": f"{_api(repo)}/branches/{name}/protection",
        "_links": {"self": f"{_api(repo)}/branches/{name}", "html": f"{repo.html_url}/tree/{name}"},
        "commit": {
            "sha": sha,
            "node_id": f"C_{sha}",
            "url": api,
            "html_url": f"{repo.html_url}/commit/{sha}",
            "comments_url": f"{api}/comments",
            "author": None,
            "committer": None,
            "parents": [],
            "commit": {
                "url": api,
                "author": who,
                "committer": who,
                "message": repo.bare.git("log", "-1", "--format=%B", sha),
                "comment_count": 0,
                "tree": {"sha": tree, "url": f"{_api(repo)}/git/trees/{tree}"},
            },
        },
    }


def time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _side(repo: Repo, ref: str, sha: str) -> Json:
    who = user(repo.owner, repo.url)
    return {
        "label": f"{repo.owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "repo": repository(repo),
        "user": who,
    }


def _api(repo: Repo) -> str:
    return f"{repo.url}/repos/{repo.name}"
