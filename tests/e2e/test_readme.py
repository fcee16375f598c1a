"""The set-up that README.md describes, followed word for word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.core.settings import load
from tests.e2e import greeter
from tests.e2e.guides import FILES, KEY, at_home, blocks, page, tomls, until_open

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_readme_leads_from_a_clone_to_a_merged_repair(place: Path) -> None:
    """Each of its two blocks, and what it says between them."""
    greeter.make(place, FILES)
    (place / "checkout").rename(place / "greeter")
    (place / "greeter.git").rename(place / "elsewhere.git")
    (_, begin), (_, then) = blocks("README.md", "Look after a project of your own")
    set_up, _, up = begin.rstrip().rpartition("\n")
    async with at_home(place) as person:
        await person.types(set_up, pastes=KEY)
        assert (place / "openai-key").stat().st_mode & 0o777 == 0o600
        person.starts(up)
        await until_open(person, "pimainteno/codex-md")
        said = await person.types(then)
        assert any(re.fullmatch(rf"{page(person)}/proposals/2", line) for line in said), said
        assert "stranger" in (place / "greeter/greeter.py").read_text()
        assert (place / "greeter/codex.md").read_text() == greeter.SUMMARY
        assert await person.proposals() == []


def test_the_readme_and_the_guide_configure_github_alike(tmp_path: Path) -> None:
    for name in ("github-token", "openai-key"):
        (tmp_path / name).write_text("secret")
    short = tomls("README.md", "On GitHub or GitLab")[0]
    long = tomls("docs/github.md", "With a personal token")[0]
    file = tmp_path / "pimainteno.toml"
    file.write_text(short)
    brief = load(file, env={})
    file.write_text(long)
    full = load(file, env={})
    assert brief.forges == full.forges
    assert brief.projects["greeter"] == full.projects["greeter"].model_copy(update={"reviewers": ()})
