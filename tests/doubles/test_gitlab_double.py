"""The GitLab double is honest: it takes what GitLab's documentation says, and answers as recorded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.doubles.conftest import NAME, gitlab_client
from tests.doubles.gitlab import TOKEN, Fault, GitLab
from tests.doubles.gitlab.schema import differences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.doubles.origin import Origin

PROJECT = "/projects/me%2Fgreeter"
REQUESTS = f"{PROJECT}/merge_requests"
DRAFT = {
    "title": "Draft: Fix it",
    "description": "Why",
    "source_branch": "fix",
    "target_branch": "main",
}


@pytest.fixture
def web(gitlab: GitLab) -> Iterator[httpx.Client]:
    with gitlab_client(gitlab) as web:
        yield web


WRONG: dict[str, tuple[str, str, Any]] = {
    "no source branch": ("POST", REQUESTS, {"title": "x", "target_branch": "main"}),
    "title is a number": ("POST", REQUESTS, DRAFT | {"title": 1}),
    "draft is no parameter": ("POST", REQUESTS, DRAFT | {"draft": True}),
    "reviewers by name": ("POST", REQUESTS, DRAFT | {"reviewer_ids": ["octocat"]}),
    "labels is a list": ("POST", REQUESTS, DRAFT | {"labels": ["bug"]}),
    "no such state": ("GET", f"{REQUESTS}?state=open", None),
    "unknown parameter": ("GET", f"{REQUESTS}?head=fix", None),
    "page is text": ("GET", f"{REQUESTS}?page=two", None),
    "no such event": ("PUT", f"{REQUESTS}/1", {"state_event": "closed"}),
    "unknown path": ("GET", f"{REQUESTS}/1/comments", None),
    "unknown method": ("PATCH", f"{REQUESTS}/1", {"title": "x"}),
    "number is text": ("GET", f"{REQUESTS}/one", None),
    "a query where a body is expected": ("POST", f"{REQUESTS}?title=x", DRAFT),
    "secret for token": ("POST", f"{PROJECT}/hooks", {"url": "http://x", "secret": "s"}),
    "a note without a body": ("POST", f"{REQUESTS}/1/notes", {}),
}


def test_wrong_requests_cannot_be_ignored(place: Path, origin: Origin) -> None:
    with (
        pytest.raises(AssertionError, match="GitLab would not take this") as raised,
        GitLab(place / "lab", repos={NAME: origin.bare}) as gitlab,
        gitlab_client(gitlab) as web,
    ):
        for number, (name, (method, path, body)) in enumerate(WRONG.items(), 1):
            answer = web.request(method, path) if body is None else web.request(method, path, json=body)
            assert (name, answer.status_code) == (name, 500)
            assert len(gitlab.violations) == number
        assert not gitlab.pulls(NAME)
    assert len(str(raised.value).splitlines()) == 1 + len(WRONG)


def test_a_wrong_answer_of_the_double_cannot_be_ignored(place: Path, origin: Origin) -> None:
    with (
        pytest.raises(AssertionError, match="archived is 'yes', not of kind boolean"),
        GitLab(place / "lab", repos={NAME: origin.bare}) as gitlab,
        gitlab_client(gitlab) as web,
    ):
        gitlab.repo(NAME).archived = "yes"  # type: ignore[assignment]
        assert web.get(PROJECT).status_code == 500


def test_every_call_answers_as_documented(gitlab: GitLab, web: httpx.Client) -> None:
    octocat, sha = gitlab.users["octocat"].id, gitlab.repo(NAME).bare.branches()["fix"]
    mr = f"{REQUESTS}/1"
    steps: list[tuple[str, str, Any, int]] = [
        ("GET", "/user", None, 200),
        ("GET", "/users?username=Octocat", None, 200),
        ("GET", "/personal_access_tokens/self", None, 200),
        ("GET", PROJECT, None, 200),
        ("GET", f"{PROJECT}/members/all?query=o", None, 200),
        ("GET", f"{PROJECT}/members/all/{octocat}", None, 200),
        ("GET", f"{PROJECT}/members/all/{gitlab.users['root'].id}", None, 404),
        ("POST", REQUESTS, DRAFT, 201),
        (
            "GET",
            f"{REQUESTS}?source_branch=fix&state=all&order_by=created_at&sort=desc&per_page=5",
            None,
            200,
        ),
        ("GET", mr, None, 200),
        ("PUT", mr, {"title": "Better", "add_labels": "bug,two words", "reviewer_ids": [octocat]}, 200),
        ("PUT", mr, {}, 400),
        ("GET", f"{mr}/approvals", None, 200),
        ("GET", f"{mr}/reviewers", None, 200),
        ("GET", f"{PROJECT}/labels", None, 200),
        ("GET", f"{PROJECT}/repository/commits/{sha}/statuses?per_page=100", None, 200),
        ("GET", f"{PROJECT}/repository/commits/{'0' * 40}/statuses", None, 404),
        ("POST", f"{mr}/notes", {"body": "Hello"}, 201),
        ("POST", f"{mr}/notes", {"body": " "}, 400),
        ("GET", f"{mr}/notes?sort=asc&order_by=created_at", None, 200),
        ("GET", f"{mr}/notes/7", None, 404),
        (
            "POST",
            f"{PROJECT}/hooks",
            {"url": "https://pm.example/w", "token": "s", "push_events": False},
            201,
        ),
        ("POST", f"{PROJECT}/hooks", {"url": "nowhere"}, 422),
        ("GET", f"{PROJECT}/hooks", None, 200),
        ("GET", f"{REQUESTS}/2", None, 404),
        ("GET", "/projects/me%2Fother", None, 404),
        ("PUT", mr, {"state_event": "close"}, 200),
        ("GET", f"{REQUESTS}?state=closed", None, 200),
    ]
    for method, path, body, status in steps:
        answer = web.request(method, path) if body is None else web.request(method, path, json=body)
        assert answer.status_code == status, (method, path, answer.text)
        assert answer.headers["content-type"] == "application/json"
        assert int(answer.headers["ratelimit-remaining"]) < 2000
    note = web.get(f"{mr}/notes").json()[0]["id"]
    assert web.put(f"{mr}/notes/{note}", json={"body": "Bye"}).json()["body"] == "Bye"
    award = f"{mr}/notes/{note}/award_emoji"
    assert web.post(award, json={"name": "eyes"}).status_code == 201
    again = web.post(award, json={"name": "eyes"})
    assert (again.status_code, "already been taken" in again.text) == (404, True)
    hook = web.get(f"{PROJECT}/hooks").json()[0]
    assert (hook["push_events"], hook["token_present"], "token" in hook) == (False, True, False)
    assert web.delete(f"{PROJECT}/hooks/{hook['id']}").status_code == 204
    (there,) = gitlab.pulls(NAME)
    assert (there.title, there.state, there.draft, there.labels) == (
        "Better",
        "closed",
        False,
        ["bug", "two words"],
    )


def test_merge_requests_are_refused_in_gitlabs_words(gitlab: GitLab, web: httpx.Client) -> None:
    assert web.post(REQUESTS, json=DRAFT | {"title": "x" * 256}).status_code == 400
    long = web.post(REQUESTS, json=DRAFT | {"description": "x" * ((1 << 20) + 1)})
    assert long.json() == {"message": {"description": ["is too long (maximum is 1048576 characters)"]}}
    assert web.post(REQUESTS, json=DRAFT | {"source_branch": "none"}).status_code == 400
    opened = web.post(REQUESTS, json=DRAFT)
    assert (opened.status_code, opened.json()["draft"]) == (201, True)
    again = web.post(REQUESTS, json=DRAFT)
    assert again.status_code == 409
    told = "Another open merge request already exists for this source branch: !1"
    assert again.json() == {"message": [told]}
    assert len(gitlab.pulls(NAME)) == 1


def test_the_free_tier_takes_one_member_without_a_word(gitlab: GitLab, web: httpx.Client) -> None:
    stranger, two = gitlab.user("stranger"), gitlab.join(NAME, "hubot")
    web.post(REQUESTS, json=DRAFT).raise_for_status()
    ids = [stranger.id, two.id, gitlab.users["octocat"].id, 7]
    assert [each["username"] for each in _put(web, ids)["reviewers"]] == ["hubot"]
    gitlab.repo(NAME).multiple = True
    assert [each["username"] for each in _put(web, ids)["reviewers"]] == ["hubot", "octocat"]


def _put(web: httpx.Client, ids: list[int]) -> dict[str, Any]:
    answer: dict[str, Any] = web.put(f"{REQUESTS}/1", json={"reviewer_ids": ids}).json()
    return answer


def test_a_merge_request_follows_its_branch(gitlab: GitLab, web: httpx.Client, origin: Origin) -> None:
    mr = f"{REQUESTS}/1"
    web.post(REQUESTS, json=DRAFT).raise_for_status()
    tip = origin.commit({"b.txt": "more"}, to="fix")
    assert web.get(mr).json()["sha"] == tip
    gitlab.close(NAME, 1)
    assert web.get(mr).json()["closed_by"]["username"] == "octocat"
    assert web.put(mr, json={"state_event": "reopen"}).json()["state"] == "opened"
    gitlab.delete_branch(NAME, "fix")
    assert web.get(mr).json()["state"] == "closed"
    assert web.put(mr, json={"state_event": "reopen"}).json()["state"] == "closed"


def test_a_merge_is_a_real_one_and_conflicts_are_real(
    gitlab: GitLab, web: httpx.Client, origin: Origin
) -> None:
    web.post(REQUESTS, json=DRAFT).raise_for_status()
    assert web.get(f"{REQUESTS}/1").json()["has_conflicts"] is False
    fix = gitlab.pulls(NAME)[0].sha
    origin.git("checkout", "--quiet", "-B", "main", f"{fix}^")
    origin.commit({"a.txt": "3\n"})
    told = web.get(f"{REQUESTS}/1").json()
    assert (told["has_conflicts"], told["detailed_merge_status"]) == (True, "conflict")
    origin.git("push", "--quiet", "--force", "origin", f"{fix}^:refs/heads/main")
    merge = gitlab.merge(NAME, 1)
    told = web.get(f"{REQUESTS}/1").json()
    assert (told["state"], told["merge_commit_sha"]) == ("merged", merge)
    assert told["merge_user"]["username"] == "octocat"
    assert web.put(f"{REQUESTS}/1", json={"state_event": "reopen"}).json()["state"] == "merged"


def test_rights(gitlab: GitLab, web: httpx.Client) -> None:
    gitlab.allow("glpat-reporter", "reporter", level=20)
    gitlab.allow("glpat-read", "me", scopes=("read_api",))
    gitlab.allow("glpat-git", "me", scopes=("write_repository",))
    gitlab.allow("glpat-stranger", "stranger", level=0)
    gitlab.allow("glpat-revoked", "me").revoked = True
    codes = {
        token: [_code(gitlab, token, "GET", PROJECT), _code(gitlab, token, "POST", REQUESTS, DRAFT)]
        for token in ("", "glpat-wrong", "glpat-revoked", "glpat-stranger", "glpat-read", "glpat-git")
    }
    assert codes == {
        "": [404, 404],
        "glpat-wrong": [401, 401],
        "glpat-revoked": [401, 401],
        "glpat-stranger": [404, 404],
        "glpat-read": [200, 403],
        "glpat-git": [403, 403],
    }
    assert _code(gitlab, "glpat-reporter", "POST", REQUESTS, DRAFT) == 403
    gitlab.repo(NAME).members["me"] = 30
    assert web.get(f"{PROJECT}/hooks").status_code == 403
    gitlab.rename(NAME, "me/host/greeter")
    moved = web.get(PROJECT)
    assert moved.status_code == 301
    assert web.get(moved.headers["location"]).json()["path_with_namespace"] == "me/host/greeter"
    assert web.post(REQUESTS, json=DRAFT).status_code == 405


def _code(gitlab: GitLab, token: str, method: str, path: str, body: Any = None) -> int:
    with gitlab_client(gitlab, token) as web:
        return web.request(method, path, json=body).status_code if body else web.get(path).status_code


def test_faults_before_and_after_the_work(gitlab: GitLab, web: httpx.Client) -> None:
    said = [
        (Fault.unauthorized(), 401, "revoked"),
        (Fault.insufficient_scope(), 403, "insufficient_scope"),
        (Fault.too_many(7), 429, "Retry later"),
        (Fault.maintenance(), 503, "read-only instance"),
        (Fault.maintenance(page=True), 503, "<html>"),
        (Fault.html(200), 200, "<html>"),
    ]
    for fault, status, words in said:
        gitlab.fault("POST", r"/merge_requests$", fault)
        answer = web.post(REQUESTS, json=DRAFT)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
    gitlab.fault("POST", r"me/greeter/merge_requests$", Fault.cut())
    with pytest.raises(httpx.RemoteProtocolError):
        web.post(REQUESTS, json=DRAFT)
    assert not gitlab.pulls(NAME)
    gitlab.fault("POST", r"/merge_requests$", Fault.server_error(502, after=True))
    assert web.post(REQUESTS, json=DRAFT).status_code == 502
    assert len(gitlab.pulls(NAME)) == 1
    gitlab.fault("GET", r"/user$", Fault.slow(0.2))
    start = time.monotonic()
    assert web.get("/user").status_code == 200
    assert time.monotonic() - start >= 0.2
    assert gitlab.requests[0].kind == "private-token"
    assert TOKEN not in repr(gitlab.requests)


def test_differences_are_found() -> None:
    kind = {"id": "integer", "labels": ["string"], "author": {"name": "string"}, "closed_by": "null"}
    assert differences({"id": 1, "labels": ["a"], "author": {"name": "x"}, "closed_by": {}}, kind) == []
    assert len(differences({"id": "1", "labels": [2], "author": {"login": "x"}}, kind)) == 3


async def test_the_double_starts_at_once_under_a_path_and_serves_a_test_that_awaits(
    place: Path, origin: Origin
) -> None:
    start = time.monotonic()
    async with GitLab(place / "lab", repos={"me/sub/greeter": origin.bare}, at="/gitlab") as gitlab:
        assert time.monotonic() - start < 1
        async with httpx.AsyncClient(verify=False, headers={"Authorization": f"Bearer {TOKEN}"}) as web:
            assert gitlab.url.endswith("/gitlab")
            told = (await web.get(f"{gitlab.url}/api/v4/projects/me%2Fsub%2Fgreeter")).json()
            assert told["path_with_namespace"] == "me/sub/greeter"
            root = gitlab.url.removesuffix("/gitlab")
            assert (await web.get(f"{root}/api/v4/user")).status_code == 404
