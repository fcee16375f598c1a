"""What we say on GitHub: one comment a topic, edited in place, and reactions, whatever GitHub answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import respx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError, ForgeWaitError
from app.core.settings import GitHubForge as GitHubSettings
from tests.doubles.github import Fault, GitHub
from tests.worker.forges.github_place import BRANCH, REPO, TOKEN, Clock, forge_of, mended
from tests.worker.forges.github_routes import API, make
from worker.forges.base import Reaction, Remote
from worker.forges.github.answers import Place
from worker.forges.github.forge import GitHubForge
from worker.forges.github.hub import Hub
from worker.forges.pacer import Pacer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.doubles.origin import Origin

COMMENTS = r"/issues/1/comments$"


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
def remote(github: GitHub) -> Remote:
    pull = github.open(REPO, BRANCH, by="me")
    return Remote(pull.number, pull.html_url)


def bodies(github: GitHub) -> list[str]:
    return [said.body for said in github.repo(REPO).comments]


def writes(github: GitHub) -> list[str]:
    return [each.method for each in github.requests if each.method != "GET"]


async def test_one_comment_for_each_topic_is_edited_in_place(
    forge: GitHubForge, github: GitHub, remote: Remote
) -> None:
    await forge.say(remote, "frozen", "Somebody pushed.")
    await forge.say(remote, "help", "Commands:\n\n- retry")
    await forge.say(remote, "frozen", "Somebody pushed.")
    assert writes(github) == ["POST", "POST"]
    await forge.say(remote, "frozen", "Somebody pushed again.")
    assert writes(github) == ["POST", "POST", "PATCH"]
    assert bodies(github) == [
        "Somebody pushed again.\n\n<!-- pimainteno: frozen -->",
        "Commands:\n\n- retry\n\n<!-- pimainteno: help -->",
    ]


async def test_a_marker_of_others_is_not_ours(forge: GitHubForge, github: GitHub, remote: Remote) -> None:
    github.comment(REPO, 1, "theirs\n\n<!-- pimainteno: frozen -->", by="octocat")
    await forge.say(remote, "help", "You wrote <!-- pimainteno: frozen --> above.")
    await forge.say(remote, "frozen", "Ours.")
    assert bodies(github)[0].startswith("theirs")
    assert bodies(github)[1].endswith("<!-- pimainteno: help -->")
    assert bodies(github)[2:] == ["Ours.\n\n<!-- pimainteno: frozen -->"]


async def test_other_line_ends_are_no_other_words(forge: GitHubForge, github: GitHub, remote: Remote) -> None:
    await forge.say(remote, "help", "one\ntwo")
    (said,) = github.repo(REPO).comments
    said.body = said.body.replace("\n", "\r\n") + "\r\n"
    await forge.say(remote, "help", "one\ntwo")
    assert writes(github) == ["POST"]


DOUBTFUL = {
    "cut after": Fault.cut(after=True),
    "500 after": Fault.server_error(500, after=True),
    "502 after": Fault.server_error(502, after=True),
    "HTML 502 after": Fault.html(502, after=True),
    "HTML 200 after": Fault.html(200, after=True),
}
LOST = {
    "cut": Fault.cut(),
    "502": Fault.server_error(502),
    "HTML 200": Fault.html(200),
    "409": Fault.error(409, "Conflict"),
    "429": Fault.too_many(retry_after=5),
    "403": Fault.error(403, "Resource not accessible by personal access token"),
}


@pytest.mark.parametrize("name", DOUBTFUL)
async def test_after_a_doubtful_answer_it_is_looked_up_and_nothing_said_twice(
    forge: GitHubForge, github: GitHub, remote: Remote, name: str
) -> None:
    github.fault("POST", COMMENTS, DOUBTFUL[name])
    await forge.say(remote, "frozen", "Somebody pushed.")
    await forge.say(remote, "frozen", "Somebody pushed.")
    assert writes(github) == ["POST"]
    assert len(bodies(github)) == 1


@pytest.mark.parametrize("name", LOST)
async def test_what_got_lost_is_raised_and_said_by_a_later_try(
    forge: GitHubForge, github: GitHub, clock: Clock, remote: Remote, name: str
) -> None:
    github.fault("POST", COMMENTS, LOST[name])
    with pytest.raises(ForgeError, match="project greeter on forge hub: ") as met:
        await forge.say(remote, "frozen", "Somebody pushed.")
    assert writes(github) == ["POST"]
    assert bodies(github) == []
    clock.now += met.value.after_s if isinstance(met.value, ForgeWaitError) else 0
    await forge.say(remote, "frozen", "Somebody pushed.")
    assert len(bodies(github)) == 1


async def test_where_the_look_fails_too_a_later_try_finds_it(
    forge: GitHubForge, github: GitHub, remote: Remote
) -> None:
    github.fault("POST", COMMENTS, Fault.cut(after=True))
    github.fault("GET", COMMENTS, Fault.slow(0))
    github.fault("GET", COMMENTS, Fault.server_error(502))
    with pytest.raises(ForgeError, match="502"):
        await forge.say(remote, "frozen", "Somebody pushed.")
    await forge.say(remote, "frozen", "Somebody pushed.")
    assert (writes(github), len(bodies(github))) == (["POST"], 1)


@pytest.mark.parametrize("name", DOUBTFUL)
async def test_an_edit_whose_answer_got_lost_is_not_made_twice(
    forge: GitHubForge, github: GitHub, remote: Remote, name: str
) -> None:
    await forge.say(remote, "frozen", "one")
    github.fault("PATCH", r"/issues/comments/\d+$", DOUBTFUL[name])
    with pytest.raises(ForgeError):
        await forge.say(remote, "frozen", "two")
    await forge.say(remote, "frozen", "two")
    assert writes(github) == ["POST", "PATCH"]
    assert bodies(github) == ["two\n\n<!-- pimainteno: frozen -->"]


async def test_what_github_refuses_is_told_in_its_words(
    forge: GitHubForge, github: GitHub, remote: Remote
) -> None:
    with pytest.raises(ForgeRefusedError, match="body is too long"):
        await forge.say(remote, "frozen", "x" * 65_536)
    assert bodies(github) == []


@pytest.mark.parametrize("reaction", ["+1", "-1", "eyes", "confused"])
async def test_a_reaction_that_is_there_is_enough(
    forge: GitHubForge, github: GitHub, remote: Remote, reaction: Reaction
) -> None:
    said = github.comment(REPO, 1, "/pimainteno retry")
    await forge.react(remote, said.id, reaction)
    await forge.react(remote, said.id, reaction)
    assert [(each.user, each.content) for each in said.reactions] == [("me", reaction)]


async def test_a_comment_that_is_gone_needs_no_reaction(
    forge: GitHubForge, github: GitHub, remote: Remote
) -> None:
    await forge.react(remote, 7, "+1")
    assert writes(github) == ["POST"]
    github.fault("POST", r"/reactions$", Fault.html(404))
    with pytest.raises(ForgeError, match="no JSON"):
        await forge.react(remote, 7, "+1")
    github.fault("POST", r"/reactions$", Fault.error(403, "Resource not accessible by integration"))
    with pytest.raises(ForgeAccessError, match="not accessible"):
        await forge.react(remote, 7, "+1")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def test_an_app_knows_its_own_comments(tmp_path: Path, origin: Origin, key: rsa.RSAPrivateKey) -> None:
    kind, form = (
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.PublicFormat.SubjectPublicKeyInfo,
    )
    private = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    async with GitHub(tmp_path / "app", repos={REPO: origin.bare}, app=("123", public)) as github:
        settings = GitHubSettings.model_validate(
            {"kind": "github", "api_url": github.url, "app_id": "123", "private_key": private}
        )
        hub = Hub(Place("greeter", "hub", REPO, "123"), settings, Pacer(pause=Clock().pause))
        forge = GitHubForge(hub, github.clone_url(REPO))
        pull = github.open(REPO, BRANCH, by="me")
        remote = Remote(pull.number, pull.html_url)
        await forge.say(remote, "help", "one")
        github.comment(REPO, 1, "two\n\n<!-- pimainteno: help -->", by="me")
        await forge.say(remote, "help", "three")
        said = await forge.comments(remote, after=0)
    assert [(each.author, each.ours) for each in said] == [("pimainteno[bot]", True), ("me", False)]
    assert said[0].body.startswith("three")
    assert not [each for each in github.requests if each.path == "/user"]


@pytest.mark.parametrize(
    ("user", "through", "ours"),
    [
        ("else[bot]", {"id": 123}, True),  # an App that got another name since
        ("Pi-Bot[bot]", None, True),
        ("else[bot]", {"id": 124}, False),
        ("pi-bot", None, False),
    ],
)
async def test_an_app_is_known_by_its_number_and_by_its_name(
    key: rsa.RSAPrivateKey, user: str, through: Any, ours: bool
) -> None:
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    private = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()
    with respx.mock(base_url=API) as api:
        api.get("/repos/me/greeter/installation").respond(json={"id": 42, "app_slug": "pi-bot"})
        ends = {"token": "ghs_x", "expires_at": "2099-01-01T00:00:00Z"}
        api.post("/app/installations/42/access_tokens").respond(201, json=ends)
        said = {"id": 5, "user": {"login": user}, "body": "x", "performed_via_github_app": through}
        api.get("/repos/me/greeter/issues/1/comments").mock(return_value=httpx.Response(200, json=[said]))
        (comment,) = await make(token="", app_id="123", private_key=private).comments(Remote(1, "u"), after=0)
    assert comment.ours is ours
