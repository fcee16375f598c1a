"""Merge requests on GitLab: what each answer becomes, and what is never done twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError
from app.core.settings import GitLabForge as GitLabSettings
from app.core.settings import ProjectSettings
from tests.doubles.gitlab import Fault, GitLab
from tests.doubles.gitlab.state import REPORTER
from tests.worker.forges.conftest import BRANCH, DRAFT, REPO, REQUESTS, TOKEN, make, opened
from worker.forges.base import Remote
from worker.forges.gitlab import reading
from worker.forges.gitlab.forge import GitLabForge, on_gitlab

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doubles.origin import Origin


async def test_a_look_tells_address_visibility_and_the_login_of_git(
    forge: GitLabForge, gitlab: GitLab
) -> None:
    await forge.look()
    assert (forge.public, forge.web_url) == (False, f"{gitlab.url}/{REPO}")
    assert forge.login is not None
    assert (forge.login.user, forge.login.token) == ("oauth2", TOKEN)
    assert [request.path for request in gitlab.requests] == [
        "/personal_access_tokens/self",
        f"/projects/{REPO}",
    ]
    gitlab.repo(REPO).visibility = "public"
    await forge.look()
    assert forge.public is True
    gitlab.repo(REPO).visibility = "internal"  # everybody with an account there: not known to be private
    await forge.look()
    assert forge.public is None


@pytest.mark.parametrize(
    ("url", "clone_url"),
    [
        ("https://gitlab.com", "https://gitlab.com/me/tools/greeter.git"),
        ("https://host.example/gitlab", "https://host.example/gitlab/me/tools/greeter.git"),
    ],
)
def test_where_git_goes(url: str, clone_url: str) -> None:
    theirs = GitLabSettings.model_validate({"kind": "gitlab", "url": url, "token": TOKEN})
    ours = ProjectSettings(forge="lab", repo=REPO)
    assert on_gitlab("greeter", ours, theirs).clone_url == clone_url
    ours = ProjectSettings(forge="lab", repo=REPO, clone_url="https://mirror.example/g.git")
    assert on_gitlab("greeter", ours, theirs).clone_url == "https://mirror.example/g.git"


def _archived(gitlab: GitLab) -> None:
    gitlab.archive(REPO)


def _renamed(gitlab: GitLab) -> None:
    gitlab.rename(REPO, "me/hello")


def _reporter(gitlab: GitLab) -> None:
    gitlab.repo(REPO).members["me"] = REPORTER


def _stranger(gitlab: GitLab) -> None:
    gitlab.repo(REPO).members.clear()


def _looks_only(gitlab: GitLab) -> None:
    gitlab.allow(TOKEN, scopes=("read_api",))


def _revoked(gitlab: GitLab) -> None:
    gitlab.allow(TOKEN).revoked = True


def _unknown(gitlab: GitLab) -> None:
    gitlab.access.tokens.clear()


def _gone(gitlab: GitLab) -> None:
    gitlab.remove(REPO)


def _no_requests(gitlab: GitLab) -> None:
    gitlab.repo(REPO).requests_level = "disabled"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_archived, ["is archived", "unarchive it", "[projects.greeter]"]),
        (_renamed, ["me/tools/greeter is now called me/hello", "[projects.greeter] repo"]),
        (_reporter, ["may not write to me/tools/greeter", "role Developer"]),
        (_stranger, ["404", "there is no me/tools/greeter", "the scope api and the role Developer"]),
        (_looks_only, ["has the scope read_api only", "needs api", "new token"]),
        (_revoked, ["401", "Token was revoked", "new token", "[forges.lab]"]),
        (_unknown, ["401", "401 Unauthorized", "new token", "[forges.lab]"]),
        (_gone, ["404 Project Not Found", "[projects.greeter] repo"]),
        (_no_requests, ["merge requests are switched off", "settings"]),
    ],
)
async def test_what_a_person_must_mend_is_said_with_the_remedy(
    forge: GitLabForge, gitlab: GitLab, harm: Callable[[GitLab], None], words: list[str]
) -> None:
    harm(gitlab)
    with pytest.raises(ForgeAccessError) as caught:
        await forge.look()
    said = str(caught.value)
    assert said.startswith("project greeter on forge lab: ")
    assert [word for word in words if word not in said] == []
    assert TOKEN not in said


@pytest.mark.parametrize("kind", ["project token", "through a group", "administrator", "no scopes told"])
async def test_whoever_may_push_is_let_through(gitlab: GitLab, kind: str) -> None:
    gitlab.repo(REPO).members.clear()
    if kind == "project token":
        gitlab.allow(TOKEN, "project_1_bot_0a1b2c", bot=True)
    elif kind == "through a group":
        gitlab.repo(REPO).invited["me"] = 30
    elif kind == "administrator":
        gitlab.user("me").admin = True
    else:
        gitlab.repo(REPO).members["me"] = 30
        gitlab.fault("GET", "/personal_access_tokens/self", Fault.error(404, "404 Not Found"))
    forge = make(gitlab)
    await forge.look()
    assert forge.login is not None


async def test_opening_sends_what_stands_in_the_proposal(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    (mr,) = gitlab.pulls(REPO)
    assert (mr.title, mr.draft) == ("Draft: Greet an empty line", True)
    assert mr.description == "## What failed\n /close\n"  # no quick action
    assert remote == Remote(
        number=1,
        url=f"{gitlab.url}/{REPO}/-/merge_requests/1",
        draft=True,
        head=mr.sha,
        branch=BRANCH,
        base="main",
        title="Greet an empty line",
        conflicts=False,
        changed=remote.changed,
    )
    assert remote.changed


async def test_the_merge_request_of_our_own_branch_is_found(forge: GitLabForge, gitlab: GitLab) -> None:
    assert await forge.find(BRANCH) is None
    await opened(forge)
    gitlab.close(REPO, 1)
    gitlab.open(REPO, BRANCH)
    gitlab.merge(REPO, 2)
    found = await forge.find(BRANCH)
    assert found is not None
    assert (found.number, found.state, found.ended_by) == (2, "merged", "octocat")
    assert found.merge_commit == gitlab.repo(REPO).bare.branches()["main"]
    gitlab.reopen(REPO, 1)  # a person opened the older one again
    gitlab.pulls(REPO)[0].state = "opened"
    assert (await forge.find(BRANCH) or found).number == 1
    for mr in gitlab.pulls(REPO):
        mr.source_project_id = 99  # a fork's branch of the same name
    assert await forge.find(BRANCH) is None


async def test_strangers_on_the_first_page_hide_nothing(
    forge: GitLabForge, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.forges.gitlab.lab.PAGE", 2)
    await opened(forge)
    for number in range(2, 5):
        gitlab.close(REPO, number - 1)
        gitlab.open(REPO, BRANCH).source_project_id = 99
        gitlab.pulls(REPO)[-1].state = "closed"
        gitlab.pulls(REPO)[0].state = "opened"
    assert (await forge.find(BRANCH) or pytest.fail("not found")).number == 1


async def test_update_keeps_what_people_say_of_drafts(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    better = replace(DRAFT, title="Greet any line", body="why")
    assert (await forge.update(remote, better)).draft is True
    assert gitlab.pulls(REPO)[0].title == "Draft: Greet any line"
    gitlab.ready(REPO, 1)
    assert (await forge.update(remote, DRAFT)).draft is False
    assert gitlab.pulls(REPO)[0].title == "Greet an empty line"
    gitlab.repo(REPO).bare.rename("main", "trunk")
    assert (await forge.update(remote, replace(DRAFT, base="trunk"))).base == "trunk"
    gitlab.edit(REPO, 1, title="[Draft] draft: Mine")
    there = await forge.read(1)
    assert there is not None
    assert (there.title, there.draft) == ("Mine", True)


@pytest.mark.parametrize(
    ("title", "draft", "whole"),
    [
        ("Fix", True, "Draft: Fix"),
        ("draft: Fix", False, "Fix"),
        ("Drafty", False, "Drafty"),
        ("x" * 300, True, "Draft: " + "x" * 247 + "…"),
    ],
)
def test_titles(title: str, draft: bool, whole: str) -> None:
    assert reading.titled(title, draft=draft) == whole
    assert reading.title_of(whole) == whole.removeprefix("Draft: ")


async def test_close_and_reopen_change_just_that(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    await forge.close(remote)
    await forge.close(remote)
    closed = await forge.read(1)
    assert closed is not None
    assert (closed.state, closed.ended_by, closed.conflicts) == ("closed", "me", None)
    await forge.reopen(remote)
    assert gitlab.pulls(REPO)[0].state == "opened"
    bodies = [request.body for request in gitlab.requests if request.method == "PUT"]
    assert bodies == [{"state_event": "close"}] * 2 + [{"state_event": "reopen"}]
    gitlab.delete_branch(REPO, BRANCH)
    with pytest.raises(ForgeRefusedError, match=r"GitLab left !1 closed: .* branch is gone"):
        await forge.reopen(remote)


async def test_a_refusal_is_told_in_gitlabs_own_words(forge: GitLabForge, gitlab: GitLab) -> None:
    await forge.look()
    gitlab.fault("POST", REQUESTS, Fault.error(422, {"base": ["no merges on Sundays"], "title": ["is odd"]}))
    with pytest.raises(ForgeRefusedError, match=r"422 .*\(no merges on Sundays; title is odd\)$"):
        await forge.open(DRAFT)
    with pytest.raises(ForgeError) as caught:  # GitLab has not seen the push yet
        await forge.open(replace(DRAFT, branch="pimainteno/not-there"))
    assert type(caught.value) is ForgeError


async def test_a_merge_request_that_is_none(forge: GitLabForge, gitlab: GitLab) -> None:
    gitlab.fault("GET", r"/merge_requests/1$", Fault(200, b'{"iid": "one"}'))
    with pytest.raises(ForgeError, match="something that is no merge request"):
        await forge.read(1)


async def test_reading_tells_whether_there_is_one_and_whether_it_conflicts(
    forge: GitLabForge, gitlab: GitLab, origin: Origin
) -> None:
    assert await forge.read(1) is None
    await opened(forge)
    origin.git("checkout", "--quiet", "-B", "main", "HEAD^")
    origin.commit({"app.py": "3\n"})
    assert (await forge.read(1) or pytest.fail("gone")).conflicts is True
    gitlab.pulls(REPO)[0].merge_status = "checking"
    assert (await forge.read(1) or pytest.fail("gone")).conflicts is None
    gitlab.remove(REPO)
    with pytest.raises(ForgeAccessError, match="404 Project Not Found"):
        await forge.read(1)


def test_how_it_came_into_the_base_is_told_for_every_way_of_merging() -> None:
    request = {"iid": 1, "web_url": "u", "state": "merged", "sha": "h", "merged_by": {"username": "a"}}
    ways = [{}, {"squash_commit_sha": "s"}, {"squash_commit_sha": "s", "merge_commit_sha": "m"}]
    commits = [(reading.remote(request | way) or pytest.fail("none")).merge_commit for way in ways]
    assert commits == ["h", "s", "m"]
    assert (reading.remote(request) or pytest.fail("none")).ended_by == "a"
    locked = reading.remote(request | {"state": "locked"})
    assert locked is not None
    assert (locked.state, locked.merge_commit, locked.ended_by) == ("open", "", "")


async def test_open_requests_are_those_of_our_names_in_this_project(
    forge: GitLabForge, gitlab: GitLab, origin: Origin
) -> None:
    await opened(forge)
    for branch in ("pimainteno/codex-md", "pimainteno/old", "pimainteno/fork", "other"):
        origin.commit({"b.py": branch}, to=branch)
        gitlab.open(REPO, branch)
    gitlab.close(REPO, 3)
    gitlab.pulls(REPO)[3].source_project_id = 99
    assert sorted(each.number for each in await forge.open_requests()) == [1, 2]
