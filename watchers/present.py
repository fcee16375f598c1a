"""How our units stand now: remembered beside the failures, and told when it changes and every few minutes.

Nothing is kept for later: what is told is what is so at the moment of telling. While Redis is away, or nobody
takes reports in, nothing is told; after that, all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.core import logs
from app.core.errors import QueueError, WatchError
from app.core.queue import Queue
from app.core.units import UnitState, UnitStates
from watchers.systemd import MANAGER
from watchers.units import (
    FAILED_STATES,
    TYPE_PROPERTIES,
    Phase,
    Unit,
    cause,
    path_of,
    phase,
    type_interface,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.core.settings import Settings
    from watchers.post import Post
    from watchers.systemd import Row, Systemd

BEAT_S = 300.0
GATHER_S = 0.2
"""Changes so close to each other are told together."""
APART_S = 5.0
"""Between two tellings, so that a unit that comes and goes floods nothing."""
AGAIN_S = 10.0
"""How often it is looked whether somebody takes reports in."""
AT_ONCE = 16
"""Units that are read at the same time."""
MOST = 2000
"""Units that are told of; intake takes no more."""
GLOB = frozenset("*?[")
TEMPLATE = "@."
"""Of a template there are only instances."""
UNIT_INTERFACE = f"{MANAGER}.Unit"
SINCE = ("StateChangeTimestamp",)
WHOLE = ("LoadState", "ActiveState", "SubState", *SINCE)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one unit stands, in systemd's words; `result` only where it has failed."""

    load: str
    active: str
    sub: str
    result: str = ""
    since_us: int = 0


class Present:
    """The units of the configured projects as they stand on one systemd."""

    def __init__(self, settings: Settings, post: Post) -> None:
        self._settings, self._post = settings, post
        self._host, self._bus = socket.gethostname(), _bus(settings.watch.bus)
        named = {unit for project in settings.projects.values() for unit in project.units}
        self._patterns = sorted(named)
        self._literal = [unit for unit in self._patterns if not GLOB & set(unit) and TEMPLATE not in unit]
        self._known: dict[str, Standing] = {}
        self._changed: set[str] = set()
        self._heard: set[str] = set()
        self._wanted = asyncio.Event()
        self._all = True
        self._sent = 0
        self._systemd: Systemd | None = None

    def heard(self, unit: Unit) -> None:
        """Take in a unit that changed, at once."""
        if not unit.active:
            return
        self._heard.add(unit.name)
        before = self._known.get(unit.name)
        known = before.load if before is not None and unit.active == "inactive" else "loaded"
        if (standing := _standing(unit, known)) != before:
            self._known[unit.name] = standing
            self._changed.add(unit.name)
            self._wanted.set()

    async def loaded(self, systemd: Systemd) -> list[Row]:
        """Return the units that are loaded, for `look`; raises WatchError."""
        self._heard = set()
        return await systemd.units_like(self._patterns)

    async def look(self, systemd: Systemd, rows: Iterable[Row], *, again: bool = False) -> None:
        """Learn how all units stand, `rows` being those that were loaded just now; raises WatchError.

        `again`, with all signals heard since the last time, reads only what is another than was known.
        """
        loaded = {row.name: row for row in rows}
        gate = asyncio.Semaphore(AT_ONCE)
        names = [*loaded, *(name for name in self._literal if name not in loaded)]
        known = self._known if again else {}
        found = {
            name: known[name] if name in known and _is(known[name], loaded.get(name)) else None
            for name in names
        }
        to_read = [name for name, standing in found.items() if standing is None]
        read = await asyncio.gather(*(_read(systemd, name, loaded.get(name), gate) for name in to_read))
        found |= zip(to_read, read, strict=True)
        # what a signal has said since the rows were asked for is newer than what was read
        heard = {name: self._known[name] for name in self._heard if name in self._known}
        self._known = {name: standing for name, standing in found.items() if standing is not None} | heard
        self._systemd, self._all = systemd, True
        self._wanted.set()

    def lost(self) -> None:
        """Tell nothing until the next look: how things stand cannot be seen."""
        self._systemd = None

    async def run(self) -> None:
        """Tell for ever."""
        beat = time.monotonic() + BEAT_S
        while True:
            await _pause(beat - time.monotonic(), self._wanted)
            if time.monotonic() >= beat:
                beat = time.monotonic() + BEAT_S
                await self._look_again()
            await asyncio.sleep(GATHER_S)
            await asyncio.sleep(APART_S if await self._told() else AGAIN_S)

    async def _look_again(self) -> None:
        """See to what no signal tells, such as a unit that is no longer loaded."""
        if (systemd := self._systemd) is None:
            return
        with contextlib.suppress(WatchError):  # whoever watches it connects anew
            await self.look(systemd, await self.loaded(systemd), again=True)

    async def _told(self) -> bool:
        """Tell what is new, or everything; False where it has to wait."""
        bell = self._post.bell
        if bell is None or self._systemd is None:
            return False
        full, changed = self._all, self._changed
        self._all, self._changed = False, set()
        self._wanted.clear()
        try:
            if await bell.has_worker(Queue.REPORTS):
                self._sent = max(await bell.time_us(), self._sent + 1)
                await bell.units(self._report(None if full else changed))
                return True
        except QueueError as error:
            logs.get().warning("how units stand is told later", reason=str(error))
        self._all, self._changed = self._all or full, self._changed | changed
        self._wanted.set()
        return False

    def _report(self, names: set[str] | None) -> UnitStates:
        items = [
            _item(project, name, self._known[name])
            for name in sorted(self._known if names is None else names & self._known.keys())
            for project in self._settings.project_of_unit(name)
        ]
        return UnitStates(
            host=self._host, bus=self._bus, sent=self._sent, full=names is None, items=tuple(items[:MOST])
        )


async def _read(systemd: Systemd, name: str, row: Row | None, gate: asyncio.Semaphore) -> Standing | None:
    """Return how a unit stands; None where its systemd tells nothing of it."""
    path, unit = path_of(name), Unit(name)
    async with gate:
        found = await systemd.read(path, UNIT_INTERFACE, SINCE if row is not None else WHOLE)
        if row is not None:
            found |= {"LoadState": row.load, "ActiveState": row.active, "SubState": row.sub}
        typed = type_interface(name)
        if typed and {found.get("ActiveState"), found.get("SubState")} & set(FAILED_STATES):
            found |= await systemd.read(path, typed, TYPE_PROPERTIES)
    unit.hear(found)
    return _standing(unit, str(found.get("LoadState", ""))) if unit.active else None


def _is(standing: Standing, row: Row | None) -> bool:
    return row is not None and (row.load, row.active, row.sub) == (
        standing.load,
        standing.active,
        standing.sub,
    )


def _standing(unit: Unit, load: str) -> Standing:
    result = cause(unit) if phase(unit) is Phase.FAILED else ""
    return Standing(load, unit.active, unit.sub, result, unit.changed_us)


def _item(project: str, unit: str, standing: Standing) -> UnitState:
    return UnitState(
        project=project,
        unit=unit,
        load=standing.load,
        active=standing.active,
        sub=standing.sub,
        result=standing.result,
        since=datetime.fromtimestamp(standing.since_us / 1e6, UTC) if standing.since_us else None,
    )


def _bus(bus: str) -> str:
    """Name a bus so that two watchers on one host are told apart: each user has one."""
    return f"user {os.getuid()}" if bus == "user" else bus


async def _pause(seconds: float, event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
