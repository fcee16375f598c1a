"""Our webhook on a repository of GitHub: one for each address, and it delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError, ForgeWaitError
from tests.doubles.github import Fault, GitHub
from tests.worker.forges.github_place import BRANCH, REPO, TOKEN, Clock, forge_of, mended
from worker.forges.github.hooks import EVENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.doubles.origin import Origin
    from worker.forges.github.forge import GitHubForge

URL = "http://127.0.0.1:9/webhooks/hub"
HOOKS = r"/hooks$"


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


def made(github: GitHub) -> list[tuple[str, str]]:
    return [(hook.url, hook.secret) for hook in github.webhooks.hooks]


def writes(github: GitHub) -> list[str]:
    return [each.method for each in github.requests if each.method != "GET"]


async def test_a_hook_is_made_with_our_events_and_signs_with_the_secret(
    forge: GitHubForge, github: GitHub
) -> None:
    github.webhooks.hold()
    await forge.hook(URL, "secret")
    (asked,) = [each.body for each in github.requests if each.method == "POST"]
    assert asked == {
        "name": "web",
        "active": True,
        "events": list(EVENTS),
        "config": {"url": URL, "content_type": "json", "secret": "secret", "insecure_ssl": "0"},
    }
    github.open(REPO, BRANCH)
    github.comment(REPO, 1, "/pimainteno help")
    github.check(REPO, 1, "build", "success")
    assert [each.event for each in github.webhooks.held] == [
        "ping",
        "pull_request",
        "issue_comment",
        "check_run",
        "check_suite",
    ]
    assert {each.hook.secret for each in github.webhooks.held} == {"secret"}


async def test_a_hook_that_is_there_is_brought_up_to_date(forge: GitHubForge, github: GitHub) -> None:
    await forge.hook("https://bot.example/other", "theirs")
    await forge.hook(URL, "old")
    (_, ours) = github.webhooks.hooks
    ours.events, ours.active, ours.content_type = frozenset({"push"}), False, "form"
    await forge.hook(URL, "new")
    assert made(github) == [("https://bot.example/other", "theirs"), (URL, "new")]
    assert (ours.events, ours.active, ours.content_type) == (frozenset(EVENTS), True, "json")
    assert writes(github) == ["POST", "POST", "PATCH"]


async def test_of_many_hooks_to_our_address_one_stays(forge: GitHubForge, github: GitHub) -> None:
    repo = github.repo(REPO)
    for number in range(101):
        github.webhooks.add(f"https://bot.example/{number}", "theirs", "json", repo, EVENTS)
    github.webhooks.add(URL, "a", "json", repo, ["push"])
    github.webhooks.add(URL, "b", "form", repo, EVENTS)
    await forge.hook(URL, "new")
    assert made(github)[101:] == [(URL, "new")]
    assert len(github.webhooks.hooks) == 102


async def test_taking_it_away_leaves_the_others(forge: GitHubForge, github: GitHub) -> None:
    await forge.hook("https://bot.example/other", "theirs")
    assert await forge.unhook(URL) is False
    await forge.hook(URL, "secret")
    assert await forge.unhook(URL) is True
    assert await forge.unhook(URL) is False
    assert made(github) == [("https://bot.example/other", "theirs")]


async def test_one_that_somebody_took_away_meanwhile_is_gone(forge: GitHubForge, github: GitHub) -> None:
    await forge.hook(URL, "secret")
    github.fault("DELETE", r"/hooks/\d+$", Fault.error(404, "Not Found", after=True))
    assert await forge.unhook(URL) is True
    assert made(github) == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault.error(403, "Resource not accessible by personal access token"),
        Fault.error(404, "Not Found"),  # a classic token without the scope
    ],
    ids=["403", "404"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_token_without_the_right_says_which(
    forge: GitHubForge, github: GitHub, method: str, fault: Fault
) -> None:
    github.fault(method, HOOKS, fault)
    with pytest.raises(ForgeAccessError, match="Webhooks: read and write") as met:
        await forge.hook(URL, "secret")
    assert "admin:repo_hook" in str(met.value)
    assert made(github) == []


async def test_a_fine_grained_token_without_the_right(github: GitHub, clock: Clock) -> None:
    github.allow("ghp_less", hooks=False)
    with pytest.raises(
        ForgeAccessError, match=r"give the token Webhooks: read and write .*needs repository_h"
    ):
        await forge_of(github, clock, "ghp_less").unhook(URL)


async def test_what_github_refuses_is_told_in_its_words(forge: GitHubForge, github: GitHub) -> None:
    words = "url is not supported because it isn't reachable over the public Internet (localhost)"
    github.fault("POST", HOOKS, Fault.error(422, words))
    with pytest.raises(ForgeRefusedError, match="reachable over the public Internet"):
        await forge.hook(URL, "secret")
    assert writes(github) == ["POST"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.cut(after=True),
        Fault.server_error(502, after=True),
        Fault.html(200, after=True),
        Fault.error(422, "Hook already exists on this repository", after=True),
    ],
    ids=["cut", "502", "HTML 200", "already exists"],
)
async def test_after_a_doubtful_answer_it_is_looked_up_and_made_once(
    forge: GitHubForge, github: GitHub, fault: Fault
) -> None:
    github.fault("POST", HOOKS, fault)
    await forge.hook(URL, "secret")
    assert made(github) == [(URL, "secret")]
    assert writes(github) == ["POST", "PATCH"]


@pytest.mark.parametrize("fault", [Fault.cut(), Fault.server_error(502), Fault.too_many(retry_after=5)])
async def test_what_got_lost_is_raised_and_made_by_a_later_try(
    forge: GitHubForge, github: GitHub, clock: Clock, fault: Fault
) -> None:
    github.fault("POST", HOOKS, fault)
    with pytest.raises(ForgeError, match="project greeter on forge hub: ") as met:
        await forge.hook(URL, "secret")
    assert (made(github), writes(github)) == ([], ["POST"])
    clock.now += met.value.after_s if isinstance(met.value, ForgeWaitError) else 0
    await forge.hook(URL, "secret")
    assert made(github) == [(URL, "secret")]
