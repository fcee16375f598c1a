"""What CI and reviewers say on GitHub, each folded to one word."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import respx

from app.core.errors import ForgeAccessError
from tests.doubles.github import Fault, GitHub
from tests.worker.forges.github_place import BRANCH, REPO, TOKEN, Clock, forge_of, mended
from tests.worker.forges.github_routes import API, make
from worker.forges.base import Remote, Standing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.doubles.origin import Origin
    from worker.forges.github.forge import GitHubForge


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return mended(tmp_path / "owner")


@pytest.fixture
async def github(tmp_path: Path, origin: Origin) -> AsyncIterator[GitHub]:
    async with GitHub(tmp_path / "hub", repos={REPO: origin.bare}, token=TOKEN) as github:
        yield github


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forge(github: GitHub, clock: Clock) -> GitHubForge:
    return forge_of(github, clock)


@pytest.fixture
def api() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=API, assert_all_called=False) as router:
        yield router


@pytest.fixture
def number(github: GitHub) -> int:
    return github.open(REPO, BRANCH, title="Mend it", by="me").number


async def read(forge: GitHubForge, number: int = 1) -> Remote:
    there = await forge.read(number)
    assert there is not None
    return there


NOTHING = Standing()


async def test_nothing_said_is_none(forge: GitHubForge, number: int) -> None:
    assert await forge.standing(await read(forge)) == NOTHING
    assert await forge.standing(replace(await read(forge), head="")) == NOTHING
    assert await forge.standing(replace(await read(forge), head="9" * 40)) == NOTHING


CI: dict[str, tuple[dict[str, str | None], dict[str, str], str, set[str]]] = {
    "all well": ({"a": "success", "b": "skipped"}, {"c": "success"}, "success", set()),
    "neutral alone": ({"a": "neutral"}, {}, "success", set()),
    "one goes on": ({"a": "success", "b": None}, {}, "pending", set()),
    "a status waits": ({"a": "success"}, {"c": "pending"}, "pending", set()),
    "statuses alone": ({}, {"c": "success"}, "success", set()),
    "one fails, one goes on": ({"a": None, "b": "failure"}, {}, "failure", {"b"}),
    "ways to fail": (
        {"a": "timed_out", "b": "cancelled", "c": "action_required", "d": "success"},
        {"e": "error", "f": "failure", "g": "success"},
        "failure",
        {"a", "b", "c", "e", "f"},
    ),
}


@pytest.mark.parametrize("name", CI)
async def test_ci_is_folded_to_one_word(forge: GitHubForge, github: GitHub, number: int, name: str) -> None:
    checks, statuses, ci, failing = CI[name]
    for check, conclusion in checks.items():
        github.check(REPO, 1, check, conclusion)
    for context, state in statuses.items():
        github.status(REPO, 1, context, state)
    found = await forge.standing(await read(forge))
    assert (found.ci, set(found.failing)) == (ci, failing)


@pytest.mark.parametrize(
    ("run", "ci"),
    [
        ({"status": "completed", "conclusion": "stale"}, "success"),
        ({"status": "completed", "conclusion": "startup_failure"}, "failure"),
        ({"status": "completed", "conclusion": "brand_new"}, "success"),
        ({"status": "waiting", "conclusion": None}, "pending"),
        ({}, "pending"),
    ],
)
async def test_words_of_ci_that_the_description_lacks(
    api: respx.MockRouter, run: dict[str, Any], ci: str
) -> None:
    api.get(url__regex=r"/check-runs").respond(json={"total_count": 1, "check_runs": [{"name": "a"} | run]})
    api.get(url__regex=r"/status").respond(json={"state": "pending", "statuses": []})
    api.get(url__regex=r"/reviews").respond(json=[])
    assert (await make().standing(Remote(1, "u", head="1" * 40))).ci == ci


async def test_ci_of_the_head_before_does_not_count(
    forge: GitHubForge, github: GitHub, origin: Origin, number: int
) -> None:
    github.check(REPO, 1, "build", "failure")
    origin.commit({"app.py": "3\n"}, to=BRANCH)
    assert (await forge.standing(await read(forge))).ci == "none"


async def test_many_checks_are_all_read(forge: GitHubForge, github: GitHub, number: int) -> None:
    for each in range(100):
        github.check(REPO, 1, f"check {each}", "success")
    github.check(REPO, 1, "the last", "failure")
    assert (await forge.standing(await read(forge))).failing == ("the last",)


@pytest.mark.parametrize("name", CI)
async def test_a_token_that_cannot_see_checks_sees_the_runs_of_workflows(
    github: GitHub, clock: Clock, number: int, name: str
) -> None:
    github.allow("github_pat_fine", checks=False)
    forge = forge_of(github, clock, "github_pat_fine")
    checks, statuses, ci, failing = CI[name]
    for check, conclusion in checks.items():
        github.check(REPO, 1, check, conclusion)
    for context, state in statuses.items():
        github.status(REPO, 1, context, state)
    found = await forge.standing(await read(forge))
    assert (found.ci, set(found.failing)) == (ci, failing)


async def test_runs_of_workflows_on_another_commit_do_not_count(
    github: GitHub, clock: Clock, number: int, origin: Origin
) -> None:
    github.allow("github_pat_fine", checks=False)
    forge = forge_of(github, clock, "github_pat_fine")
    github.check(REPO, 1, "build", "failure")
    github.check(REPO, origin.commit({"app.py": "3\n"}, to=BRANCH), "build", "success")
    assert (await forge.standing(await read(forge))).ci == "success"


async def test_the_newest_run_of_a_workflow_counts_for_each_event(api: respx.MockRouter) -> None:
    def run(workflow: int, event: str, conclusion: str) -> dict[str, Any]:
        words = {"name": f"{workflow} on {event}", "workflow_id": workflow, "event": event}
        return words | {"status": "completed", "conclusion": conclusion}

    runs = [
        run(1, "push", "success"),
        run(1, "push", "cancelled"),
        run(1, "pull_request", "failure"),
        run(2, "push", "success"),
    ]
    api.get(url__regex=r"/check-runs").respond(403, json={"message": "Resource not accessible"})
    api.get(url__regex=r"/actions/runs").respond(json={"total_count": 4, "workflow_runs": runs})
    api.get(url__regex=r"/status").respond(json={"state": "pending", "statuses": []})
    api.get(url__regex=r"/reviews").respond(json=[])
    found = await make().standing(Remote(1, "u", head="1" * 40))
    assert (found.ci, found.failing) == ("failure", ("1 on pull_request",))


async def test_a_token_that_may_see_neither_checks_nor_runs_sees_statuses(
    github: GitHub, clock: Clock, number: int
) -> None:
    github.allow("ghp_less", checks=False, actions=False)
    forge = forge_of(github, clock, "ghp_less")
    github.check(REPO, 1, "build", "failure")
    github.status(REPO, 1, "deploy", "pending")
    assert (await forge.standing(await read(forge))).ci == "pending"
    github.fault("GET", r"/check-runs", Fault.error(401, "Bad credentials"))
    with pytest.raises(ForgeAccessError, match="make a new token"):
        await forge.standing(await read(forge))


REVIEWS: dict[str, tuple[list[tuple[str, str]], str, tuple[str, ...]]] = {
    "approved": ([("octocat", "APPROVED")], "approved", ("octocat",)),
    "a comment changes nothing": (
        [("octocat", "APPROVED"), ("octocat", "COMMENTED")],
        "approved",
        ("octocat",),
    ),
    "the last word counts": (
        [("octocat", "CHANGES_REQUESTED"), ("octocat", "APPROVED")],
        "approved",
        ("octocat",),
    ),
    "taken back": ([("octocat", "APPROVED"), ("octocat", "DISMISSED")], "none", ()),
    "taken back after another": (
        [("octocat", "CHANGES_REQUESTED"), ("octocat", "APPROVED"), ("octocat", "DISMISSED")],
        "none",
        (),
    ),
    "one of them objects": (
        [("me", "APPROVED"), ("octocat", "CHANGES_REQUESTED"), ("hubot", "APPROVED")],
        "changes_requested",
        ("octocat",),
    ),
    "both": ([("octocat", "APPROVED"), ("hubot", "APPROVED")], "approved", ("octocat", "hubot")),
    "a stranger": ([("stranger", "APPROVED"), ("stranger", "CHANGES_REQUESTED")], "none", ()),
    "only comments": ([("octocat", "COMMENTED")], "none", ()),
}


@pytest.mark.parametrize("name", REVIEWS)
async def test_reviews_are_folded_to_one_word(
    forge: GitHubForge, github: GitHub, number: int, name: str
) -> None:
    given, review, reviewers = REVIEWS[name]
    github.repo(REPO).collaborators.add("hubot")
    for who, state in given:
        github.review(REPO, 1, who, state)
    found = await forge.standing(await read(forge))
    assert (found.review, found.reviewers) == (review, reviewers)
