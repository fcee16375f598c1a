"""`up`: web, worker and watcher as three processes that live and end together."""

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.base import DONE, FAILED
from app.commands.screen import say, warn
from app.core import process
from app.core.errors import PimaintenoError

if TYPE_CHECKING:
    from app.core.settings import Settings

PARTS = ("web", "worker", "watch")
GRACE_S = 20.0
"""How long a part may take to end: the worker puts its jobs back."""


class AlreadyRunningError(PimaintenoError):
    """Another `up` has this state_dir."""


async def run_together(settings: "Settings", *, demo: bool = False) -> int:
    """Run the three parts until SIGTERM or SIGINT (0) or until one of them ends by itself (1)."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with _alone(settings.state_dir):
        async with AsyncExitStack() as stack:
            children = {}
            for part in PARTS:
                argv = command(
                    settings.source, part, "--attached", *(["--demo"] if demo and part == "web" else [])
                )
                started = process.start(argv, env=os.environ, passthrough=True)
                children[part] = await stack.enter_async_context(started)
            say(
                f"web, worker and watch are starting; the page: {settings.public_url} (Ctrl-C ends all three)"
            )
            code = await _until_one_ends(children, stopped)
            await end(list(children.values()))
            return code


def command(config: Path | None, *arguments: str) -> list[str]:
    """Return how to run this program with that configuration, by the same interpreter.

    `-P` keeps the current folder off the module path: a project of one's own may well have an `app`.
    """
    given = ["--config", str(config.absolute())] if config else []
    return [sys.executable, "-P", "-m", "app.cli", *given, *arguments]


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state_dir / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(
                f"another `pimainteno up` has state_dir {state_dir}: end that one, or set another state_dir"
            ) from None
        yield


async def _until_one_ends(children: dict[str, asyncio.subprocess.Process], stopped: asyncio.Event) -> int:
    waits = {asyncio.create_task(process.exited(child)): part for part, child in children.items()}
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait([stopping, *waits], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    ended = {part: task.result() for task, part in waits.items() if task.done()}
    for task in waits:
        task.cancel()
    if stopped.is_set():
        return DONE
    for part, code in ended.items():
        warn(f"{part} ended by itself ({_how(code)}): ending the others")
    return FAILED


def _how(code: int) -> str:
    with suppress(ValueError):
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


async def end(children: Sequence[asyncio.subprocess.Process]) -> None:
    """Ask all to end at the same time and wait; leaving `process.start` kills what is left."""
    for child in children:
        with suppress(ProcessLookupError):
            child.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await asyncio.gather(*(process.exited(child) for child in children))
