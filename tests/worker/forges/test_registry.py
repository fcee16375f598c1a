"""Which forge a project lives on, and the local one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core.errors import ConfigurationError, NotFoundError
from app.core.settings import load
from worker.forges.base import NewProposal
from worker.forges.github.forge import GitHubForge
from worker.forges.gitlab.forge import GitLabForge
from worker.forges.local import LocalForge
from worker.forges.registry import forge_for

if TYPE_CHECKING:
    from pathlib import Path

    from app.core.settings import Settings

DRAFT = NewProposal(id=7, branch="b", base="main", head="0" * 40, title="t", body="b", draft=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "pimainteno.toml").write_text(
        f'state_dir = "{tmp_path}"\npublic_url = "https://pm.example"\n'
        '[forges.here]\nkind = "local"\n[forges.hub]\nkind = "github"\ntoken = "ghp_1"\n'
        '[forges.lab]\nkind = "gitlab"\ntoken = "glpat-1"\n[forges.bare]\nkind = "gitlab"\n'
        '[projects.a]\nforge = "here"\nrepo = "/srv/a.git"\n'
        '[projects.b]\nforge = "hub"\nrepo = "me/b"\n[projects.c]\nforge = "lab"\nrepo = "me/c"\n'
        '[projects.d]\nforge = "bare"\nrepo = "me/d"\n'
    )
    return load(tmp_path / "pimainteno.toml", env={})


async def test_local(settings: Settings) -> None:
    forge = forge_for(settings, "a")
    assert isinstance(forge, LocalForge)
    assert (forge.clone_url, forge.public, forge.login) == ("/srv/a.git", False, None)
    assert forge.capabilities.merges_here
    assert await forge.find("b") is None
    opened = await forge.open(DRAFT)
    assert (opened.number, opened.url, opened.draft) == (7, "https://pm.example/proposals/7", True)
    assert await forge.update(opened, DRAFT) == opened


def test_github(settings: Settings) -> None:
    forge = forge_for(settings, "b")
    assert isinstance(forge, GitHubForge)
    assert (forge.clone_url, forge.public, forge.login) == ("https://github.com/me/b.git", None, None)
    assert not forge.capabilities.merges_here


def test_gitlab(settings: Settings) -> None:
    forge = forge_for(settings, "c")
    assert isinstance(forge, GitLabForge)
    assert (forge.clone_url, forge.public, forge.login) == ("https://gitlab.com/me/c.git", None, None)
    assert forge.capabilities.dresses
    assert not forge.capabilities.merges_here


def test_a_forge_without_a_token_says_so(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"project d on forge bare: \[forges.bare\] has no token"):
        forge_for(settings, "d")


def test_an_unknown_project(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="known projects: a, b, c, d"):
        forge_for(settings, "e")
