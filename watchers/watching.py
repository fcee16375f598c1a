"""From a bus to reports: subscribe, look at what has failed, and hear of each change from there on."""

from __future__ import annotations

import asyncio
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from app.core import logs
from app.core.errors import WatchError
from watchers.settle import MOST_UNITS, Settling
from watchers.systemd import MANAGER, Systemd
from watchers.units import (
    FAILED_STATES,
    TYPE_PROPERTIES,
    UNIT_PATH,
    UNIT_PROPERTIES,
    Phase,
    Unit,
    name_at,
    path_of,
    phase,
    round_of,
    type_interface,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.settings import Settings
    from watchers.present import Present
    from watchers.settle import Recovered
    from watchers.units import Round

BACK_OFF_S = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
CHECK_S = 30.0
"""How often a silent bus is asked whether it is still there."""
AT_ONCE = 16
"""Units that are read at the same time."""
UNIT_INTERFACE = f"{MANAGER}.Unit"


class Desk(Protocol):
    """Takes what is to be reported; `watchers.reports.Reporter` is one."""

    systemd: Systemd | None

    def put(self, outcome: Round | Recovered) -> None:
        """Take an outcome, at once."""


class Watching:
    """The units of the configured projects on one systemd."""

    def __init__(self, settings: Settings, reporter: Desk, present: Present) -> None:
        self._bus = settings.watch.bus
        self._reporter, self._present = reporter, present
        self._settling = Settling(settings.watch.settle_s)
        self._units: dict[str, Unit] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._ours = lru_cache(1024)(lambda name: bool(settings.project_of_unit(name)))
        self._name = lru_cache(1024)(name_at)

    async def run(self) -> None:
        """Watch for ever, through every absence of the bus and of systemd."""
        failures = 0
        while True:
            try:
                async with Systemd.connected(self._bus) as systemd:
                    while True:
                        await self._look(systemd)
                        logs.get().info("watching units", bus=self._bus, systemd=systemd.version)
                        failures = 0
                        await systemd.stale(CHECK_S)
            except WatchError as error:
                self._present.lost()
                after_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                logs.get().warning("watching waits", reason=str(error), again_in_s=after_s)
                failures += 1
                await asyncio.sleep(after_s)

    async def _look(self, systemd: Systemd) -> None:
        """Subscribe first and then read the state: so no failure falls between."""
        await systemd.subscribe(self._changed)
        self._reporter.systemd = systemd
        ours = [row for row in await self._present.loaded(systemd) if self._ours(row.name)]
        failed = [row.name for row in ours if {row.active, row.sub} & set(FAILED_STATES)]
        gate = asyncio.Semaphore(AT_ONCE)
        names = sorted({*failed, *self._settling.units()})
        await asyncio.gather(*(self._read(systemd, name, gate) for name in names))
        await self._present.look(systemd, ours)

    async def _read(self, systemd: Systemd, name: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            path, typed = path_of(name), type_interface(name)
            found = await systemd.read(path, UNIT_INTERFACE, UNIT_PROPERTIES)
            if typed is not None:
                found |= await systemd.read(path, typed, TYPE_PROPERTIES)
        unit = self._units.setdefault(name, Unit(name))
        unit.hear(found)
        self._judge(unit)

    def _changed(self, path: str, properties: Mapping[str, object], interface: str) -> None:
        """Take in one signal; systemd sends the type's properties first and then the unit's."""
        if not path.startswith(UNIT_PATH) or not self._ours(name := self._name(path)):
            return
        unit = self._units.setdefault(name, Unit(name))
        unit.hear(properties)
        if interface == UNIT_INTERFACE:
            self._judge(unit)
            self._present.heard(unit)

    def _judge(self, unit: Unit) -> None:
        now, where = time.monotonic(), phase(unit)
        if unit.missed is not None and where is not Phase.FAILED:
            self._settling.failed(unit.missed, now)
        unit.missed = None
        match where:
            case Phase.FAILED:
                self._settling.failed(round_of(unit), now)
                if unit.active == "failed":  # each signal brings all that we keep of a unit
                    self._units.pop(unit.name, None)
            case Phase.FINE:
                self._settling.fine(unit.name, now)
            case Phase.AT_REST:
                self._settling.at_rest(unit.name, unit.invocation, now)
                if unit.name not in self._settling:
                    self._units.pop(unit.name, None)
            case Phase.UNDER_WAY:
                self._settling.under_way(unit.name)
        self._report()

    def _report(self) -> None:
        """Hand over what is due, and come back when more will be."""
        now = time.monotonic()
        if len(self._units) > MOST_UNITS:
            self._units.clear()
        for outcome in self._settling.due(now):
            self._reporter.put(outcome)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if (moment := self._settling.next_at()) is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, moment - now), self._report)
