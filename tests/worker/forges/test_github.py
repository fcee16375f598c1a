"""Pull requests on GitHub: what each answer becomes, and what is never done twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError
from app.core.settings import GitHubForge as GitHubSettings
from worker.forges.base import Remote
from worker.forges.github.forge import on_github

if TYPE_CHECKING:
    import respx
from tests.worker.forges.github_routes import (
    API,
    DRAFT,
    NOT_FOUND,
    REMOTE,
    REPO,
    TOKEN,
    invalid,
    make,
    pull,
    sent,
)


async def test_a_look_tells_address_visibility_and_the_login_of_git(api: respx.MockRouter) -> None:
    route = api.get("/repos/me/greeter").respond(json=REPO)
    forge = make()
    await forge.look()
    assert (forge.public, forge.web_url) == (False, "https://ghe.example/me/greeter")
    assert forge.login is not None
    assert (forge.login.user, forge.login.token) == ("x-access-token", TOKEN)
    assert TOKEN not in repr(forge.login)
    headers = route.calls.last.request.headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["x-github-api-version"] == "2022-11-28"
    route.respond(json=REPO | {"private": False})
    await forge.look()
    assert forge.public is True
    route.respond(json={key: value for key, value in REPO.items() if key != "private"})
    await forge.look()
    assert forge.public is None


@pytest.mark.parametrize(
    ("api_url", "clone_url"),
    [
        ("https://api.github.com", "https://github.com/me/greeter.git"),
        ("https://ghe.example/api/v3", "https://ghe.example/me/greeter.git"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/me/greeter.git"),
    ],
)
def test_where_git_goes(api_url: str, clone_url: str) -> None:
    from app.core.settings import ProjectSettings

    theirs = GitHubSettings.model_validate({"kind": "github", "api_url": api_url, "token": TOKEN})
    ours = ProjectSettings(forge="hub", repo="me/greeter")
    assert on_github("greeter", ours, theirs).clone_url == clone_url
    ours = ProjectSettings(forge="hub", repo="me/greeter", clone_url="https://mirror.example/g.git")
    assert on_github("greeter", ours, theirs).clone_url == "https://mirror.example/g.git"


SSO = {"X-GitHub-SSO": "required; url=https://github.com/orgs/me/sso?authorization_request=A"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"json": REPO | {"full_name": "me/hello"}}, ["now called me/hello", "[projects.greeter] repo"]),
        ({"json": REPO | {"archived": True}}, ["is archived", "unarchive it", "[projects.greeter]"]),
        ({"json": REPO | {"permissions": {"push": False}}}, ["may not write", "Contents and Pull requests"]),
        ({"status_code": 301, "json": {"message": "Moved Permanently"}}, ["renamed or moved", "repo"]),
        ({"status_code": 401, "json": {"message": "Bad credentials"}}, ["401", "new token", "[forges.hub]"]),
        (
            {"status_code": 404, "json": NOT_FOUND},
            ["404", "there is no me/greeter", "[projects.greeter] repo"],
        ),
        (
            {
                "status_code": 403,
                "json": {"message": "Resource not accessible by personal access token"},
                "headers": {"X-Accepted-GitHub-Permissions": "contents=write"},
            },
            ["not accessible", "Pull requests: read and write", "this call needs contents=write"],
        ),
        (
            {"status_code": 403, "json": {"message": "Resource protected by SAML"}, "headers": SSO},
            ["single sign-on", "https://github.com/orgs/me/sso"],
        ),
        (
            {"status_code": 403, "json": {"message": "Repository was archived so is read-only."}},
            ["unarchive me/greeter"],
        ),
    ],
)
async def test_what_a_person_must_mend_is_said_with_the_remedy(
    api: respx.MockRouter, answer: dict[str, Any], words: list[str]
) -> None:
    api.get("/repos/me/greeter").respond(**answer)
    with pytest.raises(ForgeAccessError) as caught:
        await make().look()
    said = str(caught.value)
    assert said.startswith("project greeter on forge hub: ")
    assert [word for word in words if word not in said] == []
    assert TOKEN not in said


async def test_a_renamed_repository_is_called_by_its_new_name(api: respx.MockRouter) -> None:
    api.get("/repos/me/greeter").respond(301, json={}, headers={"Location": f"{API}/repositories/1"})
    api.get("/repositories/1").respond(json=REPO | {"full_name": "me/hello"})
    with pytest.raises(ForgeAccessError, match="me/greeter is now called me/hello"):
        await make().look()


@pytest.mark.parametrize(
    "host", ["https://elsewhere.example", "http://ghe.example", "https://ghe.example:8443"]
)
async def test_no_redirect_leads_to_another_host(api: respx.MockRouter, host: str) -> None:
    api.get("/repos/me/greeter").respond(302, json={}, headers={"Location": f"{host}/repositories/1"})
    with pytest.raises(ForgeAccessError, match="renamed or moved"):
        await make().look()
    assert [str(call.request.url) for call in api.calls] == [f"{API}/repos/me/greeter"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(502, json={"message": "Server Error"}), "502 .*Server Error.* tried again"),
        (httpx.Response(409, json={"message": "Conflict"}), "409 .*Conflict"),
        (httpx.Response(200, html="<h1>Welcome to\x1b[2J the proxy</h1>"), "text/html.*Welcome to.*api_url"),
        (httpx.Response(404, html="<h1>Not here</h1>"), "Not here.*no JSON.*api_url"),
        (httpx.Response(200, json=5), "no JSON"),
        (httpx.Response(200, content=b"\xff{"), "no JSON"),
        (httpx.ReadTimeout("slow"), "did not answer GET /repos/me/greeter within 30 s"),
        (httpx.ConnectError("refused"), "could not be reached .*refused.*api_url"),
    ],
)
async def test_what_may_pass_by_itself(api: respx.MockRouter, answer: Any, words: str) -> None:
    api.get("/repos/me/greeter").side_effect = [answer]
    with pytest.raises(ForgeError, match=words) as caught:
        await make().look()
    assert type(caught.value) is ForgeError
    assert "\x1b" not in str(caught.value)
    assert len(api.calls) == 1


async def test_the_pull_request_of_our_own_branch_is_found(api: respx.MockRouter) -> None:
    stranger = pull(9, head={"ref": DRAFT.branch, "repo": {"full_name": "other/greeter"}})
    gone = pull(8, head={"ref": DRAFT.branch, "repo": None})
    merged = pull(4, state="closed", merged_at="2026-01-01T00:00:00Z")
    closed = pull(5, state="closed")
    route = api.get("/repos/me/greeter/pulls").respond(json=[stranger, gone, closed, merged])
    found = await make().find(DRAFT.branch)
    assert found == Remote(5, closed["html_url"], "closed", draft=True, head=DRAFT.head, branch=DRAFT.branch)
    params = route.calls.last.request.url.params
    assert (params["head"], params["state"], params["direction"]) == (f"me:{DRAFT.branch}", "all", "desc")
    route.respond(json=[merged])
    assert (await make().find(DRAFT.branch) or REMOTE).state == "merged"
    route.respond(json=[closed, pull(2)])  # a person opened an older one again
    assert (await make().find(DRAFT.branch) or REMOTE).number == 2
    route.respond(json=[stranger])
    assert await make().find(DRAFT.branch) is None


async def test_strangers_on_the_first_page_hide_nothing(api: respx.MockRouter) -> None:
    stranger = pull(9, head={"ref": DRAFT.branch, "repo": {"full_name": "other/greeter"}})
    pages = {"1": [stranger] * 30, "2": [pull(3)]}

    def page(request: httpx.Request) -> httpx.Response:
        number = request.url.params["page"]
        more = {"Link": f'<{API}/repositories/1/pulls?page=2>; rel="next"'} if number == "1" else {}
        return httpx.Response(200, json=pages[number], headers=more)

    api.get("/repos/me/greeter/pulls").mock(side_effect=page)
    assert (await make().find(DRAFT.branch) or pytest.fail("not found")).number == 3


async def test_opening_sends_what_stands_in_the_proposal(api: respx.MockRouter) -> None:
    route = api.post("/repos/me/greeter/pulls").respond(201, json=pull())
    opened = await make().open(DRAFT)
    assert (opened.number, opened.state, opened.draft) == (3, "open", True)
    head = {"head": DRAFT.branch, "base": "main"}
    assert sent(route) == [{"title": DRAFT.title, "body": DRAFT.body, "draft": True} | head]


async def test_where_there_are_no_drafts_it_is_opened_without(api: respx.MockRouter) -> None:
    no = invalid({"message": "Draft pull requests are not supported in this repository."})
    route = api.post("/repos/me/greeter/pulls")
    route.side_effect = [no, httpx.Response(201, json=pull(draft=False))]
    assert (await make().open(DRAFT)).draft is False
    assert [body["draft"] for body in sent(route)] == [True, False]


DOUBTFUL = {
    "502": httpx.Response(502, json={"message": "Server Error"}),
    "HTML 502": httpx.Response(502, html="<h1>Bad gateway</h1>"),
    "HTML 200": httpx.Response(200, html="<h1>Welcome to the proxy</h1>"),
    "no pull request": httpx.Response(201, json={}),
    "timeout": httpx.ReadTimeout("slow"),
    "cut": httpx.RemoteProtocolError("cut"),
    "already exists": invalid({"message": f"A pull request already exists for me:{DRAFT.branch}."}),
}


@pytest.mark.parametrize("doubtful", DOUBTFUL.values(), ids=DOUBTFUL)
@pytest.mark.parametrize("there", [[pull(6)], [], [pull(5, state="closed")]], ids=["open", "none", "closed"])
async def test_after_a_doubtful_answer_the_branch_is_looked_up_and_nothing_sent_twice(
    api: respx.MockRouter, doubtful: Any, there: list[Any]
) -> None:
    post = api.post("/repos/me/greeter/pulls")
    post.side_effect = [doubtful]
    looks = api.get("/repos/me/greeter/pulls").respond(json=there)
    if there and there[0]["state"] == "open":
        assert (await make().open(DRAFT)).number == 6
    else:
        with pytest.raises(ForgeError, match="project greeter on forge hub: ") as caught:
            await make().open(DRAFT)
        assert type(caught.value) is ForgeError
    assert (post.call_count, looks.call_count) == (1, 1)


async def test_a_refusal_is_told_in_githubs_own_words(api: respx.MockRouter) -> None:
    words = {"resource": "PullRequest", "code": "custom", "message": "No commits between main and x"}
    route = api.post("/repos/me/greeter/pulls")
    route.side_effect = [invalid(words, {"field": "base", "code": "invalid"})]
    with pytest.raises(ForgeRefusedError, match="Validation Failed; No commits between main and x; base inv"):
        await make().open(DRAFT)
    route.side_effect = [invalid({"resource": "PullRequest", "field": "head", "code": "invalid"})]
    with pytest.raises(ForgeError) as caught:  # GitHub has not seen the push yet
        await make().open(DRAFT)
    assert type(caught.value) is ForgeError


async def test_update_close_and_reopen_change_just_that(api: respx.MockRouter) -> None:
    route = api.patch("/repos/me/greeter/pulls/3").respond(json=pull(draft=False))
    forge = make()
    assert (await forge.update(REMOTE, DRAFT)).draft is False  # a person has ended the draft: so it stays
    await forge.close(REMOTE)
    await forge.reopen(REMOTE)
    assert sent(route) == [{"title": DRAFT.title, "body": DRAFT.body}, {"state": "closed"}, {"state": "open"}]


async def test_update_points_it_to_another_branch_where_its_own_is_gone(api: respx.MockRouter) -> None:
    route = api.patch("/repos/me/greeter/pulls/3").respond(json=pull())
    await make().update(replace(REMOTE, base="master"), DRAFT)
    await make().update(replace(REMOTE, base=DRAFT.base), DRAFT)
    text = {"title": DRAFT.title, "body": DRAFT.body}
    assert sent(route) == [text | {"base": DRAFT.base}, text]
