from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.core.base import now
from app.core.errors import BadRequestError, ConflictError, NotFoundError
from app.core.models import Kind, ProposalState
from app.core.queue import Queue
from app.store import actions, events, jobs, pauses, proposals

if TYPE_CHECKING:
    from app.store.actions import Action
    from app.store.database import Store

STATES = ("working", "waiting", "open", "merged", "closed", "refused", "skipped", "failed")
TABLE: dict[Action, str] = {  # one column for each of STATES
    "merge": "..x.....",
    "close": "xxx.....",
    "retry": ".xx.xxxx",
    "snooze": "xxx.xxxx",
}
CASES = [
    (action, state, mark == "x")
    for action, marks in TABLE.items()
    for state, mark in zip(STATES, marks, strict=True)
]
TOMORROW = datetime.now(UTC) + timedelta(days=1)


def more(action: Action) -> dict[str, Any]:
    return {"until": TOMORROW} if action == "snooze" else {}


async def made(store: Store, state: str = "open") -> int:
    async with store.write() as tx:
        made = await proposals.create(tx, project="greeter", kind=Kind.FIX, branch="b", title="Fix it")
        await proposals.update(tx, made.id, state=ProposalState(state))
    return made.id


@pytest.mark.parametrize(("action", "state", "fits"), CASES)
async def test_which_action_fits_which_state(store: Store, action: Action, state: str, fits: bool) -> None:
    number = await made(store, state)
    async with store.write() as tx:
        assert actions.allowed(action, await proposals.get(tx, number), local=True) is fits
        if fits:
            assert (await actions.request(tx, action, number, actor="me", local=True, **more(action))).id
            return
        with pytest.raises(
            ConflictError,
            match=rf"Proposal {number} is {state}: only one that is \w+(, \w+)*( or \w+)? can be \w+",
        ):
            await actions.request(tx, action, number, actor="me", local=True, **more(action))
        assert (await events.page(tx))[0] == []
        assert await jobs.due(tx, ring_again_s=0) == []


async def test_a_request_is_a_job_and_a_line_of_the_history(store: Store) -> None:
    number = await made(store, "failed")
    async with store.write() as tx:
        job = await actions.request(tx, "retry", number, actor="ada", discard=True)
        [event] = (await events.page(tx))[0]

    assert (job.queue, job.name) == (Queue.PUBLISHER, "retry")
    assert job.args == {"proposal_id": number, "actor": "ada", "discard": True}
    assert (event.kind, event.project, event.proposal, event.actor) == (
        "operator.retry",
        "greeter",
        number,
        "ada",
    )
    assert event.data == {"discard": True}
    assert event.text == f"ada asked to retry proposal {number}"


async def test_snooze_carries_its_end_as_iso_time(store: Store) -> None:
    number = await made(store)
    async with store.write() as tx:
        job = await actions.request(tx, "snooze", number, actor="ada", until=TOMORROW)
        [event] = (await events.page(tx))[0]

    assert datetime.fromisoformat(job.args["until"]) == TOMORROW
    assert event.data == {"until": job.args["until"]}
    assert event.text.endswith(f"until {TOMORROW:%Y-%m-%d %H:%M} UTC")


@pytest.mark.parametrize("until", [None, now() - timedelta(seconds=1)])
async def test_snooze_needs_a_time_to_come(store: Store, until: datetime | None) -> None:
    number = await made(store)
    async with store.write() as tx:
        with pytest.raises(BadRequestError, match="a time in the future"):
            await actions.request(tx, "snooze", number, actor="me", until=until)


async def test_only_the_local_forge_is_merged_here(store: Store) -> None:
    number = await made(store)
    async with store.write() as tx:
        await proposals.update(tx, number, url="https://hub.test/1")
        with pytest.raises(ConflictError, match=r"is merged on its forge: https://hub\.test/1"):
            await actions.request(tx, "merge", number, actor="me")
        assert not actions.allowed("merge", await proposals.get(tx, number), local=False)


async def test_the_same_request_again_is_the_pending_one(store: Store) -> None:
    number = await made(store)
    async with store.write() as tx:
        first = await actions.request(tx, "close", number, actor="ada")
        assert await actions.request(tx, "close", number, actor="bob") == first
        taken = await jobs.take(tx, first.id, owner="worker", lease_s=60)
        assert taken is not None
        assert (await actions.request(tx, "close", number, actor="bob")).id == first.id
        assert len((await events.page(tx))[0]) == 1

        await jobs.done(tx, taken[1])
        assert (await actions.request(tx, "close", number, actor="bob")).id > first.id


async def test_another_request_of_the_kind_waits_for_the_first(store: Store) -> None:
    number = await made(store, "refused")
    async with store.write() as tx:
        await actions.request(tx, "retry", number, actor="ada")
        with pytest.raises(ConflictError, match="Another retry of proposal 1 is under way"):
            await actions.request(tx, "retry", number, actor="ada", discard=True)


async def test_no_such_proposal(store: Store) -> None:
    async with store.write() as tx:
        with pytest.raises(NotFoundError, match="There is no proposal 99"):
            await actions.request(tx, "close", 99, actor="me")


async def test_pause_and_resume_are_written_down_once(store: Store) -> None:
    async with store.write() as tx:
        assert await actions.pause(tx, "quota", "ada")
        assert not await actions.pause(tx, "another reason", "bob")
        pause = await pauses.get(tx)
        assert pause is not None
        assert (pause.reason, pause.actor) == ("quota", "ada")
        assert await actions.resume(tx, "bob")
        assert not await actions.resume(tx, "bob")
        assert await pauses.get(tx) is None
        written = [(event.kind, event.actor) for event in (await events.page(tx))[0]]

    assert written == [("operator.resume", "bob"), ("operator.pause", "ada")]
