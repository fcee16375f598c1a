"""What a report says of memory, and that a systemd which keeps no peaks is asked for one only once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from app.core.reports import Failure
from app.core.settings import load
from tests.watchers.bus import PlayedSystemd
from watchers.journal import Journal
from watchers.post import Post
from watchers.reports import NO_PEAK, Reporter
from watchers.spool import Spool
from watchers.systemd import Systemd
from watchers.units import Unit, round_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.watchers.bus import Daemon

CONFIGURATION = """
state_dir = "{place}/state"
[forges.here]
kind = "local"
[projects.greeter]
forge = "here"
repo = "{place}/greeter.git"
units = ["greeter.service"]
"""


async def reported(place: Path, systemd: Systemd, runs: int) -> list[Failure]:
    """Report so many runs of the greeter, while Redis is away."""
    file = place / "pimainteno.toml"
    file.write_text(CONFIGURATION.format(place=place))
    spool = Spool(place / "spool")
    reporter = Reporter(load(file, env={}), Journal(place), Post(spool))
    reporter.systemd = systemd
    working = asyncio.create_task(reporter.run())
    for number in range(runs):
        reporter.put(round_of(Unit("greeter.service", active="failed", invocation=f"{number:032x}")))
        await reporter.finish()
    working.cancel()
    found = [spool.read(path) for path in spool.waiting()]
    return [report for report in found if isinstance(report, Failure)]


@pytest.mark.parametrize(("kept", "told"), [(4711, 4711), (NO_PEAK, None)], ids=["counted", "not counted"])
async def test_the_most_memory_that_a_run_took(
    daemon: Daemon, place: Path, kept: int, told: int | None
) -> None:
    played = PlayedSystemd()
    async with played.on(daemon.address), Systemd.connected(daemon.address) as systemd:
        played.units["greeter.service"] = {"MemoryCurrent": 1, "MemoryPeak": kept}
        assert [report.memory_peak for report in await reported(place, systemd, 2)] == [told, told]


async def test_a_systemd_without_peaks_is_asked_once(daemon: Daemon, place: Path) -> None:
    played = PlayedSystemd("252")
    async with played.on(daemon.address), Systemd.connected(daemon.address) as systemd:
        played.units["greeter.service"] = {"MemoryCurrent": 1}
        reports = await reported(place, systemd, 3)
        assert [report.memory_peak for report in reports] == [None, None, None]
        assert played.asked.count("Get") == 2
