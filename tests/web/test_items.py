"""A list tells what stands in the store, whatever was kept of it before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from app.core.reports import Failure
from app.store import events, incidents, proposals
from tests.web.conftest import CANARY, add_proposal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from app.store.database import Store
    from tests.web.conftest import Site


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with site.reader() as reader:
        yield reader


async def listed(client: httpx.AsyncClient) -> dict[int, dict[str, Any]]:
    answer = await client.get("/api/v1/proposals?state=all")
    return {one["id"]: one for one in answer.json()["items"]}


async def single(client: httpx.AsyncClient, number: int) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/v1/proposals/{number}")).json()
    return found


async def test_what_changes_shows_at_once(client: httpx.AsyncClient, store: Store) -> None:
    numbers = [await add_proposal(store) for _ in range(3)]
    before = await listed(client)
    async with store.write() as tx:
        changed = await proposals.update(tx, numbers[1], ci="failure", title="Another title")
    after = await listed(client)
    assert list(after) == numbers[::-1]
    assert after == {number: await single(client, number) for number in numbers}
    assert (after[numbers[1]]["ci"], after[numbers[1]]["title"]) == ("failure", "Another title")
    assert [before[number] == after[number] for number in numbers] == [True, False, True]

    again = Failure(project="greeter", unit="greeter.service", host="pi-2", exit_status="1")
    async with store.write() as tx:
        assert changed.fingerprint
        await incidents.record(tx, again, fingerprint=changed.fingerprint, version=1, log="")
    counted = (await listed(client))[numbers[1]]
    assert (counted["count"], counted["hosts"]) == (2, ["pi-1", "pi-2"])
    assert counted == await single(client, numbers[1])


async def test_only_what_is_new_is_read_whole(client: httpx.AsyncClient, store: Store) -> None:
    numbers = [await add_proposal(store) for _ in range(3)]
    first = await listed(client)
    statements: list[tuple[str, Any]] = []
    engine = store._engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2:4]))
    assert await listed(client) == first
    assert [statement for statement, _ in statements if "codex_md_diff" in statement] == []
    async with store.write() as tx:
        await proposals.update(tx, numbers[0], draft=True)
    statements.clear()
    assert (await listed(client))[numbers[0]]["draft"]
    assert [values for statement, values in statements if "codex_md_diff" in statement] == [(0, numbers[0])]


async def test_a_secret_that_was_learnt_since_is_in_no_list(site: Site, client: httpx.AsyncClient) -> None:
    number = await add_proposal(site.store, title=f"Mend {CANARY} and the-new-one")
    async with site.store.write() as tx:
        await events.append(tx, "operator.note", "about the-new-one", project="greeter", proposal=number)
    assert "the-new-one" in (await client.get("/api/v1/proposals")).text
    assert "the-new-one" in (await client.get("/api/v1/history")).text
    site.app.state.web.redactor.learn(["the-new-one"])
    for path in ("/api/v1/proposals", "/api/v1/history"):
        text = (await client.get(path)).text
        assert "the-new-one" not in text
        assert CANARY not in text
