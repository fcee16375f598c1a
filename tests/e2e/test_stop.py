"""SIGTERM: no new work, no orphan, and what was at work goes on from its last finished stage."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from tests.e2e.test_redis import Gate, Held

if TYPE_CHECKING:
    from tests.e2e.conftest import House


async def test_a_stopped_worker_hands_its_work_back(house: House) -> None:
    gate = Gate()
    house.model.script = Held(house.script, gate, summarise=True)
    worker = house.start("worker")
    assert (await house.fail())[0] == 0
    async with asyncio.timeout(60):
        await gate.reached.wait()

    asked = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 30) == 0, house.logs()
    assert time.monotonic() - asked < 15  # systemd would wait for 90
    assert "Traceback" not in house.logs()

    gate.open.set()
    house.start("worker")
    proposal = await house.until_state("open")
    assert [(c["before"], c["after"]) for c in proposal["checks"]] == [("fail", "pass")]
    assert house.script.kinds.count("fix") == 1


async def test_up_ends_all_of_its_processes(house: House) -> None:
    house.configure(more=f"[web]\nport = {house.free_port()}")
    together = house.start("up")
    assert (await house.fail("--wait"))[0] == 0
    together.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(together.wait, 30) in (0, 128 + signal.SIGTERM), house.logs()
    assert "Traceback" not in house.logs()
