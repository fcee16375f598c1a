"""A private D-Bus with a systemd that a test plays: for versions and moments that no real one shows."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from dbus_next.constants import MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant

from watchers.systemd import MANAGER, MANAGER_PATH, PROPERTIES, Bus
from watchers.units import path_of, type_interface

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TYPES = {
    "InvocationID": "ay",
    "NRestarts": "u",
    "ExecMainCode": "i",
    "ExecMainStatus": "i",
    "StateChangeTimestamp": "t",
    "StateChangeTimestampMonotonic": "t",
    "MemoryCurrent": "t",
    "MemoryPeak": "t",
}


class Daemon:
    """`dbus-daemon` at a socket in a folder; it can go and come."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:path={folder}/bus"
        self._running: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        argv = ["dbus-daemon", "--session", f"--address={self.address}", "--print-address", "--nofork"]
        await asyncio.to_thread(self._start, [*argv, "--nopidfile"])

    def _start(self, argv: list[str]) -> None:
        self._running = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert self._running.stdout is not None
        self._running.stdout.readline()

    def stop(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.communicate()
            self._running = None


class PlayedSystemd:
    """Answers what the watcher asks, and sends the signals that a test wants."""

    def __init__(self, version: str = "256.4") -> None:
        self.version = version
        self.units: dict[str, dict[str, Any]] = {}
        self.unloaded: set[str] = set()
        self.asked: list[str] = []
        self.silent = False
        self.denied = ""
        self._bus: Bus | None = None

    @asynccontextmanager
    async def on(self, address: str) -> AsyncIterator[PlayedSystemd]:
        self._bus = bus = Bus(bus_address=address)
        await bus.connect()
        bus._disconnect_future.add_done_callback(lambda gone: gone.exception())
        bus.add_message_handler(self._answer)
        await bus.request_name(MANAGER)
        try:
            yield self
        finally:
            bus.close()

    async def says(self, unit: str, **properties: Any) -> None:
        """Change a unit and send the two signals that systemd sends."""
        known = self.units.setdefault(unit, {})
        known.update(properties)
        own = type_interface(unit)
        unit_part = {name: value for name, value in known.items() if name not in OF_TYPE}
        if own is not None:
            await self._signal(unit, own, {name: known[name] for name in known.keys() - unit_part.keys()})
        await self._signal(unit, f"{MANAGER}.Unit", unit_part)

    async def fails(self, unit: str, invocation: str, **more: Any) -> None:
        facts = {"Result": "exit-code", "ExecMainCode": 1, "ExecMainStatus": 3, "NRestarts": 0}
        state = {"ActiveState": "failed", "SubState": "failed", "InvocationID": bytes.fromhex(invocation)}
        await self.says(unit, **(facts | state | more))

    async def reloaded(self) -> None:
        assert self._bus is not None
        await self._bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path=MANAGER_PATH,
                interface=f"{MANAGER}.Manager",
                member="Reloading",
                signature="b",
                body=[False],
            )
        )

    async def _signal(self, unit: str, interface: str, properties: dict[str, Any]) -> None:
        assert self._bus is not None
        body = [interface, {name: _variant(name, value) for name, value in properties.items()}, []]
        await self._bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path=path_of(unit),
                interface=PROPERTIES,
                member="PropertiesChanged",
                signature="sa{sv}as",
                body=body,
            )
        )

    def _answer(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        self.asked.append(message.member)
        if self.silent:
            return True
        if message.member == self.denied:
            return Message.new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "not for you")
        match message.member:
            case "Subscribe":
                return Message.new_method_return(message)
            case "ListUnitsByPatterns":
                return Message.new_method_return(message, "a(ssssssouso)", [self._rows(message.body[1])])
            case "Get":
                return self._got(message)
        return None

    def _rows(self, patterns: list[str]) -> list[list[Any]]:
        return [
            [name, "", "loaded", facts["ActiveState"], facts["SubState"], "", path_of(name), 0, "", "/"]
            for name, facts in self.units.items()
            if name not in self.unloaded and any(fnmatchcase(name, pattern) for pattern in patterns)
        ]

    def _got(self, message: Message) -> Message:
        interface, name = message.body
        if interface.endswith(".Manager"):
            return Message.new_method_return(message, "v", [Variant("s", self.version)])
        facts = next((facts for unit, facts in self.units.items() if path_of(unit) == message.path), {})
        if name in facts:
            return Message.new_method_return(message, "v", [_variant(name, facts[name])])
        return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownProperty", f"no {name}")


OF_TYPE = {"Result", "NRestarts", "ExecMainCode", "ExecMainStatus", "MemoryCurrent", "MemoryPeak"}


def _variant(name: str, value: Any) -> Variant:
    return Variant(TYPES.get(name, "s"), value)
