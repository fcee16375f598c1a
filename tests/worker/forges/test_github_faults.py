"""One pull request under each fault: the forge is asked, as the jobs do, until it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.core.errors import ForgeError, ForgeRefusedError, ForgeWaitError
from app.core.settings import GitHubForge as GitHubSettings
from tests.doubles.github import Fault, GitHub
from tests.doubles.origin import made
from tests.worker.forges.github_place import BRANCH, REPO, TOKEN, Clock, forge_of, mended
from worker.forges.base import NewProposal, Remote
from worker.forges.github.answers import Place
from worker.forges.github.forge import GitHubForge
from worker.forges.github.hub import Hub
from worker.forges.pacer import Pacer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.doubles.origin import Origin

PULLS = r"/repos/me/greeter/pulls$"
ONE = r"/repos/me/greeter/pulls/1$"

FAULTS = {
    "401": Fault.error(401, "Bad credentials"),
    "403": Fault.error(403, "Resource not accessible by personal access token"),
    "404": Fault.error(404, "Not Found"),
    "409": Fault.error(409, "Conflict"),
    "409 after": Fault.error(409, "Conflict", after=True),
    "422 head": Fault.error(422, "Validation Failed: head invalid"),
    "429 with a time": Fault.too_many(retry_after=5),
    "429 without": Fault.too_many(),
    "secondary limit": Fault.secondary_limit(),
    "500": Fault.server_error(500),
    "500 after": Fault.server_error(500, after=True),
    "502 after": Fault.server_error(502, after=True),
    "503": Fault.server_error(503),
    "cut": Fault.cut(),
    "cut after": Fault.cut(after=True),
    "HTML": Fault.html(502),
    "HTML after": Fault.html(502, after=True),
    "HTML 200": Fault.html(200),
    "HTML 200 after": Fault.html(200, after=True),
}
ANYWHERE = [name for name in FAULTS if name != "422 head"]


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


def draft(body: str = "why") -> NewProposal:
    return NewProposal(
        id=1,
        branch=BRANCH,
        base="main",
        head="",
        title="Mend it",
        body=body,
        draft=True,
        labels=("pimainteno", "needs a/look"),
        reviewers=("octocat",),
        assignees=("octocat",),
    )


async def show(forge: GitHubForge, new: NewProposal) -> Remote:
    """Do what the publisher's job does in one try."""
    await forge.look()
    there = await forge.find(new.branch)
    return await (forge.open(new) if there is None else forge.update(there, new))


async def until_shown(forge: GitHubForge, clock: Clock, new: NewProposal) -> tuple[Remote, list[ForgeError]]:
    """Try as the jobs do, waiting as long as GitHub asks."""
    met: list[ForgeError] = []
    for _ in range(5):
        try:
            return await show(forge, new), met
        except ForgeRefusedError:
            raise
        except ForgeError as error:
            met.append(error)
            clock.now += error.after_s if isinstance(error, ForgeWaitError) else 60
    raise AssertionError(met)


@pytest.mark.parametrize("name", FAULTS)
async def test_opening_leaves_one_pull_request(
    forge: GitHubForge, github: GitHub, clock: Clock, name: str
) -> None:
    github.fault("POST", PULLS, FAULTS[name])
    remote, met = await until_shown(forge, clock, draft())
    (pull,) = github.pulls(REPO)
    assert (pull.number, pull.state, pull.title, pull.body) == (remote.number, "open", "Mend it", "why")
    assert len(met) == (0 if "after" in name else 1)
    assert all(str(error).startswith("project greeter on forge hub: ") for error in met)
    assert TOKEN not in str(met)


@pytest.mark.parametrize("name", ANYWHERE)
async def test_looking_before_it_is_opened(
    forge: GitHubForge, github: GitHub, clock: Clock, name: str
) -> None:
    github.fault("GET", PULLS, FAULTS[name])
    await until_shown(forge, clock, draft())
    assert len(github.pulls(REPO)) == 1


