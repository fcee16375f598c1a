"""What the properties of a unit mean; the sequences were seen on systemd 252."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchers.units import (
    Phase,
    Unit,
    cause,
    exit_status,
    name_at,
    path_of,
    phase,
    report_id,
    round_of,
    type_interface,
)


@pytest.mark.parametrize(
    ("active", "sub", "result", "expected"),
    [
        ("failed", "failed", "exit-code", Phase.FAILED),
        ("failed", "failed", "", Phase.FAILED),
        ("activating", "auto-restart", "signal", Phase.FAILED),
        ("activating", "auto-restart-queued", "exit-code", Phase.FAILED),
        ("activating", "failed-before-auto-restart", "exit-code", Phase.FAILED),
        ("activating", "auto-restart", "success", Phase.UNDER_WAY),
        ("activating", "start", "success", Phase.UNDER_WAY),
        ("deactivating", "stop-sigterm", "success", Phase.UNDER_WAY),
        ("active", "running", "success", Phase.FINE),
        ("reloading", "reload", "success", Phase.FINE),
        ("inactive", "dead", "success", Phase.AT_REST),
        ("a state of a later version", "new", "success", Phase.UNDER_WAY),
    ],
)
def test_where_a_unit_stands(active: str, sub: str, result: str, expected: Phase) -> None:
    unit = Unit("a.service")
    unit.hear({"Result": result, "Other": 1})
    unit.hear({"ActiveState": active, "SubState": sub})
    assert phase(unit) is expected


@pytest.mark.parametrize(
    ("result", "code", "status", "expected"),
    [
        ("exit-code", 1, 3, ("exit-code", "3")),
        ("signal", 2, 11, ("signal", "SIGSEGV")),
        ("core-dump", 3, 6, ("core-dump", "SIGABRT")),
        ("signal", 2, 35, ("signal", "signal 35")),
        ("oom-kill", 2, 9, ("oom-kill", "SIGKILL")),
        ("start-limit-hit", 1, 3, ("exit-code", "3")),
        ("start-limit-hit", 2, 11, ("signal", "SIGSEGV")),
        ("start-limit-hit", 3, 6, ("core-dump", "SIGABRT")),
        ("start-limit-hit", 1, 0, ("start-limit-hit", "0")),
        ("resources", 0, 0, ("resources", "")),
        ("", 0, 0, ("failed", "")),
    ],
)
def test_why_a_unit_failed(result: str, code: int, status: int, expected: tuple[str, str]) -> None:
    unit = Unit("a.service", result=result, code=code, status=status)
    assert (cause(unit), exit_status(unit)) == expected


def test_a_round_has_the_facts() -> None:
    unit = Unit("a.service")
    unit.hear(
        {"Result": "exit-code", "NRestarts": 2, "ExecMainCode": 1, "ExecMainStatus": 3, "ExecMainPID": 42}
    )
    before = time.monotonic() - 5
    unit.hear(
        {
            "ActiveState": "failed",
            "InvocationID": b"\xea\x2a",
            "StateChangeTimestamp": 1_795_489_270_450_675,
            "StateChangeTimestampMonotonic": int(before * 1e6),
        }
    )
    found = round_of(unit)
    assert (found.invocation, found.key, found.restarts, found.pid) == ("ea2a", "ea2a", 2, 42)
    assert found.at == datetime.fromtimestamp(1_795_489_270.450675, UTC)
    assert found.began == pytest.approx(before, abs=1e-5)


def test_without_times_it_is_now_and_a_moment_to_come_is_now_too() -> None:
    unit = Unit("a.service", active="failed", changed_monotonic_us=int((time.monotonic() + 900) * 1e6))
    found = round_of(unit)
    assert found.began <= time.monotonic()
    assert (datetime.now(UTC) - found.at).total_seconds() < 10


def test_a_unit_without_an_invocation_is_known_by_when_it_failed() -> None:
    first, again = Unit("a.timer", changed_us=5_000_000), Unit("a.timer", changed_us=6_000_000)
    assert round_of(first).key == round_of(first).key != round_of(again).key


def test_a_round_between_two_starts_is_not_missed() -> None:
    unit = Unit("a.service")
    unit.hear({"Result": "success", "NRestarts": 1})
    unit.hear({"ActiveState": "active", "InvocationID": b"\x01"})
    unit.hear({"Result": "exit-code", "NRestarts": 2, "ExecMainCode": 1, "ExecMainStatus": 3})
    unit.hear({"ActiveState": "active", "InvocationID": b"\x02"})
    assert unit.missed
    assert (unit.missed.invocation, unit.missed.result, unit.missed.exit_status) == ("01", "exit-code", "3")


def test_a_restart_after_success_is_no_failure() -> None:
    unit = Unit("a.service")
    unit.hear({"Result": "success", "NRestarts": 1})
    unit.hear({"Result": "success", "NRestarts": 2})
    assert unit.missed is None


@given(st.text(st.sampled_from("abzAZ019:-_.\\@"), min_size=1, max_size=60))
def test_every_legal_name_has_a_path_and_comes_back(name: str) -> None:
    path = path_of(name)
    assert name_at(path) == name
    assert path.rpartition("/")[2].replace("_", "").isalnum()


def test_a_path_is_as_systemd_writes_it() -> None:
    assert path_of("boom1.service") == "/org/freedesktop/systemd1/unit/boom1_2eservice"
    assert path_of("7up@a.service") == "/org/freedesktop/systemd1/unit/_37up_40a_2eservice"


def test_types_without_a_result_have_no_interface() -> None:
    assert type_interface("a.service") == "org.freedesktop.systemd1.Service"
    assert type_interface("a.mount") == "org.freedesktop.systemd1.Mount"
    assert type_interface("a.target") is None


def test_report_ids_are_stable_and_told_apart() -> None:
    assert report_id("a", "b") == report_id("a", "b") != report_id("ab", "")
