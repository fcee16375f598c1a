"""A GitLab under a path, a project in a subgroup whose branch is one commit ahead, and our place there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import respx

from app.core.settings import GitLabForge as GitLabSettings
from tests.doubles.gitlab import GitLab
from tests.doubles.origin import made
from tests.worker.forges import github_routes
from worker.forges.base import NewProposal, Remote
from worker.forges.gitlab.answers import Place
from worker.forges.gitlab.forge import GitLabForge
from worker.forges.gitlab.lab import Lab
from worker.forges.pacer import Pacer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.doubles.origin import Origin

REPO = "me/tools/greeter"
TOKEN = "glpat-0123456789abcdefghij"
BRANCH = "pimainteno/fix/greeter.service-0a1b2c3d"
PROJECT = r"^/projects/me/tools/greeter$"
REQUESTS = r"/merge_requests$"
DRAFT = NewProposal(
    id=7,
    branch=BRANCH,
    base="main",
    head="",
    title="Greet an empty line",
    body="## What failed\n/close\n",
    draft=True,
    labels=("pimainteno", "needs a/look"),
    reviewers=("octocat",),
    assignees=("hubot",),
)


async def at_once(_: float) -> None:
    """Wait for nobody."""


def make(gitlab: GitLab, token: str = TOKEN, pace: Pacer | None = None, **settings: Any) -> GitLabForge:
    given = GitLabSettings.model_validate({"kind": "gitlab", "url": gitlab.url, "token": token, **settings})
    lab = Lab(Place("greeter", "lab", REPO), given, pace or Pacer(pause=at_once))
    return GitLabForge(lab, gitlab.clone_url(REPO))


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    origin = made(tmp_path / "owner")
    origin.commit({"app.py": "1\n"}, "begin")
    origin.commit({"app.py": "2\n"}, "mend", to=BRANCH)
    return origin


@pytest.fixture
async def gitlab(tmp_path: Path, origin: Origin) -> AsyncIterator[GitLab]:
    async with GitLab(tmp_path / "lab", repos={REPO: origin.bare}, token=TOKEN, at="/gitlab") as gitlab:
        yield gitlab


@pytest.fixture
def forge(gitlab: GitLab) -> GitLabForge:
    return make(gitlab)


async def opened(forge: GitLabForge, draft: NewProposal = DRAFT) -> Remote:
    await forge.look()
    return await forge.open(draft)


@pytest.fixture
def api() -> Iterator[respx.MockRouter]:
    """The routes of a GitHub: a test says what each answers."""
    with respx.mock(base_url=github_routes.API, assert_all_called=False) as router:
        yield router
