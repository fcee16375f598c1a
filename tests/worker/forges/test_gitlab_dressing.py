"""Labels, reviewers and assignees of a merge request: what is missing is added, a refusal is noted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.core.errors import ForgeAccessError
from tests.doubles.gitlab import Fault, GitLab
from tests.worker.forges.conftest import DRAFT, REPO, opened

if TYPE_CHECKING:
    from worker.forges.gitlab.forge import GitLabForge


async def test_dressing_adds_what_is_missing_in_one_write(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    gitlab.join(REPO, "hubot")
    assert await forge.dress(remote, DRAFT) == ()
    (mr,) = gitlab.pulls(REPO)
    assert (mr.labels, list(mr.reviewers), mr.assignees) == (
        ["needs a/look", "pimainteno"],
        ["octocat"],
        ["hubot"],
    )
    assert await forge.dress(remote, DRAFT) == ()
    assert [request.method for request in gitlab.requests if request.method == "PUT"] == ["PUT"]


async def test_nothing_is_taken_away_and_what_is_not_taken_is_noted(
    forge: GitLabForge, gitlab: GitLab
) -> None:
    remote = await opened(forge)
    gitlab.user("stranger")
    for name in ("ann", "hubot"):
        gitlab.join(REPO, name)
    mr = gitlab.pulls(REPO)[0]
    mr.labels, mr.reviewers = ["mine"], {"ann": "unreviewed"}
    wish = replace(
        DRAFT,
        labels=("bug", "a,b"),
        reviewers=("octocat", "nobody", "me/crew"),
        assignees=("hubot", "stranger"),
    )
    notes = await forge.dress(remote, wish)
    assert (mr.labels, list(mr.reviewers), mr.assignees) == (["bug", "mine"], ["ann"], ["hubot"])
    starts = [
        "label 'a,b': GitLab has no labels with a comma",
        "reviewer nobody: GitLab knows no such user",
        "reviewer me/crew: a group cannot be asked",
        "reviewer octocat: GitLab left it out: ",
        "assignee stranger: GitLab left it out: ",
    ]
    assert [note for note, start in zip(notes, starts, strict=True) if not note.startswith(start)] == []
    gitlab.repo(REPO).multiple = True
    await forge.dress(remote, wish)
    assert list(mr.reviewers) == ["ann", "octocat"]


async def test_one_part_that_is_refused_does_not_hold_up_the_others(
    forge: GitLabForge, gitlab: GitLab
) -> None:
    remote = await opened(forge)
    gitlab.join(REPO, "hubot")
    for _ in range(2):
        gitlab.fault("PUT", r"/merge_requests/1$", Fault.error(400, {"labels": ["are odd"]}))
    (note,) = await forge.dress(remote, DRAFT)
    assert note.startswith("label pimainteno, needs a/look: project greeter on forge lab: ")
    (mr,) = gitlab.pulls(REPO)
    assert (mr.labels, list(mr.reviewers), mr.assignees) == ([], ["octocat"], ["hubot"])


async def test_a_token_that_ended_stops_the_dressing_instead_of_becoming_a_note(
    forge: GitLabForge, gitlab: GitLab
) -> None:
    remote = await opened(forge)
    gitlab.fault("PUT", r"/merge_requests/1$", Fault.unauthorized())
    with pytest.raises(ForgeAccessError, match="make a new token"):
        await forge.dress(remote, DRAFT)
