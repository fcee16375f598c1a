"""Check runs and statuses of commits, in the words of GitHub's answers and deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.doubles.github import shapes

if TYPE_CHECKING:
    from tests.doubles.github.shapes import Json
    from tests.doubles.github.state import Check, Repo, Status


def check_run(repo: Repo, check: Check) -> Json:
    here = f"{shapes.api(repo)}/check-runs/{check.id}"
    return {
        "id": check.id,
        "node_id": f"CR_{check.id}",
        "name": check.name,
        "head_sha": check.sha,
        "external_id": "",
        "url": here,
        "html_url": f"{repo.html_url}/runs/{check.id}",
        "details_url": f"{repo.html_url}/runs/{check.id}",
        "status": check.status,
        "conclusion": check.conclusion,
        "started_at": shapes.time(check.started_at),
        "completed_at": check.completed_at and shapes.time(check.completed_at),
        "output": {
            "title": None,
            "summary": None,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{here}/annotations",
        },
        "check_suite": check_suite(repo, check.sha),
        "app": shapes.app(repo.url, shapes.CHECKER),
        "pull_requests": _pulls(repo, check.sha),
    }


def workflow_run(repo: Repo, check: Check) -> Json:
    suite, workflow = check_suite(repo, check.sha), 1 + sum(check.name.encode())
    here = f"{shapes.api(repo)}/actions/runs/{check.id}"
    urls = {f"{name}_url": f"{here}/{name}" for name in ("jobs", "logs", "cancel", "rerun", "artifacts")}
    return urls | {
        "id": check.id,
        "node_id": f"WFR_{check.id}",
        "name": check.name,
        "display_title": check.name,
        "path": f".github/workflows/{workflow}.yml",
        "workflow_id": workflow,
        "run_number": check.id,
        "event": "pull_request",
        "status": check.status,
        "conclusion": check.conclusion,
        "head_branch": suite["head_branch"],
        "head_sha": check.sha,
        "head_commit": suite["head_commit"],
        "head_repository": shapes.repository(repo),
        "repository": shapes.repository(repo),
        "pull_requests": suite["pull_requests"],
        "url": here,
        "html_url": f"{repo.html_url}/actions/runs/{check.id}",
        "check_suite_url": suite["url"],
        "workflow_url": f"{shapes.api(repo)}/actions/workflows/{workflow}",
        "created_at": shapes.time(check.started_at),
        "updated_at": shapes.time(check.completed_at or check.started_at),
    }


def check_suite(repo: Repo, sha: str) -> Json:
    """Return the only suite of a commit: that of the one App that checks."""
    here = f"{shapes.api(repo)}/check-suites/{int(sha[:8], 16)}"
    runs = [check for check in repo.checks if check.sha == sha]
    ended = all(check.status == "completed" for check in runs)
    failed = [check.conclusion for check in runs if check.conclusion not in ("success", "neutral", "skipped")]
    tree, message = repo.bare.commit(sha)
    return {
        "id": int(sha[:8], 16),
        "node_id": f"CS_{sha[:8]}",
        "head_branch": next((name for name, tip in repo.bare.branches().items() if tip == sha), None),
        "head_sha": sha,
        "status": "completed" if ended else "in_progress",
        "conclusion": (failed[0] if failed else "success") if ended else None,
        "url": here,
        "before": None,
        "after": sha,
        "pull_requests": _pulls(repo, sha),
        "app": shapes.app(repo.url, shapes.CHECKER),
        "created_at": shapes.MOMENT,
        "updated_at": shapes.MOMENT,
        "latest_check_runs_count": len(runs),
        "check_runs_url": f"{here}/check-runs",
        "head_commit": {
            "id": sha,
            "tree_id": tree,
            "message": message,
            "timestamp": shapes.MOMENT,
            "author": shapes.WHO,
            "committer": shapes.WHO,
        },
    }


def status(repo: Repo, given: Status) -> Json:
    return {
        "id": given.id,
        "node_id": f"SC_{given.id}",
        "url": f"{shapes.api(repo)}/statuses/{given.sha}",
        "avatar_url": None,
        "state": given.state,
        "description": given.description,
        "target_url": None,
        "context": given.context,
        "created_at": shapes.time(given.created_at),
        "updated_at": shapes.time(given.created_at),
    }


def combined(repo: Repo, sha: str, page: list[Status]) -> Json:
    here = f"{shapes.api(repo)}/commits/{sha}"
    states = {given.state for given in repo.statuses if given.sha == sha}
    failed = states & {"failure", "error"}
    return {
        # with no status at all GitHub says pending, too
        "state": "failure" if failed else "pending" if "pending" in states or not states else "success",
        "statuses": [status(repo, given) for given in page],
        "sha": sha,
        "total_count": sum(given.sha == sha for given in repo.statuses),
        "repository": shapes.repository(repo),
        "commit_url": here,
        "url": f"{here}/status",
    }


def _pulls(repo: Repo, sha: str) -> list[Json]:
    there = {"id": repo.id, "url": shapes.api(repo), "name": repo.name.partition("/")[2]}
    return [
        {
            "id": pull.id,
            "number": pull.number,
            "url": f"{shapes.api(repo)}/pulls/{pull.number}",
            "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": there},
            "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": there},
        }
        for pull in repo.pulls
        if pull.head_sha == sha
    ]
