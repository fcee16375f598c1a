"""What GitHub remembers, in the words of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from tests.doubles.github.state import Label, Repo
    from tests.doubles.github.webhooks import Hook

Json = dict[str, Any]
MOMENT = "2024-01-01T00:00:00Z"
WHO = {"name": "x", "email": "x@localhost"}
CHECKER = 15368
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


def whole_user(login: str, url: str) -> Json:
    """Return an account as its own owner sees it."""
    numbers = "collaborators disk_usage followers following owned_private_repos private_gists public_gists"
    return (
        user(login, url)
        | dict.fromkeys(("bio", "blog", "company", "email", "hireable", "location", "name"))
        | dict.fromkeys(f"{numbers} public_repos total_private_repos".split(), 0)
        | {"two_factor_authentication": True, "created_at": MOMENT, "updated_at": MOMENT}
    )


def repository(repo: Repo, *, push: bool = True) -> Json:
    here, opened = api(repo), sum(pull.state == "open" for pull in repo.pulls)
    numbers = "forks forks_count stargazers_count watchers watchers_count network_count subscribers_count"
    yes = {"has_issues", "has_projects", "has_wiki", "has_downloads"}
    made = time(repo.pulls[0].created_at) if repo.pulls else MOMENT
    return (
        {f"{name}_url": f"{here}/{name}" for name in REPO_URLS.split()}
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
            "url": here,
            "html_url": repo.html_url,
            "clone_url": f"{repo.html_url}.git",
            "git_url": f"git://localhost/{repo.name}.git",
            "ssh_url": f"git@localhost:{repo.name}.git",
            "svn_url": repo.html_url,
            "size": 1,
            "topics": [],
            "custom_properties": {},
            "is_template": False,
            "web_commit_signoff_required": False,
            "default_branch": repo.bare.default_branch,
            "open_issues": opened,
            "open_issues_count": opened,
            "pushed_at": made,
            "created_at": MOMENT,
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


def label(repo: Repo, found: Label) -> Json:
    return {
        "id": found.id,
        "node_id": f"LA_{found.id}",
        "url": f"{api(repo)}/labels/{found.name.replace(' ', '%20')}",
        "name": found.name,
        "description": found.description,
        "color": found.color,
        "default": False,
    }


def team(repo: Repo, slug: str) -> Json:
    here = f"{repo.url}/teams/{slug}"
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
        "url": here,
        "html_url": here,
        "members_url": f"{here}/members{{/member}}",
        "repositories_url": f"{here}/repos",
    }


def installation(repo: Repo, app_id: int) -> Json:
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
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }


def hook(repo: Repo, made: Hook) -> Json:
    here = f"{api(repo)}/hooks/{made.id}"
    config = {"url": made.url, "content_type": made.content_type, "insecure_ssl": "0"}
    return {
        "type": "Repository",
        "id": made.id,
        "name": "web",
        "active": made.active,
        "events": sorted(made.events),
        "config": config | ({"secret": "********"} if made.secret else {}),
        "url": here,
        "test_url": f"{here}/test",
        "ping_url": f"{here}/pings",
        "deliveries_url": f"{here}/deliveries",
        "last_response": {"code": None, "status": "unused", "message": None},
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }


def branch(repo: Repo, name: str, sha: str) -> Json:
    here = f"{api(repo)}/branches/{name}"
    return {
        "name": name,
        "protected": False,
        "protection": {"enabled": False},
        "protection_url": f"{here}/protection",
        "_links": {"self": here, "html": f"{repo.html_url}/tree/{name}"},
        "commit": commit(repo, sha),
    }


def commit(repo: Repo, sha: str) -> Json:
    here = f"{api(repo)}/commits/{sha}"
    tree, message = repo.bare.commit(sha)
    return {
        "sha": sha,
        "node_id": f"C_{sha}",
        "url": here,
        "html_url": f"{repo.html_url}/commit/{sha}",
        "comments_url": f"{here}/comments",
        "author": None,
        "committer": None,
        "parents": [],
        "commit": {
            "url": here,
            "author": WHO | {"date": MOMENT},
            "committer": WHO | {"date": MOMENT},
            "message": message,
            "comment_count": 0,
            "tree": {"sha": tree, "url": f"{api(repo)}/git/trees/{tree}"},
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        },
    }


def app(url: str, app_id: int) -> Json:
    """Return an App: ours, or the one that runs checks."""
    slug = "pimainteno" if app_id != CHECKER else "checker"
    return {
        "id": app_id,
        "slug": slug,
        "node_id": f"A_{app_id}",
        "owner": user("octocat", url),
        "name": slug,
        "description": "",
        "external_url": f"{url}/apps/{slug}",
        "html_url": f"{url}/apps/{slug}",
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "permissions": {"contents": "write", "checks": "write"},
        "events": ["push"],
    }


def time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def api(repo: Repo) -> str:
    return f"{repo.url}/repos/{repo.name}"
