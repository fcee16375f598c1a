"""The only place that starts a subprocess.

An argv list, an environment from an allow-list, a session of its own, output that is drained and
capped, and a process group that is gone when the call returns, whatever happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_LIMIT = 1 << 20
KILL_AFTER_S = 5.0


def environment(**more: str) -> dict[str, str]:
    """Return a new environment from the allow-list (`PASSED_ON`) and `more`; never the parent's whole."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"} | kept | more


@dataclass(frozen=True)
class Finished:
    """How a program ended. Output beyond the limit is dropped from its beginning and counted."""

    returncode: int
    stdout: bytes
    stderr: bytes
    dropped: int = 0
    timed_out: bool = False
    duration_s: float = 0.0


class Tail:
    """The last `limit` bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held, self.dropped = limit, 0, 0
        self._chunks: deque[bytes] = deque()

    def add(self, chunk: bytes) -> None:
        """Take a chunk in and let go of what is too old."""
        self._chunks.append(chunk)
        self._held += len(chunk)
        while self._held - len(self._chunks[0]) >= self._limit:
            gone = self._chunks.popleft()
            self._held -= len(gone)
            self.dropped += len(gone)

    def bytes(self) -> bytes:
        """Return what is held, `limit` bytes at most."""
        whole = b"".join(self._chunks)
        self.dropped += max(0, len(whole) - self._limit)
        return whole[-self._limit :]


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    timeout_s: float | None = None,
    limit: int = OUTPUT_LIMIT,
    merge: bool = False,
) -> Finished:
    """Run a program to its end and return how it ended.

    `limit` caps each stream in bytes, keeping its end; `merge` sends standard error into `stdout`.
    After `timeout_s` seconds the whole process group is ended and `timed_out` is set.
    Raises ProcessError when the program cannot be started.
    """
    started = time.monotonic()
    out, err = Tail(limit), Tail(limit)
    timed_out = False
    async with start(argv, env=env, cwd=cwd, merge=merge) as process:
        pumps = [
            asyncio.ensure_future(_drain(process.stdout, out)),
            asyncio.ensure_future(_drain(process.stderr, err)),
        ]
        try:
            async with asyncio.timeout(timeout_s):
                await _feed(process, stdin)
                await exited(process)
        except TimeoutError:
            timed_out = True
            await end(process)
        finally:
            await _settle(pumps)
    stdout, stderr = out.bytes(), err.bytes()
    returncode = process.returncode if process.returncode is not None else -signal.SIGKILL
    spent = time.monotonic() - started
    return Finished(returncode, stdout, stderr, out.dropped + err.dropped, timed_out, spent)


@asynccontextmanager
async def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    merge: bool = False,
    passthrough: bool = False,
    line_limit: int = 1 << 24,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program in a session of its own with all three pipes; its group is gone on leaving.

    `passthrough` leaves its output to our own standard output and error instead of pipes.
    `line_limit` is the longest line, in bytes, that `stdout.readline()` takes (one line of Codex
    reached 1.05 MB). Raises ProcessError when the program cannot be started.
    """
    creating = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *argv,
            env=dict(env) if env is not None else environment(),
            cwd=cwd,
            stdin=asyncio.subprocess.PIPE,
            stdout=None if passthrough else asyncio.subprocess.PIPE,
            stderr=None if passthrough else asyncio.subprocess.STDOUT if merge else asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=line_limit,
        )
    )
    try:
        process = await asyncio.shield(creating)
    except asyncio.CancelledError:
        # A creation that is itself cancelled while its pipes are made never returns, and kills nothing.
        with contextlib.suppress(OSError, ValueError):
            await end(await creating)
        raise
    except (OSError, ValueError) as error:
        raise ProcessError(f"{argv[0]} could not be started: {error}") from error
    try:
        yield process
    finally:
        await asyncio.shield(end(process))


async def end(
    process: asyncio.subprocess.Process, *, signals: Sequence[signal.Signals] = (signal.SIGTERM,)
) -> None:
    """End a whole process group: each signal in turn with `KILL_AFTER_S` seconds' grace, then SIGKILL."""
    for number in signals:
        if process.returncode is not None:
            break
        _signal_group(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_AFTER_S):
                await exited(process)
    _signal_group(process.pid, signal.SIGKILL)  # also the children of a leader that is gone
    await exited(process)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILL_AFTER_S):
            while _has_living(process.pid):  # noqa: ASYNC110 - a signal takes a moment, and no event says when
                await asyncio.sleep(0.002)
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


async def exited(process: asyncio.subprocess.Process) -> int:
    """Wait until the program itself has ended and return its exit code.

    `Process.wait()` also waits for its pipes, which a grandchild may hold open for ever
    (python/cpython#119710, in each Python up to 3.13.0).
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            await _readable(os.pidfd_open(process.pid))
        # the child watcher's thread is about to hand it over
        while process.returncode is None:  # noqa: ASYNC110 - asyncio has no event for this
            await asyncio.sleep(0.001)
    return process.returncode


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program that outlives this call, in a session of its own; its output goes to `log`.

    It inherits the open files in `pass_fds`, and with them the locks on these.
    Raises ProcessError when the program cannot be started.
    """
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
        try:
            return subprocess.Popen(
                list(argv),
                env=dict(env) if env is not None else environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT if log else subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
        except (OSError, ValueError) as error:
            raise ProcessError(f"{argv[0]} could not be started: {error}") from error


async def _readable(pidfd: int) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def mark() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(pidfd, mark)
    try:
        await ended
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _has_living(group: int) -> bool:
    """Tell whether a process group has members that are more than zombies of an idle init."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state not in "ZX":
                return True
    return False


async def _feed(process: asyncio.subprocess.Process, stdin: bytes | None) -> None:
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if stdin:
            process.stdin.write(stdin)
            await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _drain(stream: asyncio.StreamReader | None, into: Tail) -> None:
    while stream is not None and (chunk := await stream.read(1 << 16)):
        into.add(chunk)


async def _settle(pumps: Sequence[asyncio.Future[None]]) -> None:
    """Let the pumps read what is left for a moment, then stop them: a grandchild may hold the pipe."""
    _, late = await asyncio.wait(pumps, timeout=1)
    for pump in late:
        pump.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)
