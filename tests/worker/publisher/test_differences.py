"""What a request on the forge tells us, compared with our row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.base import now
from app.core.models import Kind, Proposal, ProposalState
from worker.forges.base import Remote, Standing
from worker.publisher.differences import Difference, Seen, difference

A, B, C = "a" * 40, "b" * 40, "c" * 40
ROW = Proposal(
    id=3,
    project="greeter",
    kind=Kind.FIX,
    title="Count to three",
    state=ProposalState.OPEN,
    url="https://hub/me/greeter/pull/7",
    number=7,
    branch="pimainteno/fix/greeter-1",
    head_sha=B,
    pushed=(A, B),
    draft=True,
    created_at=now(),
    updated_at=now(),
)
REMOTE = Remote(
    number=7,
    url="https://hub/me/greeter/pull/7",
    draft=True,
    head=B,
    branch="pimainteno/fix/greeter-1",
    base="main",
    title="Count to three",
)


def found(row: dict[str, Any] | None = None, *, busy: bool = False, **remote: Any) -> Difference:
    standing = remote.pop("standing", None)
    seen = Seen(replace(REMOTE, **remote), standing, "hub", busy, lambda text: text.replace("hunter2", "***"))
    return difference(ROW.model_copy(update=row or {}), seen)


def test_what_is_the_same_is_no_difference() -> None:
    assert found(standing=Standing()) == Difference({}, ())


def test_a_merge_is_written_whatever_the_row_said() -> None:
    for state in ProposalState:
        if state is ProposalState.MERGED:
            continue
        told = found({"state": state}, busy=True, state="merged", ended_by="octocat", merge_commit=C)
        assert told.columns["state"] is ProposalState.MERGED
        assert (told.columns["merge_commit"], told.columns["reason"]) == (C, "merged by octocat on the forge")
        (news,) = told.news
        assert (news.kind, news.actor) == ("proposal.merged", "octocat")
        assert news.data == {"url": ROW.url, "commit": C, "branch": "main"}
    assert found({"state": ProposalState.MERGED}, state="merged").columns == {}


def test_a_close_by_somebody_ends_an_open_proposal_alone() -> None:
    told = found(state="closed", ended_by="octocat")
    assert told.columns == {
        "state": ProposalState.CLOSED,
        "reason": "closed by octocat on the forge",
        "snoozed_until": None,
    }
    assert [(news.kind, news.actor) for news in told.news] == [("proposal.closed", "octocat")]
    assert found(state="closed").columns["reason"] == "closed on the forge"
    for state in (ProposalState.WORKING, ProposalState.WAITING, ProposalState.CLOSED, ProposalState.REFUSED):
        assert found({"state": state}, state="closed").columns == {}


def test_a_wish_under_way_decides_about_the_state_and_not_we() -> None:
    assert found(busy=True, state="closed", ended_by="octocat").columns == {}
    assert found({"state": ProposalState.CLOSED}, busy=True).columns == {}


@pytest.mark.parametrize("state", ["closed", "refused", "skipped", "failed"])
def test_what_is_open_on_the_forge_is_open(state: str) -> None:
    told = found({"state": ProposalState(state), "reason": "closed by ann", "snoozed_until": now()})
    assert told.columns == {"state": ProposalState.OPEN, "reason": None, "snoozed_until": None}
    assert [news.kind for news in told.news] == ["proposal.reopened"]


def test_a_commit_that_we_did_not_push_freezes_the_branch_and_is_told_once() -> None:
    told = found(head=C)
    assert (told.columns["head_sha"], told.columns["foreign_sha"], told.freezes) == (C, C, True)
    assert told.columns["reason"].endswith("`pimainteno retry 3 --discard` takes it back")
    assert [news.kind for news in told.news] == ["proposal.updated"]
    assert found({"head_sha": C, "foreign_sha": C}, head=C).columns == {}


def test_a_branch_that_is_ours_again_is_free_again() -> None:
    told = found({"head_sha": C, "foreign_sha": C, "reason": "somebody"}, head=A)
    assert told.columns == {"head_sha": A, "foreign_sha": None, "reason": None}
    assert len(told.news) == 1
    assert found(head=A).columns == {"head_sha": A}
    assert found(head=A).news == ()


def test_a_commit_of_others_on_a_closed_request_freezes_nothing() -> None:
    told = found({"state": ProposalState.CLOSED}, state="closed", head=C)
    assert told.columns == {"head_sha": C}
    assert not told.freezes


def test_draft_and_title_follow_the_forge() -> None:
    told = found(draft=False, title="Three,\n hunter2 \x1b[1m")
    assert told.columns == {"draft": False, "title": "Three, ***"}
    assert [news.text for news in told.news] == ["Its title is now: Three, ***", "It is ready for review"]
    assert found({"title": "Fixes\u200b #1"}, title="Fixes\u200b #1").columns == {}


def test_ci_is_told_with_the_names_of_what_failed() -> None:
    failing = ("build", "lint", "a", "b", "c", "d", "e")
    told = found(standing=Standing(ci="failure", failing=failing))
    assert (told.columns["ci"], told.columns["failing"]) == ("failure", failing)
    (news,) = told.news
    assert (news.kind, news.text) == ("proposal.ci", "CI: failure (build, lint, a, b, c and 2 more)")
    assert news.data == {"ci": "failure", "failing": list(failing[:5])}
    assert (
        found({"ci": "failure", "failing": failing}, standing=Standing(ci="failure", failing=failing)).news
        == ()
    )
    assert found({"ci": "success"}, standing=Standing()).news[0].text == "CI: nothing runs"


def test_a_review_is_told_with_who_it_was() -> None:
    told = found(standing=Standing(review="changes_requested", reviewers=("octocat",)))
    assert told.columns == {"review": "changes_requested"}
    (news,) = told.news
    assert (news.text, news.actor) == ("Review: changes requested by octocat", "octocat")
    told = found({"review": "approved"}, standing=Standing())
    assert (told.news[0].text, told.news[0].actor) == ("Review: no verdict", "hub")


def test_a_request_that_nobody_asked_about_ci_keeps_what_is_known() -> None:
    assert found({"ci": "failure", "failing": ("build",), "review": "approved"}).columns == {}
