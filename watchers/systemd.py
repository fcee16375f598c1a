"""systemd over D-Bus: the one home of dbus-next.

The library never connects again and a call on a dead connection hangs for ever: here each call has a
time limit and ends with the connection, and whoever gets WatchError connects anew.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.errors import AuthError, DBusError, InvalidAddressError
from dbus_next.message import Message

from app.core.errors import WatchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

CALL_S = 10.0
"""A systemd that reloads may be silent for seconds."""
MANAGER = "org.freedesktop.systemd1"
MANAGER_PATH = "/org/freedesktop/systemd1"
DAEMON = "org.freedesktop.DBus"
PROPERTIES = "org.freedesktop.DBus.Properties"
CHANGES = (
    f"type='signal',sender='{MANAGER}',interface='{PROPERTIES}',member='PropertiesChanged',"
    f"path_namespace='{MANAGER_PATH}/unit'"
)
RULES = (
    CHANGES,
    f"type='signal',sender='{MANAGER}',interface='{MANAGER}.Manager',member='Reloading'",
    f"type='signal',sender='{DAEMON}',interface='{DAEMON}',member='NameOwnerChanged',arg0='{MANAGER}'",
)
ABSENT = (
    "UnknownProperty",
    "UnknownInterface",
    "UnknownObject",
    "UnknownMethod",
    "NoSuchUnit",
    "InvalidArgs",
)
"""Errors that say: this systemd, or this unit, has no such thing."""


class Row(NamedTuple):
    """A loaded unit, and how it stands."""

    name: str
    load: str
    active: str
    sub: str


class Bus(MessageBus):
    """The library's connection, without its two ways to lose a process: spinning, and leaking sockets."""

    async def _auth_readline(self) -> str:
        """Read as the library does, but end with the connection: there it spins for ever."""
        line = b""
        while not line.endswith(b"\r\n"):
            got = await self._loop.sock_recv(self._sock, 2)
            if not got:
                raise EOFError("the bus closed the connection")
            line += got
        return line[:-2].decode()

    def _setup_socket(self) -> None:
        """Connect as the library does, but leave no socket behind where nobody answers."""
        try:
            super()._setup_socket()  # type: ignore[no-untyped-call]
        except BaseException:
            for each in (getattr(self, "_stream", None), getattr(self, "_sock", None)):
                if each is not None:
                    each.close()
            raise

    def close(self) -> None:
        """Let go of the connection, whatever state it is in."""
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._stream.close()
        self._sock.close()


