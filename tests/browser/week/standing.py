"""How things stand at the week's end: units on their hosts, and each project's codex.md."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from app.core.changes import CodexMd
from app.core.models import ProposalState
from app.core.units import UnitState, UnitStates
from app.store import projects, units
from tests.browser.week.case import REPOS, Case
from tests.browser.week.clock import Week, hashed
from tests.browser.week.texts import codex_md

if TYPE_CHECKING:
    from collections.abc import Iterable

SILENT = "pi-gate"
"""A host that has not been heard of for a day."""
ABOUT = {
    "greeter": "Greets visitors at the door.",
    "heating": "Keeps the house warm, and the pump from running dry.",
    "weather-station": "Reads 37 sensors, draws the weather, and uploads it.",
    "camera": "Records what moves in the garden.",
    "dns-filter": "Answers DNS, without advertisements.",
    "backup": "Copies every home to the NAS at night.",
    "shop": "Takes orders for honey.",
}
LONG = "shop"
"""The project with a codex.md that is as long as people's can be."""


async def standing(week: Week, cases: Iterable[Case]) -> None:
    """Tell how the units stand, and what codex.md says."""
    by_host: dict[str, list[UnitState]] = defaultdict(list)
    known: set[tuple[str, str]] = set()
    for case in cases:
        for number, host in enumerate(case.hosts if case.unit else ()):
            if (host, case.unit) not in known:
                known.add((host, case.unit))
                by_host[host].append(_state(week, case, number))
    for host, items in by_host.items():
        week.moment = week.now - timedelta(hours=26 if host == SILENT else 0, seconds=20)
        sent = int(week.moment.timestamp() * 1_000_000)
        async with week.store.write() as tx:
            await units.told(tx, UnitStates(host=host, sent=sent, full=True, items=tuple(items)))
    for name in REPOS:
        text = codex_md(name, ABOUT[name], 400 if name == LONG else 3) if name in ABOUT else None
        async with week.store.write() as tx:
            await projects.keep_codex_md(tx, name, CodexMd(text=text, commit=hashed(name)))


def _state(week: Week, case: Case, number: int) -> UnitState:
    failed = case.state is not ProposalState.MERGED and number % 5 == 0
    timer = case.unit.endswith(".timer")
    return UnitState(
        project=case.project,
        unit=case.unit,
        load="loaded",
        active="failed" if failed else "active",
        sub="failed" if failed else "waiting" if timer else "running",
        result=case.result if failed else "",
        since=week.before(case.last_failure),
    )
