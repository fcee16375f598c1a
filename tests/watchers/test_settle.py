"""Which failures last, told as what is heard of a unit and when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from watchers.settle import KEPT_S, MOST_ROUNDS, MOST_UNITS, Recovered, Settling
from watchers.units import Round


def failure(invocation: str, began: float, unit: str = "a.service") -> Round:
    return Round(unit, invocation, "exit-code", "3", 0, datetime.now(UTC), began)


def told(settle_s: float, story: list[tuple[float, str, str]]) -> list[tuple[float, str]]:
    """Return what is reported and when, looking once a second after each event."""
    settling, out, last = Settling(settle_s), [], 0.0
    for moment, event, invocation in [*story, (story[-1][0] + 3 * settle_s + 1, "", "")]:
        while last < moment:
            out += [(last, named(each)) for each in settling.due(last)]
            last = min(moment, last + 1)
        match event:
            case "failed":
                settling.failed(failure(invocation, moment), moment)
            case "fine":
                settling.fine("a.service", moment)
            case "rest":
                settling.at_rest("a.service", invocation, moment)
            case "start":
                settling.under_way("a.service")
        out += [(last, named(each)) for each in settling.due(last)]
    return out


def named(outcome: Round | Recovered) -> str:
    return f"recovered {outcome.after_s:g}" if isinstance(outcome, Recovered) else outcome.invocation


@pytest.mark.parametrize(
    ("settle_s", "story", "expected"),
    [
        pytest.param(0, [(5, "failed", "1")], [(5, "1")], id="at once"),
        pytest.param(30, [(5, "failed", "1")], [(35, "1")], id="after settling"),
        pytest.param(30, [(5, "failed", "1"), (6, "failed", "1")], [(35, "1")], id="the same once"),
        pytest.param(30, [(5, "failed", "1"), (9, "fine", "2")], [(35, "recovered 4")], id="it came back"),
        pytest.param(30, [(5, "failed", "1"), (40, "fine", "2")], [(35, "1")], id="it came back late"),
        pytest.param(30, [(5, "failed", "1"), (9, "rest", "1")], [], id="a person stopped it"),
        pytest.param(30, [(5, "failed", "1"), (9, "rest", "2")], [(35, "recovered 4")], id="a oneshot"),
        pytest.param(
            30, [(5, "failed", "1"), (9, "fine", ""), (34, "start", "")], [(35, "1")], id="still starting"
        ),
        pytest.param(
            30,
            [(5, "failed", "1"), (6, "rest", "1"), (6, "failed", "1")],
            [(35, "1")],
            id="inactive for a moment at the start limit",
        ),
        pytest.param(
            30,
            [(5, "failed", "1"), (6, "fine", ""), (7, "failed", "2"), (8, "fine", ""), (9, "failed", "3")],
            [(35, "1"), (35, "2"), (35, "3")],
            id="a loop counts each round",
        ),
        pytest.param(
            30,
            [(5, "failed", "1"), (6, "fine", ""), (25, "failed", "2"), (26, "fine", "")],
            [(35, "1"), (35, "2")],
            id="a slow loop is up between its rounds",
        ),
        pytest.param(
            30,
            [(5, "failed", "1"), (6, "failed", "2"), (7, "fine", "")],
            [(35, "recovered 2")],
            id="a loop that calmed",
        ),
        pytest.param(
            10,
            [(5, "failed", "1"), (20, "fine", ""), (21, "failed", "2")],
            [(15, "1"), (21, "2")],
            id="later rounds at once",
        ),
        pytest.param(
            10,
            [(5, "failed", "1"), (20, "fine", ""), (60, "failed", "2")],
            [(15, "1"), (70, "2")],
            id="after a time of health it settles again",
        ),
        pytest.param(
            0, [(5, "failed", "1"), (6, "fine", ""), (6, "failed", "2")], [(5, "1"), (6, "2")], id="loop at 0"
        ),
    ],
)
def test_what_is_reported_when(
    settle_s: float, story: list[tuple[float, str, str]], expected: list[tuple[float, str]]
) -> None:
    assert told(settle_s, story) == expected


def test_a_failure_from_before_we_looked_has_settled_already() -> None:
    settling = Settling(30)
    settling.failed(failure("1", 100), 200)
    assert [named(each) for each in settling.due(200)] == ["1"]
    assert settling.next_at() is None


def test_the_next_moment_is_known() -> None:
    settling = Settling(30)
    settling.failed(failure("1", 100), 100)
    assert settling.next_at() == 130
    assert settling.units() == ["a.service"]


def test_a_unit_that_holds_is_forgotten() -> None:
    settling = Settling(0)
    settling.failed(failure("1", 1), 1)
    settling.fine("a.service", 2)
    assert len(list(settling.due(2 + KEPT_S))) == 1
    assert "a.service" not in settling


def test_what_is_kept_has_limits() -> None:
    settling = Settling(30)
    for number in range(MOST_ROUNDS + 5):
        settling.failed(failure(str(number), 1), 1)
    assert len(list(settling.due(31))) == MOST_ROUNDS
    many = Settling(0)
    for number in range(MOST_UNITS + 5):
        many.failed(failure("1", 1, f"{number}.service"), 1)
    assert len(many.units()) == MOST_UNITS
    assert len(list(many.due(1))) == MOST_UNITS + 5