class Systemd:
    """A connection to one systemd; `connected` makes it."""

    def __init__(self, bus: Bus, where: str) -> None:
        self._bus, self._where = bus, where
        self._gone = asyncio.ensure_future(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
        self._gone.add_done_callback(lambda gone: gone.cancelled() or gone.exception())
        self._owner = ""
        self._stale = asyncio.Event()
        self._on_change: Callable[[str, Mapping[str, object], str], None] | None = None
        self.version = ""

    @classmethod
    @asynccontextmanager
    async def connected(cls, bus: str) -> AsyncIterator[Systemd]:
        """Connect to `system`, `user` or an address; raises WatchError with what to do."""
        where = _where(bus)
        connection: Bus | None = None
        try:
            async with asyncio.timeout(CALL_S):
                connection = Bus(bus_address=_address(bus))
                await connection.connect()
        except (
            OSError,
            EOFError,
            AuthError,
            DBusError,
            InvalidAddressError,
            TimeoutError,
            ValueError,
        ) as error:
            if connection is not None:
                connection.close()
            raise WatchError(_no_bus(where, error)) from error
        manager = cls(connection, where)
        try:
            yield manager
        finally:
            manager._gone.cancel()
            connection.close()

    async def subscribe(self, on_change: Callable[[str, Mapping[str, object], str], None]) -> None:
        """Have `on_change(path, properties, interface)` called for each change of a unit.

        Called again after systemd itself went, it subscribes again. Raises WatchError.
        """
        self._stale.clear()
        if self._on_change is None:
            self._bus.add_message_handler(self._heard)
            for rule in RULES:
                await self._call(
                    Message(DAEMON, "/org/freedesktop/DBus", DAEMON, "AddMatch", signature="s", body=[rule])
                )
        self._on_change = on_change
        asked = Message(
            DAEMON, "/org/freedesktop/DBus", DAEMON, "GetNameOwner", signature="s", body=[MANAGER]
        )
        self._owner = (await self._call(asked))[0]
        subscribe = Message(MANAGER, MANAGER_PATH, f"{MANAGER}.Manager", "Subscribe")
        await self._call(subscribe, absent=("AlreadySubscribed",))
        found = await self.read(MANAGER_PATH, f"{MANAGER}.Manager", ("Version",))
        self.version = str(found.get("Version", ""))

    async def units_like(self, patterns: Iterable[str]) -> list[Row]:
        """Return the loaded units whose names fit one of these patterns; raises WatchError."""
        message = Message(
            MANAGER,
            MANAGER_PATH,
            f"{MANAGER}.Manager",
            "ListUnitsByPatterns",
            signature="asas",
            body=[[], list(patterns)],
        )
        rows = (await self._call(message))[0]
        return [Row(name, load, active, sub) for name, _, load, active, sub, *_ in rows]

    async def read(self, path: str, interface: str, names: Iterable[str]) -> dict[str, object]:
        """Return those of an object's properties that there are; raises WatchError."""
        asked = {name: asyncio.ensure_future(self._get(path, interface, name)) for name in names}
        try:
            return {name: value for name, each in asked.items() if (value := await each) is not None}
        finally:
            for each in asked.values():
                each.cancel()
            await asyncio.gather(*asked.values(), return_exceptions=True)

    async def stale(self, check_s: float) -> None:
        """Return when systemd went, came or reloaded: subscribe and look again.

        Every `check_s` seconds it asks whether anyone is still there. Raises WatchError when not.
        """
        while not self._stale.is_set():
            waiting = asyncio.ensure_future(self._stale.wait())
            await asyncio.wait({waiting, self._gone}, timeout=check_s, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if not self._stale.is_set():
                await self.read(MANAGER_PATH, f"{MANAGER}.Manager", ("Version",))

    async def _get(self, path: str, interface: str, name: str) -> object | None:
        message = Message(MANAGER, path, PROPERTIES, "Get", signature="ss", body=[interface, name])
        reply = await self._call(message, absent=ABSENT)
        return _plain(reply[0]) if reply else None

    async def _call(self, message: Message, *, absent: tuple[str, ...] = ()) -> list[Any]:
        answer = asyncio.ensure_future(self._bus.call(message))
        try:
            await asyncio.wait({answer, self._gone}, timeout=CALL_S, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                why = "closed the connection" if self._gone.done() else f"gave no answer in {CALL_S:.0f} s"
                raise WatchError(f"{self._where} {why} ({message.member}): is systemd running there?")
            reply = answer.result()
        except (OSError, EOFError, DBusError) as error:
            why = f"closed the connection ({message.member}, {str(error) or 'it ended'})"
            raise WatchError(f"{self._where} {why}: is systemd running there?") from error
        finally:
            answer.cancel()
        if reply is None:
            return []
        if reply.message_type is MessageType.ERROR:
            if reply.error_name.rpartition(".")[2] in absent:
                return []
            raise WatchError(_refused(self._where, message.member, reply))
        return list(reply.body)

    def _heard(self, message: Message) -> None:
        """Pass a signal on; a signal that another process sent in systemd's name is none."""
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "PropertiesChanged":
            if message.sender == self._owner and self._on_change is not None:
                interface, changed, _ = message.body
                self._on_change(message.path, _Plain(changed), interface)
        elif message.member == "NameOwnerChanged" and message.sender == DAEMON:
            if message.body[0] == MANAGER and message.body[2]:
                self._stale.set()
        elif message.member == "Reloading" and message.sender == self._owner and not message.body[0]:
            self._stale.set()


class _Plain(dict[str, object]):
    """Properties whose values are unpacked as they are read: most never are."""

    def __getitem__(self, name: str) -> object:
        return _plain(super().__getitem__(name))


def _plain(variant: Any) -> object:  # noqa: ANN401 - the library has no types
    return variant.value


def _address(bus: str) -> str:
    if bus == "system":
        return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or "unix:path=/run/dbus/system_bus_socket"
    if bus == "user":
        runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
        return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={runtime}/bus"
    return bus


def _where(bus: str) -> str:
    named = f"the {bus} bus at " if bus in {"system", "user"} else "the bus at "
    return f"{named}{_address(bus)}"


def _no_bus(where: str, error: Exception) -> str:
    if isinstance(error, PermissionError | AuthError):
        return f"{where} does not let user {os.getuid()} in ({error}): run it as root or that bus's user"
    start = "start it (systemctl start dbus; for a user: loginctl enable-linger), or set watch.bus"
    said = "no answer" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return f"{where} cannot be reached ({said}): {start}"


def _refused(where: str, member: str, reply: Message) -> str:
    said = str(reply.body[0]) if reply.body else reply.error_name
    kind = reply.error_name.rpartition(".")[2]
    if kind == "AccessDenied":
        return f"{where} does not let user {os.getuid()} call {member} ({said}): allow it in the bus's policy"
    if kind in {"ServiceUnknown", "NameHasNoOwner"}:
        return f"{where} has no systemd ({said}): start it there, or set watch.bus"
    return f"{where} refused {member} ({said})"
