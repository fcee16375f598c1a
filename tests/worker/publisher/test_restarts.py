"""A unit that is started again and again: one incident; and one that comes back by itself: none at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.core.reports import Recovery
from app.store import deliveries
from worker.publisher import intake

if TYPE_CHECKING:
    from tests.worker.publisher.conftest import House

CRASH = """\
Nov 24 03:12:5{n} pi greeter[{pid}]: listening on 127.0.0.1:8080
Nov 24 03:12:5{n} pi greeter[{pid}]: Traceback (most recent call last):
Nov 24 03:12:5{n} pi greeter[{pid}]:   File "/srv/greeter/app.py", line 12, in <module>
Nov 24 03:12:5{n} pi greeter[{pid}]:     greet(names[index])
Nov 24 03:12:5{n} pi greeter[{pid}]: IndexError: list index out of range
"""
OLD = """\
Nov 24 03:12:5{n} pi systemd[1]: Started The greeter.
{log}Nov 24 03:12:5{n} pi systemd[1]: greeter.service: Main process exited, code={code}
Nov 24 03:12:5{n} pi systemd[1]: greeter.service: Failed with result '{result}'.
Nov 24 03:12:5{n} pi systemd[1]: greeter.service: Scheduled restart job, restart counter is at {n}.
Nov 24 03:12:5{n} pi systemd[1]: Stopped The greeter.
"""
NEW = """\
Nov 24 03:12:5{n} pi systemd[1]: Started greeter.service - The greeter.
{log}Nov 24 03:12:5{n} pi systemd[1]: greeter.service: Main process exited, code={code}
Nov 24 03:12:5{n} pi systemd[1]: greeter.service: Failed with result '{result}'.
Nov 24 03:12:5{n} pi systemd[1]: greeter.service: Consumed {pid}ms CPU time, 3.{n}M memory peak.
"""
LAST = """\
Nov 24 03:12:59 pi systemd[1]: greeter.service: Scheduled restart job, restart counter is at 5.
Nov 24 03:12:59 pi systemd[1]: greeter.service: Start request repeated too quickly.
Nov 24 03:12:59 pi systemd[1]: greeter.service: Failed with result 'exit-code'.
Nov 24 03:12:59 pi systemd[1]: Failed to start greeter.service - The greeter.
"""
HEAD = "Nov 24 03:12:5{n} pi systemd[1]: greeter.service:"
ENDS = {
    "exit-code": ("exited, status=1/FAILURE", "1", CRASH),
    "signal": ("killed, status=9/KILL", "9", "Nov 24 03:12:5{n} pi greeter[{pid}]: served {pid} requests\n"),
    "core-dump": ("dumped, status=11/SEGV", "11", ""),
    "oom-kill": (
        "killed, status=9/KILL",
        "9",
        f"{HEAD} A process of this unit has been killed by the OOM killer.\n",
    ),
    "timeout": ("killed, status=15/TERM", "15", f"{HEAD} start operation timed out. Terminating.\n"),
    "watchdog": (
        "dumped, status=6/ABRT",
        "6",
        f"{HEAD} Watchdog timeout (limit 3s)!\n{HEAD} Killing process {{pid}} (app) with signal SIGABRT.\n",
    ),
}


@pytest.mark.parametrize("result", ENDS)
@pytest.mark.parametrize("wording", [OLD, NEW], ids=["252", "newer"])
async def test_a_restart_loop_is_one_incident_with_its_count(house: House, wording: str, result: str) -> None:
    code, status, said = ENDS[result]
    jobs: list[Any] = []
    for n in range(1, 6):
        pid = 812 * n
        log = wording.format(n=n, pid=pid, code=code, result=result, log=said.format(n=n, pid=pid))
        jobs += await house.fail(
            result=result,
            exit_status=status,
            log=log + (LAST if n == 5 else ""),
            invocation=f"{n:032x}",
            restarts=n - 1,
        )
    assert len(jobs) == 1
    incident, proposal = await house.incident(), await house.proposal()
    assert (incident.count, incident.result, proposal.count) == (5, result, 5)
    assert [e.data["count"] for e in await house.events("failure.seen")] == [1, 2, 3, 4, 5]


async def test_the_log_of_all_rounds_and_of_one_are_the_same_cause(house: House) -> None:
    rounds = [NEW.format(n=n, pid=n * 7, code="exited, status=1/FAILURE", result="exit-code",
                         log=CRASH.format(n=n, pid=n * 7)) for n in range(1, 6)]  # fmt: skip
    await house.fail(log=rounds[0])
    await house.fail(log="".join(rounds) + LAST)
    assert (await house.incident()).count == 2


async def recovered(house: House, **fields: Any) -> list[Any]:
    report = {"project": "greeter", "unit": "greeter.service", "host": "pi", "after_s": 4.04}
    given = Recovery.model_validate(report | {"result": "exit-code"} | fields)
    return await intake.recovery(house.settings, house.store, house.desk.redactor, given)


async def result_of(house: House, report: str) -> str | None:
    async with house.store.read() as tx:
        found = await deliveries.get(tx, "reports", report)
    return found.result if found else None


async def test_a_recovery_is_told_and_is_no_failure(house: House) -> None:
    assert await recovered(house, id="r1") == []
    assert await recovered(house, id="r1") == []
    (event,) = await house.events()
    assert event.kind == "failure.recovered"
    assert event.text == "greeter.service failed on pi and recovered by itself after 4 s: no failure"
    assert (event.project, event.host, event.actor, event.proposal) == ("greeter", "pi", "watcher", None)
    assert event.data == {"unit": "greeter.service", "host": "pi", "after_s": 4.0, "result": "exit-code"}
    assert await result_of(house, "r1") == "told"
    (job,) = await house.fail()
    assert (await house.proposal()).count == 1
    assert job.args == {"run_id": 1}


async def test_a_unit_that_comes_and_goes_is_told_of_once_an_hour(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
    monkeypatch.setattr(intake, "now", lambda: present)
    for number in range(20):
        await recovered(house, id=f"r{number}")
    await recovered(house, id="other", host="pi2")
    present += timedelta(hours=1)
    await recovered(house, id="later")
    assert [event.host for event in await house.events()] == ["pi", "pi2", "pi"]
    assert await result_of(house, "r19") == "not told: once an hour is enough"
    assert await result_of(house, "later") == "told"


@pytest.mark.parametrize(
    ("fields", "word"),
    [({"project": "gretter"}, "[projects.gretter]"), ({"unit": "mail.service"}, "mail.service")],
)
async def test_a_recovery_that_fits_no_project_is_ignored_with_the_reason(
    house: House, fields: dict[str, str], word: str
) -> None:
    await recovered(house, id="r1", **fields)
    (event,) = await house.events()
    assert word in event.text
    assert await result_of(house, "r1") == f"ignored: {event.data['ignored']}"


@pytest.mark.parametrize("after_s", [float("nan"), float("inf"), -1e300, 1e300])
async def test_a_strange_recovery_is_taken(house: House, after_s: float) -> None:
    await recovered(house, after_s=after_s, host="p\ni", result="\x1b[1mboom")
    (event,) = await house.events()
    assert (event.host, event.data["result"]) == ("p i", "boom")
