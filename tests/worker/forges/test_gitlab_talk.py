"""What CI and people say of a merge request on GitLab, what we say there, and our webhook."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.core.errors import ForgeAccessError, ForgeError
from tests.doubles.gitlab import Fault, GitLab
from tests.doubles.gitlab.state import MAINTAINER, REPORTER
from tests.worker.forges.conftest import REPO, opened
from worker.forges.base import Standing

if TYPE_CHECKING:
    from worker.forges.gitlab.forge import GitLabForge


async def test_the_hook_is_made_once_and_kept_up_to_date(forge: GitLabForge, gitlab: GitLab) -> None:
    url = "https://pm.example/webhooks/lab"
    assert await forge.unhook(url) is False
    await forge.hook("https://else.example/", "other")
    await forge.hook(url, "one")
    await forge.hook(url, "two")
    _, ours = gitlab.repo(REPO).hooks
    assert (ours.url, ours.token, ours.ssl) == (url, "two", True)
    assert {name for name, on in ours.events.items() if on} == {
        "merge_requests_events",
        "note_events",
        "pipeline_events",
        "push_events",
    }
    assert await forge.unhook(url) is True
    assert [hook.url for hook in gitlab.repo(REPO).hooks] == ["https://else.example/"]
    gitlab.repo(REPO).members["me"] = MAINTAINER - 10
    with pytest.raises(ForgeAccessError, match=r"403 .*give the token the scope api and the role Maintainer"):
        await forge.hook(url, "three")


async def test_ci_is_folded_from_jobs_and_external_statuses(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    assert await forge.standing(remote) == Standing()
    gitlab.status(REPO, 1, "build", "running")
    gitlab.status(REPO, 1, "lint", "failed", allow_failure=True)
    gitlab.status(REPO, 1, "deploy", "manual", allow_failure=True)
    gitlab.status(REPO, 1, "docs", "skipped")
    assert (await forge.standing(remote)).ci == "pending"
    gitlab.status(REPO, 1, "build", "success")
    assert (await forge.standing(remote)).ci == "success"
    gitlab.status(REPO, 1, "test", "failed")
    gitlab.status(REPO, 1, "ci/elsewhere", "canceled")
    standing = await forge.standing(remote)
    assert (standing.ci, standing.failing) == ("failure", ("ci/elsewhere", "test"))
    for name in ("test", "ci/elsewhere"):
        gitlab.status(REPO, 1, name, "success")  # tried again: the newest of a name counts
    assert (await forge.standing(remote)).ci == "success"
    gitlab.status(REPO, 1, "gate", "manual")
    assert (await forge.standing(remote)).ci == "pending"
    gitlab.status(REPO, 1, "gate", "a state of a newer GitLab")
    assert (await forge.standing(remote)).ci == "pending"


async def test_a_pipeline_speaks_where_there_are_no_jobs(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    gitlab.pipeline(REPO, 1, "running")
    assert (await forge.standing(remote)).ci == "pending"
    gitlab.pipeline(REPO, 1, "failed", merged=True)
    standing = await forge.standing(remote)
    assert (standing.ci, standing.failing) == ("failure", ("pipeline",))
    made = gitlab.pipeline(REPO, 1, "failed")
    made.sha = "0" * 40  # an older instance tells the one before the last push
    assert (await forge.standing(remote)).ci == "none"
    gone = replace(remote, head="0" * 40)
    assert (await forge.standing(gone)).ci == "none"


async def test_reviews_are_told_with_who_gave_them(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    gitlab.approve(REPO, 1, "octocat")
    gitlab.approve(REPO, 1, "ann")
    standing = await forge.standing(remote)
    assert (standing.review, standing.reviewers) == ("approved", ("ann", "octocat"))
    gitlab.request_changes(REPO, 1, "ann")
    standing = await forge.standing(remote)
    assert (standing.review, standing.reviewers) == ("changes_requested", ("ann",))
    gitlab.repo(REPO).has_reviewers_api = False  # before GitLab 15.3
    assert (await forge.standing(remote)).review == "approved"
    gitlab.review(REPO, 1, "octocat", "DISMISSED")
    assert await forge.standing(remote) == Standing()


async def test_comments_come_oldest_first_without_those_of_gitlab_itself(
    forge: GitLabForge, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.forges.gitlab.lab.PAGE", 2)
    remote = await opened(forge)
    first, *_ = [gitlab.comment(REPO, 1, f"note {number}") for number in range(5)]
    gitlab.system_note(REPO, 1, "added 1 commit")
    await forge.say(remote, "frozen", "I stop here.")
    found = await forge.comments(remote, after=0)
    assert [each.body for each in found[:5]] == [f"note {number}" for number in range(5)]
    assert [(each.author, each.ours) for each in found[-2:]] == [("octocat", False), ("me", True)]
    before = len(gitlab.requests)
    assert [each.body for each in await forge.comments(remote, after=found[-2].id)] == [found[-1].body]
    assert len(gitlab.requests) == before + 2  # of four pages
    later = await forge.comments(remote, after=first.id)
    assert [each.id for each in later] == [each.id for each in found[1:]]


async def test_who_may_write(forge: GitLabForge, gitlab: GitLab) -> None:
    gitlab.user("stranger")
    gitlab.join(REPO, "reporter", REPORTER)
    gitlab.user("friend")
    gitlab.repo(REPO).invited["friend"] = 30
    people = ("octocat", "OctoCat", "friend", "reporter", "stranger", "nobody")
    assert [name for name in people if await forge.may_write(name)] == ["octocat", "OctoCat", "friend"]


async def test_one_comment_for_each_topic_edited_in_place(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    gitlab.comment(REPO, 1, "Mine\n\n<!-- pimainteno: frozen -->")
    for text in ("I stop here.", "I stop here.\n", "/merge\nI go on."):
        await forge.say(remote, "frozen", text)
    await forge.say(remote, "moved", "The base moved.")
    ours = [note.body for note in gitlab.pulls(REPO)[0].notes if note.author.username == "me"]
    assert ours == [
        " /merge\nI go on.\n\n<!-- pimainteno: frozen -->",
        "The base moved.\n\n<!-- pimainteno: moved -->",
    ]
    writes = [each.method for each in gitlab.requests if "/notes" in each.path]
    assert [method for method in writes if method != "GET"] == ["POST", "PUT", "POST"]


async def test_an_answer_that_got_lost_leaves_one_comment(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    gitlab.fault("POST", r"/notes$", Fault.cut(after=True))
    with pytest.raises(ForgeError):
        await forge.say(remote, "frozen", "I stop here.")
    await forge.say(remote, "frozen", "I stop here.")
    assert len(gitlab.pulls(REPO)[0].notes) == 1


async def test_a_reaction_that_is_there_is_enough(forge: GitLabForge, gitlab: GitLab) -> None:
    remote = await opened(forge)
    note = gitlab.comment(REPO, 1, "/pimainteno retry")
    for reaction in ("+1", "-1", "eyes", "confused", "eyes"):
        await forge.react(remote, note.id, reaction)
    assert [name for name, _ in note.awards] == ["thumbsup", "thumbsdown", "eyes", "confused"]
    with pytest.raises(ForgeError, match="404 Note Not Found"):
        await forge.react(remote, 7, "eyes")
