"""What is read back from GitHub: requests, comments, and what people may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import respx

from app.core.errors import ForgeAccessError, ForgeError
from tests.doubles.github import Fault, GitHub
from tests.worker.forges.github_place import BRANCH, REPO, TOKEN, Clock, forge_of, mended
from tests.worker.forges.github_routes import API, make, pull
from worker.forges.base import Capabilities, Comment, Remote

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


def asked(github: GitHub) -> list[str]:
    return [f"{each.method} {each.path}" for each in github.requests]


def test_people_act_on_requests_there(forge: GitHubForge) -> None:
    can: Capabilities = forge.capabilities
    assert can.is_read_back


async def test_a_request_is_read_with_all_that_github_says(
    forge: GitHubForge, github: GitHub, origin: Origin, number: int
) -> None:
    there = await read(forge)
    tip = origin.git("rev-parse", "HEAD")
    assert there == Remote(
        number,
        f"{github.url}/{REPO}/pull/1",
        head=tip,
        branch=BRANCH,
        base="main",
        title="Mend it",
        conflicts=False,
        changed=there.changed,
    )
    assert there.changed.endswith("Z")
    merge = github.merge(REPO, 1, by="octocat")
    there = await read(forge)
    assert (there.state, there.ended_by, there.merge_commit) == ("merged", "octocat", merge)
    assert there.conflicts is None
    assert "GET /repos/me/greeter/issues/1" not in asked(github)


async def test_who_closed_it_takes_one_more_request(forge: GitHubForge, github: GitHub, number: int) -> None:
    github.close(REPO, 1, by="octocat")
    there = await read(forge)
    assert (there.state, there.ended_by, there.merge_commit) == ("closed", "octocat", "")
    assert asked(github) == ["GET /repos/me/greeter/pulls/1", "GET /repos/me/greeter/issues/1"]
    github.fault("GET", r"/issues/1$", Fault.error(403, "Resource not accessible by personal access token"))
    assert (await read(forge)).ended_by == ""
    github.fault("GET", r"/issues/1$", Fault.error(401, "Bad credentials"))
    with pytest.raises(ForgeAccessError, match="make a new token"):
        await forge.read(1)


async def test_whether_it_conflicts_is_as_github_found_out(
    forge: GitHubForge, github: GitHub, origin: Origin, number: int
) -> None:
    github.repo(REPO).thinks = True
    assert (await read(forge)).conflicts is None
    github.repo(REPO).thinks = False
    origin.git("reset", "--quiet", "--hard", "origin/main")
    origin.commit({"app.py": "other\n"})
    assert (await read(forge)).conflicts is True


async def test_a_request_that_is_not_there_is_told_from_a_repository_that_is_not(
    forge: GitHubForge, github: GitHub
) -> None:
    assert await forge.read(7) is None
    github.remove(REPO)
    with pytest.raises(ForgeAccessError, match="there is no me/greeter"):
        await forge.read(7)


async def test_a_page_of_a_proxy_is_no_missing_request(forge: GitHubForge, github: GitHub) -> None:
    github.fault("GET", r"/pulls/7$", Fault.html(404))
    with pytest.raises(ForgeError, match="no JSON"):
        await forge.read(7)


async def test_open_requests_are_those_of_our_branches_here(
    forge: GitHubForge, github: GitHub, origin: Origin, number: int
) -> None:
    for name in ("pimainteno/codex-md", "feature", "pimainteno/fix/done-1"):
        origin.commit({"app.py": f"{name}\n"}, to=name)
        github.open(REPO, name)
    github.close(REPO, 4)
    assert {each.branch for each in await forge.open_requests()} == {BRANCH, "pimainteno/codex-md"}


async def test_open_requests_of_forks_are_none_of_ours(api: respx.MockRouter) -> None:
    fork = pull(9, head={"ref": BRANCH, "sha": "1", "repo": {"full_name": "other/greeter"}})
    gone = pull(8, head={"ref": BRANCH, "sha": "1", "repo": None})
    route = api.get("/repos/me/greeter/pulls")
    more = {"Link": f'<{API}/repositories/1/pulls?page=2>; rel="next", <{API}?page=2>; rel="last"'}
    route.side_effect = [
        httpx.Response(200, json=[fork, gone, pull(1)], headers=more),
        httpx.Response(200, json=[pull(2)], headers={"Link": f'<{API}?page=1>; rel="prev"'}),
    ]
    assert [each.number for each in await make().open_requests()] == [1, 2]
    sent = [call.request.url.params for call in route.calls]
    assert [(each["state"], each["per_page"], each["page"]) for each in sent] == [
        ("open", "100", "1"),
        ("open", "100", "2"),
    ]


async def test_comments_say_who_wrote_them(forge: GitHubForge, github: GitHub, number: int) -> None:
    first = github.comment(REPO, 1, "/pimainteno help", by="octocat")
    await forge.say(await read(forge), "help", "Here it is")
    github.comment(REPO, 1, "thanks <!-- pimainteno: help -->", by="stranger")
    said = await forge.comments(await read(forge), after=0)
    assert [(each.author, each.ours) for each in said] == [
        ("octocat", False),
        ("me", True),
        ("stranger", False),
    ]
    assert said[0] == Comment(first.id, "octocat", "/pimainteno help")
    assert [each.author for each in await forge.comments(await read(forge), after=said[1].id)] == ["stranger"]
    assert asked(github).count("GET /user") == 1


async def test_comments_on_later_pages_are_read(forge: GitHubForge, github: GitHub, number: int) -> None:
    last = [github.comment(REPO, 1, str(each)).id for each in range(101)][-1]
    assert [each.body for each in await forge.comments(await read(forge), after=last - 1)] == ["100"]


async def test_a_comment_of_an_account_that_is_gone_has_no_author(api: respx.MockRouter) -> None:
    api.get("/user").respond(json={"login": "me"})
    api.get("/repos/me/greeter/issues/1/comments").respond(json=[{"id": 5, "user": None, "body": None}, {}])
    assert await make().comments(Remote(1, "u"), after=0) == [Comment(5, "", "")]
    api.get("/user").respond(json=[])
    with pytest.raises(ForgeError, match="does not say whose token"):
        await make().comments(Remote(1, "u"), after=0)


@pytest.mark.parametrize(
    ("role", "may"),
    [("admin", True), ("maintain", True), ("write", True), ("triage", False), ("read", False)],
)
async def test_who_may_push(forge: GitHubForge, github: GitHub, role: str, may: bool) -> None:
    github.repo(REPO).roles["octocat"] = role
    assert await forge.may_write("octocat") is may


async def test_strangers_and_names_that_nobody_has_may_not_push(forge: GitHubForge, github: GitHub) -> None:
    for private in (True, False):
        github.repo(REPO).private = private
        assert [await forge.may_write(who) for who in ("stranger", "dependabot[bot]", "nobody", "")] == [
            False
        ] * 4
    assert await forge.may_write("me")
    github.fault("GET", r"/permission$", Fault.html(404))
    with pytest.raises(ForgeError, match="no JSON"):
        await forge.may_write("octocat")
