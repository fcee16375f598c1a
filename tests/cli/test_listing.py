"""`proposals` and `projects`: the table for people, and JSON of the contract's shape."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.commands.screen import table
from app.core.changes import CheckResult
from app.core.models import Kind
from app.core.reports import Failure
from app.core.units import UnitState, UnitStates
from app.store import proposals, units
from tests import contract

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Worker


async def test_an_empty_house_says_what_to_do(command: Command) -> None:
    for arguments, said in (((), "--all"), (("--all",), "pimainteno fix")):
        ended = await command.run("proposals", *arguments)
        assert (ended.code, ended.err) == (0, "")
        assert said in ended.out
    ended = await command.run("proposals", "--json")
    assert json.loads(ended.out) == []


async def test_json_has_the_fields_of_the_contract(command: Command, worker: Worker) -> None:
    made = await worker.take_in(Failure(project="greeter", unit="greeter.service", host="pi").model_dump())
    check = CheckResult(command="make test", before="fail", after="pass", before_output="long")
    await worker.set(made, state="open", checks=[check.model_dump()], title="key \u202e sk-proj-" + "a1" * 24)
    ended = await command.run("proposals", "--json")
    (shown,) = json.loads(ended.out)
    assert tuple(shown) == contract.PROPOSAL
    assert shown["checks"] == [{"command": "make test", "before": "fail", "after": "pass"}]
    assert (shown["count"], shown["hosts"], shown["state"]) == (1, ["pi"], "open")
    assert "a1a1a1" not in ended.out


async def test_open_ones_by_default_and_all_on_request_without_a_page_s_end(
    command: Command, worker: Worker
) -> None:
    async with worker.store.write() as tx:
        for number in range(1203):
            made = await proposals.create(
                tx, project="greeter", kind=Kind.IMPROVE, branch=f"pimainteno/improve/{number}", title="Tidy"
            )
            if number % 3:
                await proposals.update(tx, made.id, state="closed")
    some = json.loads((await command.run("proposals", "--json")).out)
    assert len(some) == 401
    everything = json.loads((await command.run("proposals", "--all", "--json")).out)
    assert [each["id"] for each in everything] == list(range(1203, 0, -1))


async def test_the_table_shows_no_control_characters(command: Command, worker: Worker) -> None:
    made = await worker.take_in(Failure(project="greeter", unit="greeter.service", host="pi").model_dump())
    await worker.set(made, state="refused", title="evil \x1b[2J\ntitle", reason="no proof")
    ended = await command.run("proposals", "--all")
    assert ended.code == 0
    head, row = ended.out.splitlines()
    assert head.split() == ["ID", "STATE", "PROJECT", "UNIT", "SEEN", "TITLE", "URL", "OR", "REASON"]
    assert "\x1b" not in row
    assert row.startswith("1   refused  greeter  greeter.service  1x ")
    assert row.endswith("no proof")


async def test_projects(command: Command) -> None:
    ended = await command.run("projects", "--json")
    (shown,) = json.loads(ended.out)
    assert shown == {
        "name": "greeter",
        "forge": "here",
        "repo": f"{command.home}/state/greeter.git",
        "url": None,
        "units": ["greeter.service", "greeter-*.timer"],
        "open": 0,
        "last_scan": None,
        "last_commit": None,
        "summary": None,
        "health": {"failed": 0, "missing": 0, "silent": 0, "active": 0, "other": 0, "worst": "unknown"},
    }
    ended = await command.run("projects")
    assert "greeter.service greeter-*.timer" in ended.out


async def test_projects_say_how_their_units_stand(command: Command, worker: Worker) -> None:
    timer = {"load": "loaded", "active": "active"}
    failed = timer | {"active": "failed", "result": "exit-code"}
    items = tuple(
        UnitState.model_validate({"project": "greeter", "unit": unit} | facts)
        for unit, facts in (("greeter.service", failed), ("greeter-a.timer", timer))
    )
    async with worker.store.write() as tx:
        await units.told(tx, UnitStates(host="pi", sent=1, full=True, items=items))
    (shown,) = json.loads((await command.run("projects", "--json")).out)
    assert shown["health"] == {
        "failed": 1, "missing": 0, "silent": 0, "active": 1, "other": 0, "worst": "failed",
    }  # fmt: skip
    head, row = (await command.run("projects")).out.splitlines()
    assert head.index("HEALTH") == row.index("1 failed")


class Terminal:
    """Standard output as a terminal of some width; everything written is kept."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_on_a_terminal_lines_fit(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = [
        ("1", "a title that goes on and on and on, long past every edge", "open"),
        ("22", "漢字の題名", "x"),
    ]
    table(("ID", "TITLE", "STATE"), rows, shrink=("TITLE",))
    lines = terminal.text.splitlines()
    assert max(map(len, lines)) <= columns
    assert ("…" in terminal.text) == (columns < 70)
    assert lines[1].endswith("open")
