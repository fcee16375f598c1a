"""What the operations on check runs and statuses do."""

from __future__ import annotations

from tests.doubles.github import check_shapes
from tests.doubles.github.access import RefusedError
from tests.doubles.github.calls import REPO, Answer, Call, answers


@answers("GET", f"{REPO}/commits/{{ref}}/check-runs")
def _checks(call: Call) -> Answer:
    if call.token and not call.token.checks:
        needs = {"X-Accepted-GitHub-Permissions": "checks=read"}
        raise RefusedError(403, "Resource not accessible by personal access token", headers=needs)
    sha = _sha(call)
    found = [check for check in call.repo.checks if check.sha == sha]
    runs = [check_shapes.check_run(call.repo, check) for check in call.page(found)]
    return 200, {"total_count": len(found), "check_runs": runs}


@answers("GET", f"{REPO}/actions/runs")
def _runs(call: Call) -> Answer:
    """Answer as though each check were the only job of a workflow of its name; the newest comes first."""
    if call.token and not call.token.actions:
        needs = {"X-Accepted-GitHub-Permissions": "actions=read"}
        raise RefusedError(403, "Resource not accessible by personal access token", headers=needs)
    sha = call.query.get("head_sha")
    found = [check for check in call.repo.checks if sha in (None, check.sha)][::-1]
    runs = [check_shapes.workflow_run(call.repo, check) for check in call.page(found)]
    return 200, {"total_count": len(found), "workflow_runs": runs}


@answers("GET", f"{REPO}/commits/{{ref}}/status")
def _status(call: Call) -> Answer:
    sha = _sha(call)
    given = [status for status in call.repo.statuses if status.sha == sha]
    return 200, check_shapes.combined(call.repo, sha, call.page(given))


def _sha(call: Call) -> str:
    if sha := call.repo.bare.sha(call.names["ref"]):
        return sha
    raise RefusedError(422, f"No commit found for SHA: {call.names['ref']}")
