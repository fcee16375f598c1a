"""What people and CI do on the GitHub double, what is told of it, and how deliveries go wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.doubles.conftest import DRAFT, NAME, REPO, client, listener
from tests.doubles.github import GitHub, schema
from tests.doubles.github.calls import HANDLERS

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.doubles.origin import Origin

PULL = f"{REPO}/pulls/1"
HOOK = {"url": "https://bot.example/hook", "content_type": "json", "secret": "s", "insecure_ssl": "0"}
ASKED = {"name": "web", "active": True, "events": ["push"], "config": HOOK}


@pytest.fixture
def pull(web: httpx.Client) -> int:
    number: int = web.post(f"{REPO}/pulls", json=DRAFT).raise_for_status().json()["number"]
    return number


@pytest.fixture
def told(github: GitHub, pull: int) -> list[tuple[str, str]]:
    """Return what is told from now on, which is sent nowhere."""
    github.webhooks.hold()
    github.webhook("http://127.0.0.1:9/hook", "secret")
    return []


def _told(github: GitHub) -> list[tuple[str, str]]:
    held = [(each.event, each.action) for each in github.webhooks.held]
    github.webhooks.held.clear()
    return held


def test_the_double_plays_every_operation_that_it_describes() -> None:
    assert HANDLERS.keys() == schema.operations().keys()


WRONG: dict[str, tuple[str, str, Any]] = {
    "a reaction that is none": ("POST", f"{REPO}/issues/comments/1/reactions", {"content": "thumbsup"}),
    "a reaction without content": ("POST", f"{REPO}/issues/comments/1/reactions", {}),
    "a comment's id is text": ("POST", f"{REPO}/issues/comments/one/reactions", {"content": "+1"}),
    "events is text": ("POST", f"{REPO}/hooks", ASKED | {"events": "push"}),
    "url beside config": ("POST", f"{REPO}/hooks", {"url": HOOK["url"]}),
    "a hook without a body": ("PATCH", f"{REPO}/hooks/1", None),
    "a body for DELETE": ("DELETE", f"{REPO}/hooks/1", {"id": 1}),
    "reviews since": ("GET", f"{PULL}/reviews?since=2026-01-01T00:00:00Z", None),
    "filter is wrong": ("GET", f"{REPO}/commits/main/check-runs?filter=newest", None),
    "status of runs is wrong": ("GET", f"{REPO}/actions/runs?status=broken", None),
    "all of the issue": ("GET", f"{REPO}/issues/1?comments=true", None),
    "permission of all": ("GET", f"{REPO}/collaborators/permission", None),
    "users": ("GET", "/users/me", None),
}


def test_wrong_requests_cannot_be_ignored(place: Path, origin: Origin) -> None:
    with (
        pytest.raises(AssertionError, match="GitHub would not take this") as raised,
        GitHub(place / "hub", repos={NAME: origin.bare}) as github,
        client(github) as web,
    ):
        for number, (name, (method, path, body)) in enumerate(WRONG.items(), 1):
            sent = {} if body is None else {"json": body}
            assert (name, web.request(method, path, **sent).status_code) == (name, 500)
            assert len(github.violations) == number
        assert not github.webhooks.hooks
    assert len(str(raised.value).splitlines()) == 1 + len(WRONG)


def test_a_wrong_delivery_cannot_be_ignored(place: Path, origin: Origin) -> None:
    with (
        pytest.raises(AssertionError, match=r"delivery pull_request\$opened: number"),
        GitHub(place / "hub", repos={NAME: origin.bare}) as github,
    ):
        github.webhooks.hold()
        github.webhook("http://127.0.0.1:9/hook", "secret")
        pull = github.open(NAME, "fix")
        pull.number = "1"  # type: ignore[assignment]
        github.webhooks.tell(github.repo(NAME), "pull_request", "opened", pull, "me")


def test_what_people_do_to_a_pull_request_is_told(
    github: GitHub, origin: Origin, told: list[tuple[str, str]]
) -> None:
    origin.git("push", "--quiet", "origin", "origin/main:refs/heads/stable")
    github.pulls(NAME)
    assert _told(github) == [("push", "")]
    github.ready(NAME, 1)
    github.edit(NAME, 1, title="Better")
    github.retarget(NAME, 1, "stable")
    (edited,) = [each for each in github.webhooks.held if "base" in each.payload.get("changes", {})]
    assert edited.payload["changes"]["base"]["ref"] == {"from": "main"}
    assert edited.payload["pull_request"]["base"]["ref"] == "stable"
    origin.commit({"a.txt": "3\n"}, to="fix")
    github.review(NAME, 1, "octocat", "CHANGES_REQUESTED")
    assert github.webhooks.held[-1].payload["review"]["state"] == "changes_requested"
    github.review(NAME, 1, "octocat", "DISMISSED")
    github.comment(NAME, 1, "Hm")
    github.close(NAME, 1)
    github.reopen(NAME, 1)
    github.merge(NAME, 1)
    assert _told(github) == [
        ("pull_request", "ready_for_review"),
        ("pull_request", "edited"),
        ("pull_request", "edited"),
        ("push", ""),
        ("pull_request", "synchronize"),
        ("pull_request_review", "submitted"),
        ("pull_request_review", "dismissed"),
        ("issue_comment", "created"),
        ("pull_request", "closed"),
        ("pull_request", "reopened"),
        ("pull_request", "closed"),
        ("push", ""),
    ]
    (there,) = github.pulls(NAME)
    assert (there.draft, there.title, there.state, there.closed_by) == (False, "Better", "merged", "octocat")


def test_what_ci_does_is_told(github: GitHub, web: httpx.Client, told: list[tuple[str, str]]) -> None:
    sha = web.get(PULL).json()["head"]["sha"]
    github.check(NAME, 1, "build", None)
    github.check(NAME, sha, "lint", "failure")
    github.check(NAME, 1, "build", "success")
    github.status(NAME, 1, "deploy", "pending")
    github.status(NAME, 1, "deploy", "success")
    ends = [("check_run", "completed"), ("check_run", "completed"), ("check_suite", "completed")]
    assert _told(github) == [("check_run", "created"), *ends, ("status", ""), ("status", "")]
    runs = web.get(f"{REPO}/commits/{sha}/check-runs?filter=latest").json()["check_runs"]
    assert [(run["name"], run["conclusion"]) for run in runs] == [("build", "success"), ("lint", "failure")]
    combined = web.get(f"{REPO}/commits/{sha}/status").json()
    assert (combined["state"], [each["context"] for each in combined["statuses"]]) == ("success", ["deploy"])
    assert web.get(f"{REPO}/commits/main/status").json()["state"] == "pending"


def test_what_becomes_of_branches_and_the_repository_is_told(
    github: GitHub, web: httpx.Client, told: list[tuple[str, str]]
) -> None:
    github.rename_branch(NAME, "main", "trunk")
    assert github.pulls(NAME)[0].base_ref == "trunk"
    assert web.get(REPO).json()["default_branch"] == "trunk"
    github.delete_branch(NAME, "fix")
    github.rename(NAME, "me/host")
    github.archive("me/host")
    github.remove("me/host")
    assert _told(github) == [
        ("pull_request", "edited"),
        ("push", ""),
        ("delete", ""),
        ("push", ""),
        ("push", ""),
        ("delete", ""),
        ("pull_request", "closed"),
        ("repository", "renamed"),
        ("repository", "archived"),
        ("repository", "deleted"),
    ]
    assert web.get("/repos/me/host").status_code == 404


def test_what_people_said_can_be_read(github: GitHub, web: httpx.Client, pull: int) -> None:
    github.repo(NAME).roles["octocat"] = "maintain"
    github.comment(NAME, 1, "first", by="stranger")
    said = web.post(f"{REPO}/issues/1/comments", json={"body": "mine"}).json()
    there = [
        (each["user"]["login"], each["author_association"])
        for each in web.get(f"{REPO}/issues/1/comments").json()
    ]
    assert there == [("stranger", "NONE"), ("me", "OWNER")]
    react = f"{REPO}/issues/comments/{said['id']}/reactions"
    assert [web.post(react, json={"content": "+1"}).status_code for _ in range(2)] == [201, 200]
    assert [each["content"] for each in web.get(react).json()] == ["+1"]
    assert web.get(f"{REPO}/issues/1/comments").json()[1]["reactions"]["+1"] == 1
    github.review(NAME, 1, "octocat", "APPROVED")
    github.review(NAME, 1, "octocat", "COMMENTED")
    github.review(NAME, 1, "octocat", "DISMISSED")
    states = [each["state"] for each in web.get(f"{PULL}/reviews").json()]
    assert states == ["DISMISSED", "COMMENTED"]
    github.close(NAME, 1, by="octocat")
    assert web.get(f"{REPO}/issues/1").json()["closed_by"]["login"] == "octocat"
    may = f"{REPO}/collaborators/{{}}/permission"
    rights = [web.get(may.format(who)).json()["permission"] for who in ("me", "octocat", "stranger")]
    assert rights == ["admin", "write", "none"]
    assert web.get(may.format("nobody")).status_code == 404
    assert web.get("/user").json()["login"] == "me"


def test_what_can_be_merged_is_found_out_with_git(
    github: GitHub, web: httpx.Client, origin: Origin, pull: int
) -> None:
    assert (web.get(PULL).json()["mergeable"], web.get(PULL).json()["mergeable_state"]) == (True, "draft")
    origin.git("reset", "--quiet", "--hard", "origin/main")
    origin.commit({"a.txt": "other\n"})
    assert (web.get(PULL).json()["mergeable"], web.get(PULL).json()["mergeable_state"]) == (False, "dirty")
    github.repo(NAME).thinks = True
    assert web.get(PULL).json()["mergeable"] is None


def test_hooks_that_are_made_through_the_api_deliver(github: GitHub, web: httpx.Client, pull: int) -> None:
    with listener() as (url, taken):
        hook = ASKED | {"config": HOOK | {"url": url}, "events": ["issue_comment"]}
        made = web.post(f"{REPO}/hooks", json=hook).json()
        assert made["config"]["secret"] == "********"
        again = web.post(f"{REPO}/hooks", json=hook)
        assert (again.status_code, "Hook already exists" in again.text) == (422, True)
        github.comment(NAME, 1, "one")
        github.ready(NAME, 1)
        one = f"{REPO}/hooks/{made['id']}"
        web.patch(one, json={"events": ["pull_request"], "config": HOOK | {"url": url}}).raise_for_status()
        github.comment(NAME, 1, "two")
        github.edit(NAME, 1, title="Better")
        web.patch(one, json={"active": False}).raise_for_status()
        github.edit(NAME, 1, title="Best")
        assert len(web.get(f"{REPO}/hooks").json()) == 1
        assert (web.delete(one).status_code, web.delete(one).status_code) == (204, 404)
        github.webhooks.settle()
    assert [headers["X-GitHub-Event"] for headers, _ in taken] == ["ping", "issue_comment", "pull_request"]
    assert "zen" in json.loads(taken[0][1])
    github.allow("ghp_less", hooks=False)
    with client(github, "ghp_less") as less:
        refused = less.get(f"{REPO}/hooks")
    assert (refused.status_code, refused.headers["x-accepted-github-permissions"]) == (
        403,
        "repository_hooks=write",
    )
    wrong = [{"config": {"url": "ftp://bot.example"}}, {"config": HOOK, "events": ["pushes"]}]
    assert [web.post(f"{REPO}/hooks", json=each).status_code for each in wrong] == [422, 422]


def test_deliveries_are_late_twice_dropped_and_out_of_order_on_demand(github: GitHub, pull: int) -> None:
    with listener() as (url, taken):
        github.webhook(url, "secret", events=["pull_request"])
        github.webhooks.hold()
        github.edit(NAME, 1, title="a")
        github.edit(NAME, 1, title="b")
        github.close(NAME, 1)
        github.webhooks.settle()
        assert taken == []
        first, _, last = github.webhooks.held
        github.webhooks.release([last, first, first])
        github.edit(NAME, 1, title="c")
        github.webhooks.settle()
    seen = [json.loads(body) for _, body in taken]
    assert [(each["action"], each["pull_request"]["title"]) for each in seen] == [
        ("closed", "b"),
        ("edited", "a"),
        ("edited", "a"),
        ("edited", "c"),
    ]
    ids = [headers["X-GitHub-Delivery"] for headers, _ in taken]
    assert ids[1] == ids[2]
    assert [len(each.statuses) for each in github.webhooks.deliveries] == [2, 0, 1, 1]


def test_what_has_not_changed_is_free(github: GitHub, web: httpx.Client, pull: int) -> None:
    first = web.get(PULL)
    tag, left = first.headers["etag"], first.headers["x-ratelimit-remaining"]
    assert tag.startswith('W/"')
    same = web.get(PULL, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert same.headers["x-ratelimit-remaining"] == left
    github.ready(NAME, 1)
    other = web.get(PULL, headers={"If-None-Match": tag})
    assert (other.status_code, other.json()["draft"]) == (200, False)
    assert int(other.headers["x-ratelimit-remaining"]) == int(left) - 1
    github.allow("ghp_other")
    with client(github, "ghp_other") as stranger:
        assert stranger.get(PULL).headers["etag"] != other.headers["etag"]


def test_the_hours_requests_can_be_used_up(github: GitHub, web: httpx.Client) -> None:
    github.quota.remaining = 1
    assert web.get(REPO).headers["x-ratelimit-remaining"] == "0"
    refused = web.get(REPO)
    assert (refused.status_code, "rate limit exceeded" in refused.text) == (403, True)
    assert web.get(REPO, headers={"If-None-Match": web.get("/rate_limit").headers["etag"]}).status_code == 403
    github.quota.reset_at = 0
    assert web.get(REPO).status_code == 200
