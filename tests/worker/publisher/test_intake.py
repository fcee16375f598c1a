"""Reports become rows: each once, none lost, and a flood makes one run."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.core.base import now
from app.core.models import Kind, ProposalState
from app.core.redact import Redactor
from app.core.reports import LOG_LIMIT, Failure
from app.store import deliveries
from worker.publisher.intake import branch_of, failures, kept_log

if TYPE_CHECKING:
    from app.core.models import Delivery
    from tests.worker.publisher.conftest import House

SECRET = "hunter2-very-secret"


async def delivery(house: House, report: str) -> Delivery:
    async with house.store.read() as tx:
        found = await deliveries.get(tx, "reports", report)
    assert found is not None
    return found


async def test_a_first_failure_sets_out_on_a_repair(house: House) -> None:
    (job,) = await house.fail(id="r1", exit_status="1")
    assert (job.queue, job.name, job.args) == ("pimainteno:publisher", "start", {"run_id": 1})
    proposal, incident, run = await house.proposal(), await house.incident(), await house.run()
    assert (proposal.state, proposal.kind, proposal.count) == (ProposalState.WORKING, Kind.FIX, 1)
    assert proposal.branch == f"pimainteno/fix/greeter.service-{incident.fingerprint[:8]}"
    assert (run.state, run.stage, run.retry) == ("queued", "", 0)
    assert [e.kind for e in await house.events()] == ["failure.seen", "incident.opened"]
    (seen, _) = await house.events()
    assert (seen.host, seen.proposal, seen.actor) == ("pi", 1, "watcher")
    assert (seen.data["count"], seen.data["delivery"]) == (1, "r1")
    came = await delivery(house, "r1")
    assert (came.result, came.proposal_id) == ("proposal", 1)


async def test_the_same_failure_again_only_counts(house: House) -> None:
    await house.fail()
    assert await house.fail(id="r2", host="pi2") == []
    proposal = await house.proposal()
    assert (proposal.count, proposal.hosts) == (2, ("pi", "pi2"))
    came = await delivery(house, "r2")
    assert (came.result, came.proposal_id) == ("counted", 1)
    assert "proposal 1 is working" in (await house.events("failure.seen"))[1].text


async def test_a_report_and_an_invocation_are_taken_once(house: House) -> None:
    await house.fail(id="r1", invocation="i1")
    assert await house.fail(id="r1", invocation="i1") == []
    assert await house.fail(id="r2", invocation="i1") == []
    assert (await house.incident()).count == 1
    assert ((await delivery(house, "r2")).result or "").startswith("ignored: ")
    await house.fail(id="r3", invocation="i1", host="other")
    assert (await house.incident()).count == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"project": "gretter"}, ["gretter", "greeter", "[projects.gretter]"]),
        ({"unit": "mail.service"}, ["mail.service", "[projects.greeter] units"]),
        ({"project": "x\n<!-- \x1b[31m"}, ["add [projects.x"]),
    ],
)
async def test_what_fits_no_project_is_kept_with_the_reason(
    house: House, fields: dict[str, str], words: list[str]
) -> None:
    assert await house.fail(id="r1", **fields) == []
    assert await house.fail(id="r1", **fields) == []
    (event,) = await house.events()
    came = await delivery(house, "r1")
    assert event.kind == "failure.seen"
    assert came.result == f"ignored: {event.data['ignored']}"
    assert came.proposal_id is None
    assert all(word in event.text for word in words)
    assert "\n" not in event.text


async def test_closed_stays_closed_until_a_snooze_is_over(house: House) -> None:
    await house.fail()
    await house.set_proposal(state=ProposalState.CLOSED)
    assert await house.fail() == []
    await house.set_proposal(snoozed_until=now() + timedelta(hours=1))
    assert await house.fail() == []
    await house.set_proposal(snoozed_until=now() - timedelta(seconds=1))
    (job,) = await house.fail()
    again = await house.proposal(2)
    assert job.args == {"run_id": 2}
    assert again.branch == (await house.proposal()).branch + "-2"
    assert again.count == 4


async def test_after_a_merge_there_is_a_new_proposal(house: House) -> None:
    await house.fail()
    await house.set_proposal(state=ProposalState.MERGED)
    assert len(await house.fail()) == 1
    assert (await house.proposal(2)).branch.endswith("-2")


@pytest.mark.parametrize("state", [ProposalState.REFUSED, ProposalState.SKIPPED, ProposalState.FAILED])
async def test_what_ended_is_tried_again_after_an_hour_on_the_same_proposal(
    house: House, state: ProposalState
) -> None:
    await house.fail()
    await house.set_proposal(state=state, reason="why")
    await house.set_run(state="failed", finished_at=now() - timedelta(minutes=50))
    assert await house.fail() == []
    await house.set_run(finished_at=now() - timedelta(minutes=61))
    (job,) = await house.fail()
    assert job.args == {"run_id": 2}
    assert (await house.run(2)).proposal_id == 1
    proposal = await house.proposal()
    assert (proposal.state, proposal.reason) == (ProposalState.WORKING, "why")
    assert await house.fail() == []


@pytest.mark.parametrize("state", [ProposalState.WAITING, ProposalState.OPEN, ProposalState.WORKING])
async def test_while_a_proposal_is_open_failures_count(house: House, state: ProposalState) -> None:
    await house.fail()
    await house.set_proposal(state=state)
    await house.set_run(finished_at=now() - timedelta(days=1))
    assert await house.fail() == []


async def test_the_kept_log_has_no_secrets_and_no_tricks(house: House) -> None:
    await house.fail(log=f"error: token {SECRET}\x1b[31m\u202e\0 red\n")
    log = (await house.incident()).log
    assert "hunter2" not in log
    assert log == "error: token [redacted] red\n"


async def test_a_resolved_incident_keeps_the_newer_log(house: House) -> None:
    from app.store import incidents

    await house.fail(log="error: no three\nfirst 1")
    await house.fail(log="error: no three\nsecond 2")
    assert "first" in (await house.incident()).log
    async with house.store.write() as tx:
        await incidents.resolve(tx, 1)
    await house.fail(log="error: no three\nthird 3")
    assert "third" in (await house.incident()).log


@pytest.mark.parametrize("log", ["", "\0\0", "x" * (1 << 20), "é" * LOG_LIMIT, "a\n" * (1 << 18)])
def test_any_log_fits(log: str) -> None:
    kept = kept_log(log, Redactor())
    assert len(kept.encode()) <= LOG_LIMIT
    assert log.replace("\0", "").endswith(kept)


async def test_strange_fields_are_taken(house: House) -> None:
    (job,) = await house.fail(
        unit="greeter@1\n2.service", host="h" * 999, result="\x1b[1mboom", exit_status="9" * 99,
        at=now() + timedelta(days=9),
    )  # fmt: skip
    incident = await house.incident()
    assert job.name == "start"
    assert (incident.unit, len(incident.hosts[0]), incident.result) == ("greeter@1 2.service", 255, "boom")
    assert incident.last_at <= now()


@pytest.mark.parametrize(
    ("unit", "branch"),
    [
        ("greeter.service", "greeter.service"),
        ("a@b-c.service", "a@b-c.service"),
        ("we ird~^:?*[\\x.service", "we-ird-------x.service"),
        ("..a...b.service", "a.b.service"),
        ("-.mount", "-.mount"),
        ("u" * 100, "u" * 60),
    ],
)
def test_branches(unit: str, branch: str) -> None:
    assert branch_of(unit, "0123456789" * 6) == f"pimainteno/fix/{branch}-01234567"


async def test_a_flood_makes_one_run_and_stays_quick(house: House) -> None:
    async def one(number: int) -> list[Any]:
        log = f"Nov 23 10:00:{number % 60:02d} h{number} app[{number}]: error: no three\n" * 5
        return await house.fail(id=f"r{number}", host=f"h{number}", log=log, invocation=f"i{number}")

    began = time.monotonic()
    results = await asyncio.gather(*(one(number) for number in range(200)))
    spent = time.monotonic() - began
    assert sum(len(jobs) for jobs in results) == 1
    incident = await house.incident()
    assert (incident.count, len(incident.hosts)) == (200, 100)
    assert len(await house.events("failure.seen")) == 200
    assert spent < 20


async def test_a_tick_is_taken_once(house: House) -> None:
    (job,) = await house.tick(id="greeter:2026-11-23")
    assert (job.name, job.args["project"], job.args["tick_id"]) == ("scan", "greeter", "greeter:2026-11-23")
    assert await house.tick(id="greeter:2026-11-23") == []
    assert (await delivery(house, "greeter:2026-11-23")).result is None
    assert len(await house.tick(id="greeter:2026-11-24")) == 1


async def test_a_tick_of_an_unknown_project_says_so(house: House) -> None:
    assert await house.tick(id="t", project="nobody") == []
    (event,) = await house.events("scan.done")
    assert "nobody" in event.text
    assert ((await delivery(house, "t")).result or "").startswith("ignored: there is no project 'nobody'")


async def test_no_field_of_a_report_brings_a_secret_into_the_rows(house: House) -> None:
    fields = ("result", "exit_status", "host", "actor")
    await house.fail(unit=f"greeter@{SECRET}.service", **dict.fromkeys(fields, SECRET))
    (seen, opened) = await house.events("failure.seen", "incident.opened")
    proposal, incident = await house.proposal(), await house.incident()
    for row in (seen, opened, proposal, incident):
        assert SECRET not in row.model_dump_json()
    assert "[redacted]" in seen.text


async def test_many_at_once_count_exactly_and_are_told_in_a_few_lines(house: House) -> None:
    jobs = await together(house, [f"r{n}" for n in range(50)], invocation="i{}")
    assert [job.name for job in jobs] == ["start"]
    assert (await house.incident()).count == 50
    first, more = await house.events("failure.seen")
    assert (first.data["count"], first.data["delivery"]) == (1, "r0")
    assert (more.data["count"], more.data["more"], more.host) == (50, 49, "pi")
    assert more.text == (
        "greeter.service failed 49 times more on pi (exit-code); counted, proposal 1 is working"
    )
    assert (await delivery(house, "r0")).result == "proposal"
    assert {(await delivery(house, f"r{n}")).result for n in range(1, 50)} == {"counted"}
    assert await together(house, ["r49", "s1", "s2"]) == []
    assert (await house.incident()).count == 52
    assert [e.data["count"] for e in await house.events("failure.seen")] == [1, 50, 51, 52]


async def test_a_few_at_once_are_told_one_by_one(house: House) -> None:
    await together(house, ["r1", "r2", "r3"])
    assert [e.data["count"] for e in await house.events("failure.seen")] == [1, 2, 3]
    assert [e.data["delivery"] for e in await house.events("failure.seen")] == ["r1", "r2", "r3"]


async def test_an_invocation_in_one_batch_counts_once(house: House) -> None:
    await together(house, ["r1", "r2", "r3"], invocation="i1")
    assert (await house.incident()).count == 1
    assert ((await delivery(house, "r2")).result or "").startswith("ignored: ")
    assert (await delivery(house, "r3")).done_at is not None


async def test_a_batch_of_several_causes_and_mistakes_is_sorted(house: House) -> None:
    logs = ["error: no three", "error: no four"]
    given = [Failure(id=f"r{n}", project="greeter", unit="greeter.service", host="pi", log=logs[n % 2])
             for n in range(4)]  # fmt: skip
    wrong = [Failure(id=f"w{n}", project="gretter", unit="x.service", host="pi") for n in range(3)]
    jobs = await failures(house.settings, house.store, house.desk.redactor, [*given, *wrong])
    assert len(jobs) == 2
    assert [(await house.incident(n)).count for n in (1, 2)] == [2, 2]
    assert {(await house.incident(n)).log for n in (1, 2)} == set(logs)
    (ignored,) = [e for e in await house.events("failure.seen") if "ignored" in e.data]
    assert ignored.text.endswith("(3 reports)")
    assert {(await delivery(house, f"w{n}")).result for n in range(3)} == {
        f"ignored: {ignored.data['ignored']}"
    }


async def together(house: House, ids: list[str], invocation: str = "") -> Any:
    reports = [
        Failure(
            id=report_id,
            project="greeter",
            unit="greeter.service",
            host="pi",
            log=f"error: no three in {number} ms",
            invocation=invocation.format(number),
        )
        for number, report_id in enumerate(ids)
    ]
    return await failures(house.settings, house.store, house.desk.redactor, reports)
