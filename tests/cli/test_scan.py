"""`scan`: one tick for each project asked for, and what `--wait` makes of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.store import deliveries

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Worker

SECOND = '[projects.second]\nforge = "here"\nrepo = "/nowhere/second.git"\n'


async def test_all_projects_or_one(command: Command, worker: Worker) -> None:
    command.configure(SECOND)
    ended = await command.run("scan")
    assert (ended.code, ended.out) == (0, "queued: a look at greeter\nqueued: a look at second\n")
    ended = await command.run("scan", "second")
    assert ended.code == 0
    ticks = await worker.reports()
    assert sorted(str(tick["project"]) for tick in ticks) == ["greeter", "second", "second"]
    assert len({tick["id"] for tick in ticks}) == 3
    assert all(str(tick["actor"]).startswith("cli:") and tick["day"] == "" for tick in ticks)
    assert (await command.run("scan", "gone")).code == 2


@pytest.mark.parametrize(
    ("result", "code"),
    [("ignored: codex.md is current", 3), ("failed: no such repository", 1)],
)
async def test_wait_without_a_proposal(command: Command, worker: Worker, result: str, code: int) -> None:
    process = command.start("scan", "greeter", "--wait")
    tick = await worker.report()
    async with worker.store.write() as tx:
        await deliveries.add(tx, "reports", str(tick["id"]), "tick")
        await deliveries.done(tx, "reports", str(tick["id"]), result=result)
    ended = await command.ends(process)
    assert ended.code == code
    assert result in ended.err
