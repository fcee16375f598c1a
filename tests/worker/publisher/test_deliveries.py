"""Deliveries of a forge, through the web process's own door: late, twice, and in every order."""

from __future__ import annotations

import itertools
import random
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.core.models import ProposalState
from app.web.main import create_app
from tests.doubles.github import GitHub
from tests.worker.publisher.there import KINDS, REPO, There, configure, double_of
from worker.forges import pacer

if TYPE_CHECKING:
    from tests.worker.publisher.conftest import House

SECRET = "It is a Secret to Everybody"
NOWHERE = "http://127.0.0.1:9/webhooks/here"
ACTIONS = {
    "github": ("opened", "synchronize", "closed", "reopened", "closed"),
    "gitlab": ("open", "update", "close", "reopen", "merge"),
}


def life(there: There) -> list[Any]:
    """Let people lead a request from its beginning to its merge; return five deliveries that tell of it."""
    held = there.double.webhooks.held
    there.push()
    there.double.pulls(REPO)  # that is when the forge sees the push
    there.do("close")
    there.do("reopen")
    there.do("ready")
    there.do("merge")
    told = [each for each in held if each.event in ("pull_request", "merge_requests")]
    found: list[Any] = []
    for action in ACTIONS[there.kind]:
        found.append(next(each for each in told if each.action == action and each not in found))
    return found


async def post(client: httpx.AsyncClient, delivery: Any) -> int:
    headers = delivery.headers if isinstance(delivery.headers, dict) else delivery.headers()
    return (await client.post("/webhooks/here", content=delivery.body, headers=headers)).status_code


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", range(5))
async def test_every_order_of_a_whole_life_each_told_twice(
    house: House, monkeypatch: pytest.MonkeyPatch, kind: str, first: int
) -> None:
    """In all 120 orders, and however far they come before we look, the end is the forge's own."""
    monkeypatch.setattr(pacer, "PACE_S", 0.0)
    async with double_of(house, kind) as double:
        configure(house, double, kind, secret=SECRET)
        there = There(house, double, kind)
        double.webhooks.hold()
        if isinstance(double, GitHub):
            double.webhook(NOWHERE, SECRET)
        else:
            double.webhook(REPO, NOWHERE, SECRET)
        await house.opened()
        await there.settle()
        as_opened = await house.proposal()
        deliveries = life(there)
        desk = house.desk
        app = create_app(house.settings, store=house.store, bell=desk.bell, redactor=desk.redactor)
        transport = httpx.ASGITransport(app)
        dice = random.Random(first)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            orders = [order for order in itertools.permutations(range(5)) if order[0] == first]
            for number, order in enumerate(orders, 1):
                await house.set_proposal(
                    state=ProposalState.OPEN, head_sha=as_opened.head_sha, draft=True, merge_commit=None
                )
                looks = dice.randrange(5)
                for each in deliveries:
                    each.id = str(uuid.uuid4())
                for position, which in enumerate(order):
                    answers = [await post(client, deliveries[which]) for _ in range(2)]
                    assert answers == [202, 202]
                    if position == looks:
                        await there.settle()
                await there.settle()
                row = await house.proposal()
                assert row.state is ProposalState.MERGED, order
                assert (row.head_sha, row.draft) == (there.now("head_sha"), True), order
                assert len(await house.events("proposal.merged")) == number, order
        assert (await house.incident()).state == "resolved"
        double.webhooks.release([])
