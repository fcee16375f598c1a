"""The set-up that docs/gitlab.md describes, followed word for word."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from tests.doubles.gitlab import GitLab
from tests.e2e import greeter
from tests.e2e.guides import FILES, Person, at_home, follow, tomls, until
from tests.worker.forges.authority import certificates

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doubles.gitlab import Request

GUIDE = "docs/gitlab.md"
REPO = "me/tools/greeter"
TOKEN = "glpat-0123456789abcdefghij"
EXAMPLE = "https://host.example.com/gitlab"


async def test_a_projects_token_leads_to_a_merge_request(place: Path) -> None:
    bare = greeter.make(place, FILES)
    async with (
        GitLab(place / "lab", repos={REPO: bare}) as gitlab,
        at_home(place, PIMAINTENO_FORGES__LAB__URL=gitlab.url) as person,
    ):
        gitlab.allow(TOKEN, "project_1_bot_0a1b2c", bot=True)
        await lead(person, gitlab)
        assert fix(gitlab).author.bot


async def test_a_developers_personal_token_leads_to_a_merge_request(place: Path) -> None:
    bare = greeter.make(place, FILES)
    async with (
        GitLab(place / "lab", repos={REPO: bare}) as gitlab,
        at_home(place, PIMAINTENO_FORGES__LAB__URL=gitlab.url) as person,
    ):
        gitlab.allow(TOKEN, "mechanic")
        await lead(person, gitlab)
        assert fix(gitlab).author.username == "mechanic"


async def test_an_instance_of_ones_own_under_a_path_leads_to_a_merge_request(place: Path) -> None:
    bare = greeter.make(place, FILES)
    (forge,) = tomls(GUIDE, "An instance of your own")
    (place / "authority").mkdir()
    ca_file, chain, key = certificates(place / "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    async with (
        GitLab(place / "lab", repos={REPO: bare}, at="/gitlab", tls=context) as gitlab,
        at_home(place) as person,
    ):
        gitlab.allow(TOKEN, "project_1_bot_0a1b2c", bot=True)
        person.config.parent.mkdir(parents=True)
        person.config.with_name("gitlab-ca.pem").write_bytes(ca_file.read_bytes())
        assert f'"{EXAMPLE}"' in forge
        await lead(person, gitlab, forge=forge.replace(EXAMPLE, gitlab.url))


async def lead(person: Person, gitlab: GitLab, *, forge: str = "") -> None:
    """Follow the guide to a merge request with all that the configuration asks for."""
    gitlab.join(REPO, "ann")
    said = await follow(person, GUIDE, "With a project's token", token=TOKEN, forge=forge)
    request = fix(gitlab)
    assert said[-1] == request.web_url
    proof = r"\|\s*`python3 -m unittest -q`\s*\|\s*fail\s*\|\s*pass\s*\|"
    assert re.search(proof, request.description)
    await until(lambda: "pimainteno" in request.labels, person)
    await until(lambda: list(request.reviewers) == ["ann"], person)


def fix(gitlab: GitLab) -> Request:
    """Return the merge request that mends the greeter; another one may add codex.md."""
    return next(each for each in gitlab.pulls(REPO) if each.source_branch.startswith("pimainteno/fix/"))
