"""`fix`: report a failure by hand, through the same queue that a watcher uses."""

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.base import Config, actor, load, perform
from app.core.errors import ConfigurationError

if TYPE_CHECKING:
    from app.core.reports import Failure
    from app.core.settings import Settings

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})")
RESULT = re.compile(r"[a-z]([a-z0-9-]{0,39})")
STDIN = "-"


def fix(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="A project of the configuration.")],
    unit: Annotated[
        str, typer.Option(metavar="UNIT", help="The unit that failed.", prompt=False, show_default=False)
    ],
    config: Config = None,
    log: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Its log, the last 64 KiB of it; - reads standard input."),
    ] = None,
    result: Annotated[
        str, typer.Option(metavar="RESULT", help="systemd's word for how it ended.")
    ] = "exit-code",
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Where it failed.", show_default="this host")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the proposal; print its URL last.")] = False,
) -> None:
    """Report a failed unit, to have its project repaired.

    Example: journalctl -u greeter.service | pimainteno fix greeter --unit greeter.service --log -
    """
    settings = load(config)
    perform(_fix(settings, _failure(settings, project, unit, log, result, host), wait=wait))


def _failure(
    settings: "Settings", project: str, unit: str, log: str | None, result: str, host: str | None
) -> "Failure":
    from app.commands.screen import warn
    from app.core.redact import Redactor
    from app.core.reports import Failure

    full = unit if "." in unit else f"{unit}.service"  # as systemctl takes it
    known = settings.project(project).units
    if project not in settings.project_of_unit(full):
        units = ", ".join(known) or "none is configured"
        raise ConfigurationError(f"{unit} is no unit of project {project!r}; its units: {units}")
    if not RESULT.fullmatch(result):
        raise ConfigurationError("--result: a word of systemd's is expected, such as exit-code or signal")
    where = _this_host() if host is None else host
    if not HOST.fullmatch(where):
        raise ConfigurationError("--host: a host's name is expected")
    # no secret leaves this process, not even for our own Redis, which writes what it holds to disk
    text = Redactor(settings.secrets()).text(read_log(log)) if log is not None else ""
    if not text.strip():
        warn("no log is given" if log is None else f"the log {log} is empty")
        warn("going on without it; the repair has little to go by")
    return Failure(project=project, unit=full, host=where, result=result, log=text, actor=actor())


def read_log(source: str) -> str:
    """Return the last 64 KiB of a file, or of standard input for "-", as text.

    No more than that is held in memory, however long the file or a line of it is. What is no UTF-8 is
    replaced. Raises ConfigurationError when the file cannot be read.
    """
    from app.core.reports import LOG_LIMIT

    try:
        raw = _tail(0, LOG_LIMIT) if source == STDIN else _tail_of(Path(source), LOG_LIMIT)
    except OSError as error:
        name = "standard input" if source == STDIN else source
        raise ConfigurationError(f"--log: {name} cannot be read: {error.strerror}") from error
    text = raw.decode("utf-8", errors="replace")
    # a replaced byte takes three: what is sent keeps to the limit too
    return text.encode()[-LOG_LIMIT:].decode("utf-8", errors="ignore")


def _tail_of(path: Path, limit: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        if stat.S_ISREG(about.st_mode):  # of a pipe or a device nothing can be left out
            os.lseek(descriptor, max(0, about.st_size - limit), os.SEEK_SET)
        return _tail(descriptor, limit)
    finally:
        os.close(descriptor)


def _tail(descriptor: int, limit: int) -> bytes:
    from app.core.process import Tail

    ring = Tail(limit)
    while chunk := os.read(descriptor, limit):
        ring.add(chunk)
    return ring.bytes()


def _this_host() -> str:
    import socket

    return socket.gethostname()


async def _fix(settings: "Settings", failure: "Failure", *, wait: bool) -> int:
    from app.commands import reports

    where = f"{failure.unit} of {failure.project} on {failure.host}"
    sent = reports.Sent(failure.id, f"queued: {where}", failure.project)
    return await reports.send(settings, [sent], lambda bell, _: bell.failure(failure), wait=wait)
