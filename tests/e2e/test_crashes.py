"""SIGKILL of the worker before and after each step: one branch, one proposal, one record each time."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e import greeter

if TYPE_CHECKING:
    from tests.e2e.conftest import House

STEPS = [
    "worker.publisher.intake:failures",
    "worker.publisher.fetch:start",
    "worker.agent.pipeline:judge",
    "worker.agent.pipeline:mend",
    "worker.agent.pipeline:prove",
    "worker.agent.pipeline:describe",
    "worker.agent.pipeline:run",
    "worker.publisher.publish:publish",
    "worker.publisher.publish:commit",
    "worker.publisher.publish:push",
    "worker.git.commands:push",
    "worker.publisher.publish:show",
]
"""Every stage of the main job, and the push itself: the first thing that others can see."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.rpartition(".")[2])
async def test_a_killed_worker_leaves_one_proposal(house: House, step: str, when: str) -> None:
    flag = house.at / "killed"
    deadly = [sys.executable, "-m", "tests.e2e.killer", step, when, str(flag), *house.argv()[3:]]
    victim = house.start("worker", program=deadly)
    code, _, err = await house.fail()
    assert code == 0, err
    assert await asyncio.to_thread(victim.wait, 60) == -signal.SIGKILL, house.logs()
    assert flag.exists()

    house.start("worker")
    proposal = await house.until_state("open")
    assert proposal["count"] == 1
    assert [(c["before"], c["after"]) for c in proposal["checks"]] == [("fail", "pass")]
    assert sorted(house.branches()) == ["main", proposal["branch"]]
    assert house.branches()[proposal["branch"]] == proposal["head_sha"]
    assert greeter.git("rev-list", "--count", f"main..{proposal['branch']}", at=house.bare) == "1"
    kinds = [event["kind"] for event in await house.history()]
    for once in ("failure.seen", "incident.opened", "run.started", "run.finished", "proposal.opened"):
        assert kinds.count(once) == 1, kinds
    assert house.script.kinds == ["fix", "summarise"]  # what the model said once is not asked again
