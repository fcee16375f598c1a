"""The GitHub double is honest: it takes and answers only what GitHub's description allows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.doubles.conftest import DRAFT, NAME, REPO, client
from tests.doubles.github import TOKEN, Fault, GitHub

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doubles.origin import Origin


def _errors(answer: httpx.Response) -> str:
    assert answer.status_code == 422, answer.text
    return str(answer.json())


WRONG: dict[str, tuple[str, str, Any]] = {
    "no head": ("POST", f"{REPO}/pulls", {"title": "x", "base": "main"}),
    "draft is text": ("POST", f"{REPO}/pulls", DRAFT | {"draft": "yes"}),
    "title is a number": ("POST", f"{REPO}/pulls", DRAFT | {"title": 1}),
    "unknown key": ("POST", f"{REPO}/pulls", DRAFT | {"labels": ["bug"]}),
    "no such state": ("GET", f"{REPO}/pulls?state=merged", None),
    "unknown parameter": ("GET", f"{REPO}/pulls?author=me", None),
    "page is text": ("GET", f"{REPO}/pulls?page=two", None),
    "unknown path": ("GET", f"{REPO}/pull/1", None),
    "unknown method": ("PUT", f"{REPO}/pulls", DRAFT),
    "labels is text": ("POST", f"{REPO}/issues/1/labels", {"labels": "bug"}),
    "number is text": ("GET", f"{REPO}/pulls/one", None),
}


def test_wrong_requests_cannot_be_ignored(place: Path, origin: Origin) -> None:
    with (
        pytest.raises(AssertionError, match="GitHub would not take this") as raised,
        GitHub(place / "hub", repos={NAME: origin.bare}) as github,
        client(github) as web,
    ):
        for number, (name, (method, path, body)) in enumerate(WRONG.items(), 1):
            answer = web.request(method, path, json=body) if body else web.request(method, path)
            assert (name, answer.status_code) == (name, 500)
            assert len(github.violations) == number
        assert not github.pulls(NAME)
    assert len(str(raised.value).splitlines()) == 1 + len(WRONG)


def test_a_wrong_answer_of_the_double_cannot_be_ignored(place: Path, origin: Origin) -> None:
    with (
        pytest.raises(AssertionError, match="answer 200"),
        GitHub(place / "hub", repos={NAME: origin.bare}) as github,
        client(github) as web,
    ):
        github.repo(NAME).private = "yes"  # type: ignore[assignment]
        assert web.get(REPO).status_code == 500


def test_every_operation_answers_as_described(github: GitHub, web: httpx.Client) -> None:
    github.repo(NAME).teams.add("core")
    pull, issue = f"{REPO}/pulls/1", f"{REPO}/issues/1"
    steps: list[tuple[str, str, Any, int]] = [
        ("GET", REPO, None, 200),
        ("POST", f"{REPO}/pulls", DRAFT, 201),
        (
            "GET",
            f"{REPO}/pulls?head=me:fix&state=all&sort=created&direction=desc&per_page=5&page=1",
            None,
            200,
        ),
        ("GET", pull, None, 200),
        ("PATCH", pull, {"title": "Better", "body": "Because", "base": "main"}, 200),
        ("POST", f"{REPO}/labels", {"name": "bug", "color": "ff0000"}, 201),
        ("POST", f"{REPO}/labels", {"name": "Bug"}, 422),
        ("GET", f"{REPO}/labels", None, 200),
        ("GET", f"{REPO}/labels/bug", None, 200),
        ("GET", f"{REPO}/labels/none", None, 404),
        ("POST", f"{issue}/labels", {"labels": ["bug", "two words"]}, 200),
        ("GET", f"{issue}/labels", None, 200),
        ("POST", f"{issue}/assignees", {"assignees": ["octocat", "nobody"]}, 201),
        ("POST", f"{pull}/requested_reviewers", {"reviewers": ["nobody"]}, 422),
        ("POST", f"{pull}/requested_reviewers", {"reviewers": ["octocat"], "team_reviewers": ["core"]}, 201),
        ("GET", f"{pull}/requested_reviewers", None, 200),
        ("POST", f"{issue}/comments", {"body": "Hello"}, 201),
        ("GET", f"{issue}/comments", None, 200),
        ("GET", f"{REPO}/issues/comments/7", None, 404),
        ("GET", f"{REPO}/branches/main", None, 200),
        ("GET", f"{REPO}/branches/none", None, 404),
        ("GET", f"{REPO}/commits/fix/check-runs", None, 200),
        ("GET", f"{REPO}/commits/fix/status", None, 200),
        ("GET", f"{REPO}/actions/runs?head_sha={'1' * 40}", None, 200),
        ("GET", "/rate_limit", None, 200),
        ("GET", f"/api/v3{pull}", None, 200),
        ("GET", f"{REPO}/pulls/2", None, 404),
        ("GET", "/repos/me/other", None, 404),
        ("PATCH", pull, {"state": "closed"}, 200),
        ("GET", pull, None, 200),
        ("GET", f"{REPO}/pulls?state=closed", None, 200),
    ]
    for method, path, body, status in steps:
        answer = web.request(method, path, json=body) if body else web.request(method, path)
        assert answer.status_code == status, (method, path, answer.text)
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert int(answer.headers["x-ratelimit-remaining"]) < 5000
    comment = web.get(f"{issue}/comments").json()[0]["id"]
    changed = web.patch(f"{REPO}/issues/comments/{comment}", json={"body": "Bye"})
    assert changed.json() == web.get(f"{REPO}/issues/comments/{comment}").json()
    (there,) = github.pulls(NAME)
    assert (there.title, there.state, there.draft) == ("Better", "closed", True)
    assert (there.labels, there.reviewers, there.assignees) == (
        ["bug", "two words"],
        ["octocat"],
        ["octocat"],
    )


def test_pull_requests_are_refused_in_githubs_words(
    github: GitHub, web: httpx.Client, origin: Origin
) -> None:
    pulls = f"{REPO}/pulls"
    origin.git("push", "--quiet", "origin", "origin/main:refs/heads/same")
    assert "No commits between main and same" in _errors(web.post(pulls, json=DRAFT | {"head": "same"}))
    told = web.post(pulls, json=DRAFT | {"head": "none"}).json()["errors"]
    assert told == [{"resource": "PullRequest", "field": "head", "code": "invalid"}]
    assert "maximum is 65536" in _errors(web.post(pulls, json=DRAFT | {"body": "x" * 65537}))
    github.repo(NAME).drafts = False
    assert "Draft pull requests are not supported" in _errors(web.post(pulls, json=DRAFT))
    opened = web.post(pulls, json=DRAFT | {"draft": False, "body": "x" * 65536})
    assert opened.status_code == 201
    assert opened.json()["head"]["sha"] == origin.git("rev-parse", "HEAD")
    again = web.post(pulls, json=DRAFT | {"draft": False})
    assert "A pull request already exists for me:fix." in _errors(again)
    assert len(github.pulls(NAME)) == 1


def test_lists_have_pages(github: GitHub, web: httpx.Client, origin: Origin) -> None:
    for name in "abc":
        origin.commit({"a.txt": name}, to=name)
        web.post(f"{REPO}/pulls", json=DRAFT | {"head": name}).raise_for_status()
    first = web.get(f"{REPO}/pulls", params={"per_page": 2, "state": "open"})
    second = web.get(first.links["next"]["url"])
    assert [pull["number"] for pull in first.json() + second.json()] == [3, 2, 1]
    assert "next" not in second.links


def test_a_pull_request_follows_its_branch(github: GitHub, web: httpx.Client, origin: Origin) -> None:
    pull = f"{REPO}/pulls/1"
    web.post(f"{REPO}/pulls", json=DRAFT).raise_for_status()
    tip = origin.commit({"b.txt": "more"}, to="fix")
    assert web.get(pull).json()["head"]["sha"] == tip
    github.close(NAME, 1, by="octocat")
    assert web.get(pull).json()["state"] == "closed"
    assert web.patch(pull, json={"state": "open"}).json()["state"] == "open"
    github.delete_branch(NAME, "fix")
    assert web.get(pull).json()["state"] == "closed"
    assert "has been deleted" in _errors(web.patch(pull, json={"state": "open"}))


def test_a_merge_is_a_real_one(github: GitHub, web: httpx.Client, origin: Origin) -> None:
    web.post(f"{REPO}/pulls", json=DRAFT).raise_for_status()
    merge = github.merge(NAME, 1)
    told = web.get(f"{REPO}/pulls/1").json()
    assert (told["state"], told["merged"], told["merge_commit_sha"]) == ("closed", True, merge)
    origin.git("fetch", "--quiet")
    assert origin.git("rev-parse", "origin/main^2") == origin.git("rev-parse", "origin/fix")
    assert origin.git("show", "origin/main:a.txt") == "2"
    assert "cannot be reopened" in _errors(web.patch(f"{REPO}/pulls/1", json={"state": "open"}))


def test_rights(github: GitHub, web: httpx.Client) -> None:
    github.allow("ghp_read", "reader", write=False)
    with (
        client(github, "ghp_wrong") as wrong,
        client(github, "") as nobody,
        client(github, "ghp_read") as reader,
    ):
        assert (wrong.get(REPO).status_code, wrong.get(REPO).json()["message"]) == (401, "Bad credentials")
        assert nobody.get(REPO).status_code == 404
        assert reader.get(REPO).json()["permissions"]["push"] is False
        refused = reader.post(f"{REPO}/pulls", json=DRAFT)
        assert refused.status_code == 403
        assert refused.json()["message"] == "Resource not accessible by personal access token"
    repo = github.repo(NAME)
    repo.sso = "https://github.com/orgs/me/sso?authorization_request=A"
    assert web.get(REPO).status_code == 403
    assert web.get(REPO).headers["x-github-sso"] == f"required; url={repo.sso}"
    repo.sso, repo.archived = "", True
    assert web.get(REPO).json()["archived"] is True
    assert "archived" in web.post(f"{REPO}/pulls", json=DRAFT).json()["message"]
    github.rename(NAME, "me/host")
    moved = web.get(REPO)
    assert moved.status_code == 301
    assert web.get(moved.headers["location"]).json()["full_name"] == "me/host"


SAID = {
    "401": (Fault.error(401, "Bad credentials"), 401, "Bad credentials"),
    "409": (Fault.error(409, "Conflict"), 409, "Conflict"),
    "502": (Fault.server_error(502), 502, "Server Error"),
    "429": (Fault.too_many(), 429, "Too many"),
    "429 later": (Fault.too_many(retry_after=7), 429, "Too many"),
    "secondary": (Fault.secondary_limit(), 403, "secondary rate limit"),
    "primary": (Fault.primary_limit(30), 403, "API rate limit exceeded"),
    "page": (Fault.html(200), 200, "<html>"),
}


def test_faults_before_the_work(github: GitHub, web: httpx.Client) -> None:
    for fault, status, words in SAID.values():
        github.fault("POST", r"/pulls$", fault)
        answer = web.post(f"{REPO}/pulls", json=DRAFT)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
        assert {name: answer.headers[name] for name in fault.headers} == fault.headers
    github.fault("POST", r"/pulls$", Fault.cut())
    with pytest.raises(httpx.RemoteProtocolError):
        web.post(f"{REPO}/pulls", json=DRAFT)
    assert not github.pulls(NAME)
    github.fault("POST", r"/pulls$", Fault.slow(0.2))
    start = time.monotonic()
    assert web.post(f"{REPO}/pulls", json=DRAFT).status_code == 201
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("fault", [Fault.server_error(502, after=True), Fault.html(200, after=True)])
def test_faults_after_the_work(github: GitHub, web: httpx.Client, fault: Fault) -> None:
    github.fault("POST", r"/pulls$", fault)
    assert web.post(f"{REPO}/pulls", json=DRAFT).status_code == fault.status
    assert len(github.pulls(NAME)) == 1
    github.fault("PATCH", r"/pulls/1$", Fault.cut(after=True))
    with pytest.raises(httpx.RemoteProtocolError):
        web.patch(f"{REPO}/pulls/1", json={"state": "closed"})
    assert github.pulls(NAME)[0].state == "closed"
    kinds = [(request.method, request.path, request.kind) for request in github.requests]
    assert kinds == [("POST", f"{REPO}/pulls", "bearer"), ("PATCH", f"{REPO}/pulls/1", "bearer")]
    assert github.requests[0].body == DRAFT
    assert github.requests[0].at < github.requests[1].at
    assert TOKEN not in repr(github.requests)


async def test_the_double_starts_at_once_and_serves_a_test_that_awaits(place: Path, origin: Origin) -> None:
    start = time.monotonic()
    async with GitHub(place / "hub", repos={NAME: origin.bare}) as github:
        assert time.monotonic() - start < 1
        async with httpx.AsyncClient(verify=False, headers={"Authorization": f"token {TOKEN}"}) as web:
            assert (await web.get(github.url + REPO)).json()["full_name"] == NAME
