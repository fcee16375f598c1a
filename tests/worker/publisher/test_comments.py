"""What people say to us in comments: done for those who may push, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.models import ProposalState
from tests.doubles.github import Fault, GitHub
from tests.worker.publisher.there import REPO, There


def reactions(comment: Any) -> list[str]:
    """Return what stands under a comment, in GitHub's words."""
    if hasattr(comment, "reactions"):
        return [each.content for each in comment.reactions]
    return [{"thumbsup": "+1", "thumbsdown": "-1"}.get(name, name) for name, _ in comment.awards]


async def asked(there: There, text: str, by: str = "octocat") -> Any:
    comment = there.do("comment", text, by=by)
    await there.poll()
    return comment


async def test_close_and_retry(there: There) -> None:
    comment = await asked(there, "Not like this.\n\n/pimainteno close")
    proposal = await there.house.proposal()
    assert (proposal.state, proposal.reason) == (ProposalState.CLOSED, "closed by octocat on here")
    assert there.request.state == "closed"
    assert reactions(comment) == ["+1"]
    assert there.said() == []
    (event,) = await there.house.events("operator.close")
    assert event.actor == "octocat on here"

    comment = await asked(there, "/pimainteno retry")
    assert (await there.house.proposal()).state is ProposalState.OPEN
    assert reactions(comment) == ["+1"]


async def test_snooze(there: There) -> None:
    comment = await asked(there, "/pimainteno snooze 7d")
    proposal = await there.house.proposal()
    assert (proposal.state, reactions(comment)) == (ProposalState.CLOSED, ["+1"])
    assert proposal.snoozed_until is not None


async def test_retry_of_an_open_one_is_a_new_run(there: There) -> None:
    await asked(there, "/pimainteno retry")
    assert (await there.house.run(2)).retry == 1
    assert len(there.double.pulls(REPO)) == 1


@pytest.mark.parametrize(
    ("text", "reaction", "words"),
    [
        ("/pimainteno help", "+1", "`/pimainteno snooze 7d`"),
        ("/pimainteno dance", "confused", "does not know `dance`"),
        ("/pimainteno snooze", "confused", "a time is expected"),
        ("/pimainteno snooze tomorrow", "confused", "a time is expected"),
        ("/pimainteno <img>@octocat", "confused", "does not know `imgoctocat`"),
    ],
)
async def test_where_there_is_something_to_say_it_is_one_reply(
    there: There, text: str, reaction: str, words: str
) -> None:
    comment = await asked(there, text)
    await there.poll()
    (said,) = there.said()
    assert words in said
    assert reactions(comment) == [reaction]
    assert (await there.house.proposal()).state is ProposalState.OPEN


async def test_an_order_is_obeyed_once_however_often_it_is_read(there: There) -> None:
    await asked(there, "/pimainteno close")
    await there.house.ask("retry")
    await there.settle()
    for _ in range(2):
        await there.reconcile()
    assert (await there.house.proposal()).state is ProposalState.OPEN
    assert len(await there.house.events("operator.close")) == 1


async def test_the_word_of_somebody_who_may_not_push_does_nothing(there: There) -> None:
    before = await there.house.events()
    comment = await asked(there, "/pimainteno close", by="stranger")
    assert (await there.house.proposal()).state is ProposalState.OPEN
    assert reactions(comment) == []
    assert there.said() == []
    assert await there.house.events() == before


async def test_whoever_gave_us_a_token_of_their_own_can_speak_too(there: There) -> None:
    await asked(there, "/pimainteno close", by="me")
    assert (await there.house.proposal()).state is ProposalState.CLOSED


async def test_a_quote_of_ours_by_somebody_else_is_theirs(there: There) -> None:
    await asked(there, "/pimainteno close\n<!-- pimainteno: frozen -->")
    assert (await there.house.proposal()).state is ProposalState.CLOSED


async def test_a_comment_that_cannot_be_answered_is_obeyed_all_the_same(there: There) -> None:
    what = "reactions" if isinstance(there.double, GitHub) else "award_emoji"
    there.double.fault("POST", f"{what}$", Fault.error(403, "no"))
    await asked(there, "/pimainteno close")
    assert (await there.house.proposal()).state is ProposalState.CLOSED
