"""The set-up that docs/github.md describes, followed word for word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.doubles.encrypted import EncryptedGitHub, pem, public
from tests.doubles.github import GitHub
from tests.e2e import greeter
from tests.e2e.guides import FILES, Person, at_home, blocks, follow, tomls, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doubles.github.state import Pull

GUIDE = "docs/github.md"
REPO = "me/greeter"
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
EXAMPLE = "https://github.example.com"


async def test_a_personal_token_leads_to_a_pull_request(place: Path) -> None:
    bare = greeter.make(place, FILES)
    async with (
        GitHub(place / "hub", repos={REPO: bare}, token=TOKEN) as github,
        at_home(place, PIMAINTENO_FORGES__HUB__API_URL=github.url) as person,
    ):
        await lead(person, github)
        await until(lambda: "pimainteno" in fix(github).labels, person)
        await until(lambda: fix(github).reviewers == ["octocat"], person)


async def test_an_app_leads_to_a_pull_request(place: Path) -> None:
    """Its first section's secrets are wrong here: they must not be needed."""
    bare = greeter.make(place, FILES)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (place / "Downloads").mkdir()
    (place / "Downloads/greeters-mechanic.2026-11-23.private-key.pem").write_bytes(pem(key))
    (forge,) = tomls(GUIDE, "As a GitHub App")
    app_id = re.search(r'app_id = "(\d+)"', forge)
    assert app_id is not None
    async with (
        GitHub(place / "hub", repos={REPO: bare}, token=TOKEN, app=(app_id[1], public(key))) as github,
        at_home(place, PIMAINTENO_FORGES__HUB__API_URL=github.url) as person,
    ):
        for language, code in blocks(GUIDE, "As a GitHub App"):
            if language == "sh":
                await person.types(code)
        assert person.config.with_name("github-app.pem").stat().st_mode & 0o777 == 0o600
        await lead(person, github, forge=forge, token="none")


async def test_an_enterprise_server_with_its_own_authority_leads_to_a_pull_request(place: Path) -> None:
    bare = greeter.make(place, FILES)
    (forge,) = tomls(GUIDE, "GitHub Enterprise Server")
    async with (
        EncryptedGitHub(place / "hub", repos={REPO: bare}, token=TOKEN) as github,
        at_home(place) as person,
    ):
        person.config.parent.mkdir(parents=True)
        person.config.with_name("github-ca.pem").write_bytes((place / "hub/certificate.pem").read_bytes())
        assert f'"{EXAMPLE}/api/v3"' in forge
        await lead(person, github, forge=forge.replace(EXAMPLE, github.url))


async def lead(person: Person, github: GitHub, *, forge: str = "", token: str = TOKEN) -> None:
    """Follow the guide to a pull request."""
    said = await follow(person, GUIDE, "With a personal token", token=token, forge=forge)
    pull = fix(github)
    assert said[-1] == pull.html_url
    assert re.search(r"\|\s*`python3 -m unittest -q`\s*\|\s*fail\s*\|\s*pass\s*\|", pull.body)
    assert TOKEN not in person.log()


def fix(github: GitHub) -> Pull:
    """Return the pull request that mends the greeter; another one may add codex.md."""
    return next(each for each in github.pulls(REPO) if each.head_ref.startswith("pimainteno/fix/"))
