"""The main job on PostgreSQL: whole, with a worker that is killed, and with a server that goes away."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import WAIT_S, a_house
from tests.e2e.greeter import Greeter
from tests.e2e.test_crashes import test_a_killed_worker_leaves_one_proposal as kill_the_worker
from tests.e2e.test_flow import test_a_failure_becomes_a_proven_proposal as go_the_whole_way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from app.demo.model import Client, Item, Request
    from tests.doubles.postgres import Postgres
    from tests.e2e.conftest import House


@pytest.fixture
async def house(place: Path, postgres: Postgres) -> AsyncIterator[House]:
    """The greeter's installation, on an empty PostgreSQL database that the processes migrate."""
    name = postgres.empty()
    async with a_house(place) as made:
        made.database = postgres.url(name)
        made.configure()
        yield made
    postgres.drop(name)


async def test_the_whole_flow(house: House) -> None:
    await go_the_whole_way(house)
    assert not (house.state / "pimainteno.sqlite3").exists()


async def test_a_killed_worker_leaves_one_proposal(house: House) -> None:
    await kill_the_worker(house, "worker.git.commands:push", "after")


@dataclass
class Later:
    """An answer of the model's that comes when it may."""

    go: asyncio.Event
    items: Sequence[Item]

    async def play(self, client: Client) -> None:
        await self.go.wait()
        await client.stream()
        await client.items(self.items)
        await client.completed()


@dataclass
class Slow(Greeter):
    """The greeter's model, waited for."""

    go: asyncio.Event = field(default_factory=asyncio.Event)

    def reply(self, request: Request) -> Later:  # type: ignore[override]
        return Later(self.go, super().reply(request))


async def test_a_worker_outlives_the_server(house: House, postgres: Postgres) -> None:
    """The server crashes in the middle of a run and stays away until the worker has met that."""
    house.model.script = model = Slow()
    worker = house.start("worker")
    assert (await house.fail())[0] == 0
    await house.until_event("run.started")
    assert house.column("select state from proposals") == "working"
    postgres.stop()
    model.go.set()
    deadline = time.monotonic() + WAIT_S
    while "The database postgresql" not in house.logs():
        assert time.monotonic() < deadline, house.logs()
        await asyncio.sleep(0.05)
    postgres.start()

    proposal = await house.until_state("open")
    assert worker.poll() is None, house.logs()
    assert len(await house.proposals()) == 1
    assert sorted(house.branches()) == ["main", proposal["branch"]]
    kinds = [event["kind"] for event in await house.history()]
    for once in ("failure.seen", "incident.opened", "run.started", "proposal.opened"):
        assert kinds.count(once) == 1, kinds
