"""The processes: `up`, `web`, `worker` and `watch`. Each imports its own code alone."""

from enum import StrEnum
from typing import Annotated

import typer

from app.commands.base import Config, load, perform

Attached = Annotated[bool, typer.Option("--attached", hidden=True)]
"""End when standard input closes: so that no child outlives `up`, whatever ends that."""
Demo = Annotated[bool, typer.Option("--demo", hidden=True)]
"""The page may decide on proposals without login; for `pimainteno demo` alone."""


class Role(StrEnum):
    """The roles that a worker can have."""

    AGENT = "agent"
    PUBLISHER = "publisher"


def up(config: Config = None, attached: Attached = False, demo: Demo = False) -> None:
    """Run web, worker and watcher together.

    The three are processes of their own. When one ends by itself the others are ended too, and the
    exit code is 1. A second `up` with the same state_dir ends at once.
    """
    from app.commands.together import run_together

    settings = load(config)
    if attached:
        _end_with_parent()
    perform(run_together(settings, demo=demo))


def web(config: Config = None, attached: Attached = False, demo: Demo = False) -> None:
    """Run the status page and the HTTP interface alone."""
    settings = load(config)
    if attached:
        _end_with_parent()
    from app.commands.screen import say
    from app.core import logs
    from app.core.redact import Redactor
    from app.web import main

    logs.configure(Redactor(settings.secrets()), process="web")
    perform(main.serve(settings, demo=demo, tell=say))


def worker(
    config: Config = None,
    role: Annotated[
        Role | None, typer.Option(help="Take one role only, to run them under different users.")
    ] = None,
    attached: Attached = False,
) -> None:
    """Run the worker, which repairs and publishes, alone."""
    settings = load(config)
    if attached:
        _end_with_parent()
    from worker import main

    perform(main.serve(settings, (role.value,) if role else tuple(each.value for each in Role)))


def watch(config: Config = None, attached: Attached = False) -> None:
    """Run the watcher of this host alone: failures of units, and the daily look at each project."""
    settings = load(config)
    if attached:
        _end_with_parent()
    from watchers import main

    perform(main.serve(settings))


def _end_with_parent() -> None:
    """Send ourselves SIGTERM once standard input, a pipe that our parent holds, is closed."""
    import os
    import signal
    import threading

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="attached", daemon=True).start()
