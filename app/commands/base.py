"""What every command shares: its configuration, how its coroutine runs, and who calls."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from app.core.errors import BadRequestError, ConfigurationError, NotFoundError, PimaintenoError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from app.core.settings import Settings

DONE, FAILED, MISUSED, NOTHING = 0, 1, 2, 3
"""The exit codes of the external contract."""
TERMINATED = 128 + signal.SIGTERM
MISUSE = (ConfigurationError, NotFoundError, BadRequestError)


def _own_or_global(ctx: typer.Context, value: str | None) -> str | None:
    return value or ctx.find_root().params.get("config")


CONFIG = typer.Option(
    "--config", metavar="PATH", callback=_own_or_global, help="The configuration file.", show_default=False
)
Config = Annotated[str | None, CONFIG]
"""`--config`, before or after the command's name; the later one wins."""


def load(config: str | None) -> "Settings":
    """Load the configuration as the contract's order of places says; raises ConfigurationError."""
    from app.core import settings

    return settings.load(Path(config) if config else None)


def perform(work: "Coroutine[Any, Any, int | None]") -> NoReturn:
    """Run a command's coroutine to its exit code; SIGTERM ends it as Ctrl-C does, cleaning up."""
    import asyncio

    terminated = False

    async def until_terminated() -> int | None:
        nonlocal terminated
        task = asyncio.current_task()

        def terminate() -> None:
            nonlocal terminated
            terminated = True
            if task is not None:
                task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        return await work

    try:
        code = asyncio.run(until_terminated())
    except asyncio.CancelledError:
        if not terminated:
            raise
        code = TERMINATED
    raise typer.Exit(code or DONE)


def report(error: PimaintenoError) -> int:
    """Print an error as one line for a person and return the exit code that belongs to it."""
    from app.commands.screen import warn

    warn(" ".join(str(error).split()))
    return MISUSED if isinstance(error, MISUSE) else FAILED


def actor() -> str:
    """Return who calls, as the history names them; by user id, since an environment can say anything."""
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"cli:{name}"


def on_terminal() -> bool:
    """Tell whether a person looks at standard output."""
    return sys.stdout.isatty()


def quiet_logs(settings: "Settings") -> None:
    """Let only warnings of what a command uses reach standard error: its output is its own."""
    from app.core import logs
    from app.core.redact import Redactor

    logs.configure(Redactor(settings.secrets()), process="cli", level="warning")
