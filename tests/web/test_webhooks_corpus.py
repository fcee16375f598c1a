"""Every real payload that we know of, signed, through the whole application: none of them breaks it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.web import notices
from tests.web.sending import SIGNING, github, gitlab, jobs_of, row_of, settings_of

if TYPE_CHECKING:
    from app.core.settings import Settings
    from tests.web.conftest import Site

DATA = Path(__file__).parents[1] / "data/webhooks"
HOOKS = {
    "build": "Job Hook",
    "deployment": "Deployment Hook",
    "feature_flag": "Feature Flag Hook",
    "group_merge_request": "Merge Request Hook",
    "issue": "Issue Hook",
    "job": "Job Hook",
    "member": "Member Hook",
    "merge_request": "Merge Request Hook",
    "note_commit": "Note Hook",
    "note_issue": "Note Hook",
    "note_merge_request": "Note Hook",
    "note_snippet": "Note Hook",
    "pipeline": "Pipeline Hook",
    "push": "Push Hook",
    "release": "Release Hook",
    "resource_access_token_group": "Resource Access Token Hook",
    "resource_access_token_project": "Resource Access Token Hook",
    "service_merge_request": "Merge Request Hook",
    "subgroup": "Subgroup Hook",
    "tag_push": "Tag Push Hook",
    "wiki_page": "Wiki Page Hook",
}
"""The header `X-Gitlab-Event` that goes with each file."""
GITLAB = {path.stem: json.loads(path.read_bytes()) for path in (DATA / "gitlab").glob("*.json")}
SEEN = {
    "build": (
        "gitlab-org/gitlab-test",
        None,
        "gitlab-script-trigger",
        "2293ada6b400935a1378653304eaf6221e0fdb8f",
    ),
    "group_merge_request": (
        "exm-namespace/example-project",
        None,
        "",
        "61b6a0d35dbaf915760233b637622e383d3cc9ec",
    ),
    "job": ("jsmithy2/release-tools-fake", None, "main", "95d49d1efbd941908580e79d65e4b5ecaf4a8305"),
    "merge_request": ("gitlabhq/gitlab-test", 1, "ms-viewport", "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"),
    "note_merge_request": ("gitlab-org/gitlab-test", 1, "master", "562e173be03b8ff2efb05345d12df18815438a4b"),
    "pipeline": ("gitlab-org/gitlab-test", 1, "master", "bcbb5ec396a2c0f828686f14fac9b80b780504f2"),
    "push": ("mike/diaspora", None, "master", "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"),
    "service_merge_request": (
        "test/woodpecker",
        2,
        "next-feature",
        "0ab96a10266b95b4b533dcfd98738015fbe70889",
    ),
}
"""What the followed ones tell; the keys of the group's have a space at their end, as it was documented."""


def of_github() -> list[tuple[str, dict[str, Any]]]:
    with gzip.open(DATA / "github.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [(event, payload) for event, payload in map(json.loads, lines)]


GITHUB = of_github()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "state")


def test_the_corpus_is_whole() -> None:
    assert len(GITHUB) == 329
    assert GITLAB.keys() == HOOKS.keys()


async def test_every_payload_of_githubs_is_taken(site: Site) -> None:
    async with site.client(peer="192.0.2.7") as client:
        for number, (event, payload) in enumerate(GITHUB):
            sent = github(event, payload, form=number % 2 == 1)
            answer = await sent.to(client)
            assert answer.status_code == 202, (event, answer.text)
            row = await row_of(site.store, sent)
            assert row is not None
            assert answer.json()["result"].startswith("ignored: "), (event, row.result)
    assert await jobs_of(site.store) == []


@pytest.mark.parametrize("signing", ["", SIGNING], ids=["token", "signed"])
async def test_every_payload_of_gitlabs_is_taken(site: Site, signing: str) -> None:
    async with site.client(peer="192.0.2.7") as client:
        for name, payload in GITLAB.items():
            answer = await gitlab(HOOKS[name], payload, signing=signing).to(client)
            assert answer.status_code == 202, (name, answer.text)
            assert answer.json()["result"].startswith("ignored: "), name


def test_what_githubs_payloads_tell() -> None:
    """Each event that is followed names a repository and leads somewhere."""
    followed: dict[str, int] = {}
    for event, payload in GITHUB:
        sent = github(event, payload)
        notice = notices.read("github", _lower(sent.headers), sent.body)
        assert notice.delivery == sent.id
        if notice.followed:
            followed[event] = followed.get(event, 0) + 1
            if event != "ping":  # that of an organisation's hook has none
                assert notice.repository == payload["repository"]["full_name"]
            assert notice.whole or notice.number or notice.head or notice.branch, event
        if event.startswith("pull_request") and event != "pull_request_review_thread":
            assert notice.number == payload["pull_request"]["number"]
            assert notice.head == payload["pull_request"]["head"]["sha"]
    rare = {"issue_comment", "delete"}  # none on a pull request, and none of a branch, is among them
    assert followed.keys() == notices.READINGS["github"].keys() - rare
    assert followed["pull_request"] == 29


def test_which_pushes_of_githubs_concern_the_project() -> None:
    pushes = [payload for event, payload in GITHUB if event == "push"]
    for payload in pushes:
        sent = github("push", payload)
        notice = notices.read("github", _lower(sent.headers), sent.body)
        default = f"refs/heads/{payload['repository']['default_branch']}"
        assert notice.whole is (payload["ref"] == default)
        assert notice.followed is payload["ref"].startswith("refs/heads/")


def test_what_gitlabs_payloads_tell() -> None:
    for name, payload in GITLAB.items():
        sent = gitlab(HOOKS[name], payload)
        notice = notices.read("gitlab", _lower(sent.headers), sent.body)
        assert notice.followed is (name in SEEN), name
        if name in SEEN:
            assert (notice.repository, notice.number, notice.branch, notice.head) == SEEN[name]
            assert notice.whole is (name == "push")


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
