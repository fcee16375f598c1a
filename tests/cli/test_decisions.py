"""Decisions: what is asked, who asked, and how the outcome is told."""

from __future__ import annotations

import os
import pty
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.commands.following import until
from app.core.base import now
from app.core.reports import Failure
from app.store import events, jobs

if TYPE_CHECKING:
    from app.core.models import Job, Proposal
    from tests.cli.conftest import Command, Worker


async def _proposal(worker: Worker, state: str) -> Proposal:
    made = await worker.take_in(Failure(project="greeter", unit="greeter.service", host="pi").model_dump())
    await worker.set(made, state=state)
    return made


async def _asked(worker: Worker, action: str, number: int) -> Job:
    async def pending() -> Job | None:
        async with worker.store.read() as tx:
            return await jobs.pending(tx, action, number)

    await until(pending, every_s=0.05)
    found = await pending()
    assert found is not None
    return found


async def _end(worker: Worker, job: Job, *, dead: str = "", outcome: str = "") -> None:
    async with worker.store.write() as tx:
        taken = await jobs.take(tx, job.id, owner="test", lease_s=30)
        assert taken is not None
        if dead:
            await jobs.dead(tx, taken[1], dead)
            number = job.args["proposal_id"]
            await events.append(tx, f"operator.{job.name}", dead, proposal=number, data={"outcome": outcome})
        else:
            await jobs.done(tx, taken[1])


@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        (["merge"], "open"),
        (["close"], "open"),
        (["retry", "--discard"], "failed"),
        (["snooze", "2w"], "open"),
    ],
)
async def test_a_decision_is_asked_for_and_its_end_is_told(
    command: Command, worker: Worker, arguments: list[str], state: str
) -> None:
    made = await _proposal(worker, state)
    action, *more = arguments
    process = command.start(action, str(made.id), *more)
    job = await _asked(worker, action, made.id)
    assert str(job.args["actor"]).startswith("cli:")
    if action == "snooze":
        wanted = now() + timedelta(weeks=2)
        assert abs((wanted - type(wanted).fromisoformat(job.args["until"])).total_seconds()) < 60
    assert job.args.get("discard", False) == ("--discard" in more)
    await _end(worker, job)
    ended = await command.ends(process)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == f"asked: {action} proposal {made.id}"
    assert f"{action} is done" in ended.out


@pytest.mark.parametrize(("outcome", "code"), [("refused", 1), ("failed", 1), ("skipped", 3)])
async def test_what_could_not_be_done_is_told_with_its_reason(
    command: Command, worker: Worker, outcome: str, code: int
) -> None:
    made = await _proposal(worker, "open")
    process = command.start("merge", str(made.id))
    await _end(worker, await _asked(worker, "merge", made.id), dead="a conflict in app.py", outcome=outcome)
    ended = await command.ends(process)
    assert ended.code == code
    assert f"merge of proposal {made.id} was not done: a conflict in app.py" in ended.err


async def test_a_decision_that_does_not_fit_is_refused_at_once(command: Command, worker: Worker) -> None:
    made = await _proposal(worker, "merged")
    for action in ("merge", "close", "retry"):
        ended = await command.run(action, str(made.id))
        assert (ended.code, ended.out) == (1, "")
        assert "is merged" in ended.err
    ended = await command.run("close", "999")
    assert ended.code == 2
    assert "no proposal 999" in ended.err


async def test_with_redis_away_the_wish_is_kept(command: Command, worker: Worker) -> None:
    made = await _proposal(worker, "open")
    command.configure(redis_url="redis://127.0.0.1:1")
    ended = await command.run("close", str(made.id))
    assert ended.code == 0
    assert "what you asked for is kept" in ended.err
    assert (await _asked(worker, "close", made.id)).state == "queued"


async def test_pause_and_resume(command: Command, worker: Worker) -> None:
    assert [(await command.run(each)).code for each in ("resume", "pause", "pause", "resume")] == [3, 0, 3, 0]
    async with worker.store.read() as tx:
        happened, _ = await events.page(tx, newest_first=False)
    assert [event.kind for event in happened] == ["operator.pause", "operator.resume"]
    assert all(event.actor.startswith("cli:") for event in happened)


async def test_on_a_terminal_discard_asks_first(command: Command, worker: Worker) -> None:
    made = await _proposal(worker, "open")
    terminal, theirs = pty.openpty()
    process = command.start("retry", str(made.id), "--discard", stdin=theirs)
    os.write(terminal, b"n\n")
    ended = await command.ends(process)
    os.close(terminal)
    os.close(theirs)
    assert ended.code == 3
    assert "What others pushed to the branch of proposal 1 will be gone" in ended.err
    async with worker.store.read() as tx:
        assert await jobs.pending(tx, "retry", made.id) is None
