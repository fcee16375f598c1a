"""Labels, reviewers and assignees of a pull request: what is missing is asked for, a refusal is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from app.core.errors import ForgeAccessError
from worker.forges.base import NewProposal

if TYPE_CHECKING:
    import respx
from tests.worker.forges.github_routes import DRAFT, NOT_FOUND, REMOTE, invalid, make, pull, sent


async def test_dressing_asks_for_what_is_missing_and_notes_what_is_refused(api: respx.MockRouter) -> None:
    api.get("/repos/me/greeter/pulls/3").respond(json=pull(assignees=[]))
    api.get("/repos/me/greeter/labels/pimainteno").respond(404, json=NOT_FOUND)
    made = api.post("/repos/me/greeter/labels").respond(201, json={})
    labelled = api.post("/repos/me/greeter/issues/3/labels").respond(json=[])
    assigned = api.post("/repos/me/greeter/issues/3/assignees").respond(201, json=pull(assignees=[]))
    asked = api.post("/repos/me/greeter/pulls/3/requested_reviewers")
    no = {"message": "Reviews may only be requested from collaborators."}
    refusal = httpx.Response(422, json=no)
    asked.side_effect = [refusal, refusal, httpx.Response(201, json=pull())]
    reviewer, assignee = await make().dress(REMOTE, DRAFT)
    assert reviewer.startswith("reviewer octocat: ")
    assert "Reviews may only be requested from collaborators" in reviewer
    assert "assignee hubot: GitHub left it out" in assignee
    assert [body["name"] for body in sent(made)] == ["pimainteno"]
    assert sent(labelled) == [{"labels": ["pimainteno"]}]
    assert sent(assigned) == [{"assignees": ["hubot"]}]
    one, two = {"reviewers": ["octocat"]}, {"team_reviewers": ["crew"]}
    assert sent(asked) == [one | two, one, two]


async def test_what_is_dressed_is_left_alone(api: respx.MockRouter) -> None:
    there = pull(
        labels=[{"name": "PiMainteno"}],
        requested_reviewers=[{"login": "Octocat"}],
        requested_teams=[{"slug": "crew"}],
        assignees=[{"login": "hubot"}],
    )
    api.get("/repos/me/greeter/pulls/3").respond(json=there)
    assert await make().dress(REMOTE, DRAFT) == ()
    assert [call.request.method for call in api.calls] == ["GET"]


async def test_a_label_that_somebody_makes_meanwhile_is_used(api: respx.MockRouter) -> None:
    api.get("/repos/me/greeter/pulls/3").respond(json=pull())
    api.get("/repos/me/greeter/labels/needs%20a%2Flook").respond(404, json=NOT_FOUND)
    api.post("/repos/me/greeter/labels").side_effect = [invalid({"field": "name", "code": "already_exists"})]
    labelled = api.post("/repos/me/greeter/issues/3/labels").respond(json=[])
    only = NewProposal(7, "b", "main", "1", "t", "b", draft=True, labels=("needs a/look",))
    assert await make().dress(REMOTE, only) == ()
    assert sent(labelled) == [{"labels": ["needs a/look"]}]


async def test_a_token_that_ended_stops_the_dressing_instead_of_becoming_a_note(
    api: respx.MockRouter,
) -> None:
    api.get("/repos/me/greeter/pulls/3").respond(json=pull())
    api.get("/repos/me/greeter/labels/pimainteno").respond(401, json={"message": "Bad credentials"})
    with pytest.raises(ForgeAccessError, match="make a new token"):
        await make().dress(REMOTE, DRAFT)
