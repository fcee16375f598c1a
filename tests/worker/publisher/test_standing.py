"""How units stand, on the way from a watcher into the store."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from app.core.base import now
from app.core.units import UnitState, UnitStates
from app.store import units
from tests.worker.publisher.conftest import SECRET
from worker.publisher import standing

if TYPE_CHECKING:
    from app.core.units import KnownUnit
    from tests.worker.publisher.conftest import House


def state(unit: str = "greeter.service", project: str = "greeter", **facts: Any) -> UnitState:
    return UnitState(project=project, unit=unit, **({"load": "loaded", "active": "active"} | facts))


async def told(house: House, *items: UnitState, **more: Any) -> list[KnownUnit]:
    report = UnitStates.model_validate({"host": "pi", "sent": 1, "full": True, "items": items} | more)
    await standing.take_in(house.settings, house.store, house.desk.redactor, report)
    async with house.store.read() as tx:
        return await units.of_project(tx, "greeter")


async def test_what_fits_no_project_is_left_out_and_the_history_has_no_line(house: House) -> None:
    found = await told(
        house, state(), state("greeter@1.service"), state("nobodys.service"), state(project="unknown")
    )
    assert [each.unit for each in found] == ["greeter.service", "greeter@1.service"]
    assert await house.events() == []
    async with house.store.read() as tx:
        assert set(await units.counts(tx)) == {"greeter"}


async def test_what_others_sent_is_made_harmless(house: House) -> None:
    ahead = now() + timedelta(days=1)
    (found,) = await told(
        house,
        state("greeter@\x1b[1m.service", sub=f"run\nning {SECRET}", result="x" * 1000, since=ahead),
        host="p\x00i\u202e",
        bus="b" * 1000,
    )
    assert (found.unit, found.host, found.sub) == ("greeter@.service", "pi", "run ning [redacted]")
    assert (len(found.result), len(found.bus)) == (64, 255)
    assert found.since is not None
    assert found.since <= now()


async def test_one_unit_twice_counts_once_and_too_many_are_cut(house: House) -> None:
    many = [state(f"greeter@{number}.service") for number in range(standing.MOST + 10)]
    assert len(await told(house, *many)) == standing.MOST
    (found,) = await told(house, state(), state(active="failed"), sent=2)
    assert found.active == "failed"
