from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.core.base import now
from app.core.errors import NotFoundError
from app.core.reports import Failure
from app.store import incidents

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.models import Incident
    from app.store.database import Store

NOON = now()


async def record(
    store: Store, host: str = "pi", *, project: str = "greeter", at: datetime = NOON, log: str = "boom"
) -> Incident:
    failure = Failure(project=project, unit="a.service", host=host, at=at, exit_status="1")
    async with store.write() as tx:
        return await incidents.record(tx, failure, fingerprint="f1", version=2, log=log)


async def test_a_first_failure(store: Store) -> None:
    found = await record(store)

    assert (found.project, found.unit, found.result, found.exit_status) == (
        "greeter",
        "a.service",
        "exit-code",
        "1",
    )
    assert (found.fingerprint, found.fingerprint_version) == ("f1", 2)
    assert (found.count, found.hosts, found.state, found.log) == (1, ("pi",), "open", "boom")
    assert found.first_at == found.last_at
    async with store.read() as tx:
        assert await incidents.get(tx, found.id) == found


async def test_later_ones_count_and_add_their_host_once(store: Store) -> None:
    first = await record(store)
    await record(store, "other", at=NOON + timedelta(hours=1))
    last = await record(store, "pi", at=NOON - timedelta(hours=1), log="another log")

    assert (last.id, last.count, last.hosts, last.log) == (first.id, 3, ("pi", "other"), "boom")
    assert last.last_at - last.first_at == timedelta(hours=2)


async def test_a_fleet_makes_one_incident(store: Store, other: Store) -> None:
    await asyncio.gather(*(record((store, other)[host % 2], f"host{host}") for host in range(120)))

    last = await record(store, "host0")
    assert last.count == 121
    assert len(set(last.hosts)) == len(last.hosts) == incidents.MAX_HOSTS


async def test_projects_do_not_share_incidents(store: Store) -> None:
    assert (await record(store)).id != (await record(store, project="another")).id


async def test_a_resolved_one_opens_again_with_the_new_log(store: Store) -> None:
    first = await record(store)
    async with store.write() as tx:
        await incidents.resolve(tx, first.id)
        assert (await incidents.get(tx, first.id)).state == "resolved"

    again = await record(store, log="new")
    assert (again.id, again.state, again.count, again.log) == (first.id, "open", 2, "new")


async def test_no_such_incident(store: Store) -> None:
    async with store.read() as tx:
        with pytest.raises(NotFoundError, match="There is no incident 99"):
            await incidents.get(tx, 99)
