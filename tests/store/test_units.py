"""How units stand: the newest report of each counts, whatever the order in which they come."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from app.core.base import now
from app.core.units import SILENT_AFTER, UnitCounts, UnitState, UnitStates
from app.store import units
from app.store.tables import watchers

if TYPE_CHECKING:
    from app.store.database import Store

FAILED = {"load": "loaded", "active": "failed", "sub": "failed", "result": "exit-code"}
ACTIVE = {"load": "loaded", "active": "active", "sub": "running"}
NOT_FOUND = {"load": "not-found", "active": "inactive", "sub": "dead"}


def state(unit: str, project: str = "greeter", **facts: Any) -> UnitState:
    return UnitState(project=project, unit=unit, **(ACTIVE | facts))


def report(sent: int, *items: UnitState, full: bool = True, **more: Any) -> UnitStates:
    return UnitStates(sent=sent, full=full, items=items, **({"host": "pi"} | more))


async def tell(store: Store, *reports: UnitStates) -> list[bool]:
    taken = []
    for each in reports:
        async with store.write() as tx:
            taken.append(await units.told(tx, each))
    return taken


async def standing(store: Store, project: str = "greeter") -> dict[str, str]:
    async with store.read() as tx:
        found = await units.of_project(tx, project)
    return {f"{each.host}/{each.unit}": each.active for each in found}


async def age(store: Store, host: str, by: timedelta) -> None:
    async with store.write() as tx:
        await tx.execute(update(watchers).where(watchers.c.host == host).values(heard_at=now() - by))


async def test_a_state_is_kept_with_all_that_is_known(store: Store) -> None:
    since = now()
    await tell(store, report(5, state("a.service", **FAILED, since=since)))
    async with store.read() as tx:
        (found,) = await units.of_project(tx, "greeter")
        assert await units.of_project(tx, "another") == []
    assert found.model_dump(exclude={"heard_at", "since"}) == {
        "project": "greeter", "unit": "a.service", "host": "pi", "bus": "system", **FAILED,
    }  # fmt: skip
    assert found.since is not None
    assert abs(found.since - since) < timedelta(milliseconds=1)
    assert (found.failed, found.missing, found.silent) == (True, False, False)


async def test_a_full_report_removes_what_is_gone_and_a_part_does_not(store: Store) -> None:
    await tell(
        store, report(1, state("a.service"), state("b.service")), report(1, state("c.service"), host="nas")
    )
    await tell(store, report(2, state("a.service", **FAILED), full=False))
    assert await standing(store) == {
        "pi/a.service": "failed",
        "pi/b.service": "active",
        "nas/c.service": "active",
    }
    await tell(store, report(3, state("a.service")))
    assert await standing(store) == {"pi/a.service": "active", "nas/c.service": "active"}
    await tell(store, report(4))
    assert await standing(store) == {"nas/c.service": "active"}


REPORTS = (
    report(1, state("a.service"), state("gone.service")),
    report(2, state("a.service", **FAILED), state("new.service", **FAILED), full=False),
    report(3, state("a.service", **FAILED), state("new.service")),
    report(4, state("a.service"), full=False),
)


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))], ids=str)
async def test_in_whatever_order_the_newest_counts(store: Store, order: tuple[int, ...]) -> None:
    await tell(store, *(REPORTS[number] for number in order))
    assert await standing(store) == {"pi/a.service": "active", "pi/new.service": "active"}


async def test_the_same_report_again_changes_nothing(store: Store) -> None:
    assert await tell(store, REPORTS[3], REPORTS[2], REPORTS[2], REPORTS[0]) == [True, True, True, False]
    assert await standing(store) == {"pi/a.service": "active", "pi/new.service": "active"}


async def test_what_a_clock_ahead_of_ours_has_sent_does_not_stand_for_ever(store: Store) -> None:
    ahead = int((now() + timedelta(days=365)).timestamp() * 1e6)
    at = int(now().timestamp() * 1e6)
    await tell(store, report(ahead, state("a.service", **FAILED), state("b.service")))
    assert await tell(store, report(at, state("a.service"))) == [True]
    assert await standing(store) == {"pi/a.service": "active"}
    assert await tell(store, report(at - 1, state("a.service", **FAILED))) == [False]


async def test_two_watchers_on_one_host_keep_apart(store: Store) -> None:
    await tell(store, report(1, state("a.service")), report(2, state("b.service"), bus="user 1000"))
    await tell(store, report(3, state("a.service")))
    assert await standing(store) == {"pi/a.service": "active", "pi/b.service": "active"}


async def test_a_unit_that_other_hosts_have_is_not_missing(store: Store) -> None:
    nowhere, absent = state("typo.service", **NOT_FOUND), state("a.service", **NOT_FOUND)
    await tell(store, report(1, state("a.service"), nowhere), report(1, absent, nowhere, host="nas"))
    assert sorted(await standing(store)) == ["nas/typo.service", "pi/a.service", "pi/typo.service"]
    async with store.read() as tx:
        assert await units.counts(tx) == {"greeter": UnitCounts(active=1, missing=2)}


async def test_the_numbers_of_each_project(store: Store) -> None:
    late = [state("l.service", **FAILED), state("m.service")]
    await tell(
        store,
        report(1, state("a.service"), state("b.service", **FAILED), state("c.timer", active="activating")),
        report(1, state("a.service"), state("x.service", "another"), host="nas"),
        report(1, *late, host="gone"),
    )
    await age(store, "gone", SILENT_AFTER + timedelta(seconds=5))
    async with store.read() as tx:
        found = await units.counts(tx)
        silent = [each.unit for each in await units.of_project(tx, "greeter") if each.silent]
    assert found == {
        "greeter": UnitCounts(active=2, failed=1, other=1, silent=2),
        "another": UnitCounts(active=1),
    }
    assert found["greeter"].total == 6
    assert silent == ["l.service", "m.service"]


@pytest.mark.parametrize(
    ("numbers", "worst"),
    [
        (UnitCounts(), "unknown"),
        (UnitCounts(active=1, other=1), "fine"),
        (UnitCounts(active=1, silent=1), "silent"),
        (UnitCounts(silent=1, missing=1), "missing"),
        (UnitCounts(failed=1, missing=1), "failed"),
    ],
)
def test_the_worst_of_a_project_comes_first(numbers: UnitCounts, worst: str) -> None:
    assert numbers.worst == worst


async def test_hosts_and_projects_that_are_no_more_are_forgotten(store: Store) -> None:
    await tell(store, report(1, state("a.service"), state("x.service", "another")))
    await tell(store, report(1, state("a.service"), host="gone"))
    await age(store, "gone", timedelta(days=31))
    async with store.write() as tx:
        await units.forget(tx, projects=["greeter"], silent_for=timedelta(days=30))
    assert await standing(store) == {"pi/a.service": "active"}
    assert await standing(store, "another") == {}
    async with store.read() as tx:
        assert len((await tx.execute(watchers.select())).all()) == 1


async def test_what_changed_can_be_asked_for(store: Store) -> None:
    async def changed(after: int) -> dict[str, int]:
        async with store.read() as tx:
            return await units.changed(tx, after)

    assert await changed(0) == {}
    await tell(store, report(1, state("a.service")), report(1, state("b.service", "other"), host="nas"))
    assert await changed(0) == {"greeter": 1, "other": 2}
    await tell(store, report(2, state("a.service")))  # the same again
    assert await changed(2) == {}
    await tell(store, report(3, state("a.service", **FAILED), full=False))
    assert await changed(2) == {"greeter": 3}
    await tell(store, report(4, state("a.service", **FAILED), state("c.service")))
    await tell(store, report(5, state("a.service", **FAILED)))  # one is gone
    assert await changed(4) == {"greeter": 5}
    async with store.read() as tx:
        assert await units.newest(tx) == 5