async def test_the_look_after_a_doubtful_answer_may_fail_too(
    forge: GitHubForge, github: GitHub, clock: Clock
) -> None:
    github.fault("POST", PULLS, Fault.cut(after=True))
    await forge.look()
    assert await forge.find(BRANCH) is None
    github.fault("GET", PULLS, Fault.server_error(502))
    with pytest.raises(ForgeError):
        await forge.open(draft())
    assert (await until_shown(forge, clock, draft()))[0].number == 1
    assert len(github.pulls(REPO)) == 1


@pytest.mark.parametrize("name", ANYWHERE)
async def test_bringing_it_up_to_date(forge: GitHubForge, github: GitHub, clock: Clock, name: str) -> None:
    await show(forge, draft())
    github.fault("PATCH", ONE, FAULTS[name])
    await until_shown(forge, clock, draft("why, again"))
    (pull,) = github.pulls(REPO)
    assert pull.body == "why, again"


DRESSING = [
    ("GET", r"/pulls/1$"),
    ("GET", r"/labels/"),
    ("POST", r"/greeter/labels$"),
    ("POST", r"/issues/1/labels$"),
    ("POST", r"/requested_reviewers$"),
    ("POST", r"/assignees$"),
]
PASSING = ["401", "429 with a time", "500 after", "503", "cut", "cut after", "HTML", "HTML 200 after"]


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize(("method", "path"), DRESSING)
async def test_dressing_is_done_once_whatever_happens(
    forge: GitHubForge, github: GitHub, clock: Clock, method: str, path: str, name: str
) -> None:
    remote = await show(forge, draft())
    github.fault(method, path, FAULTS[name])
    with pytest.raises(ForgeError) as met:
        await forge.dress(remote, draft())
    clock.now += getattr(met.value, "after_s", 60)
    assert await forge.dress(remote, draft()) == ()
    (pull,) = github.pulls(REPO)
    assert sorted(pull.labels) == ["needs a/look", "pimainteno"]
    assert pull.reviewers == ["octocat"]


async def test_close_and_open_again(forge: GitHubForge, github: GitHub) -> None:
    remote = await show(forge, draft())
    await forge.close(remote)
    await forge.close(remote)
    assert github.pulls(REPO)[0].state == "closed"
    assert ((await forge.find(BRANCH)) or remote).state == "closed"
    await forge.reopen(remote)
    assert github.pulls(REPO)[0].state == "open"
    github.merge(REPO, 1)
    assert ((await forge.find(BRANCH)) or remote).state == "merged"


async def test_a_whole_proposal_is_written_at_githubs_pace(
    forge: GitHubForge, github: GitHub, clock: Clock
) -> None:
    await forge.dress(await show(forge, draft()), draft())
    writes = [each for each in github.requests if each.method != "GET" and "/repos/" in each.path]
    assert len(writes) == 6  # the request, two labels made, labels, reviewers, assignees
    assert clock.now == len(writes) - 1.0


async def test_an_app_opens_with_a_token_for_this_repository_alone(tmp_path: Path) -> None:
    origin, other = made(tmp_path / "owner"), made(tmp_path / "other")
    for each in (origin, other):
        each.commit({"app.py": "1\n"}, "begin")
    origin.commit({"app.py": "2\n"}, "mend", to=BRANCH)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    private = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    repos = {REPO: origin.bare, "me/other": other.bare}
    async with GitHub(tmp_path / "hub", repos=repos, token=TOKEN, app=("123", public)) as github:
        settings = GitHubSettings.model_validate(
            {"kind": "github", "api_url": github.url, "app_id": "123", "private_key": private}
        )
        hub = Hub(Place("greeter", "hub", REPO, "123"), settings, Pacer(pause=Clock().pause))
        assert (await show(GitHubForge(hub, github.clone_url(REPO)), draft())).number == 1
        assert len(github.pulls(REPO)) == 1
        assert (await hub.ask("GET", "/repos/me/other")).status == 404
