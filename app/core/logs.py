"""Structured logs on standard error: one record, one line, without secrets.

A terminal gets a short time and colours; journald gets its priorities and keeps the time itself;
everything else gets a time and key=value pairs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from app.core import lean
from app.core.redact import Redactor

with lean.without("rich"):
    import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from types import TracebackType

    from structlog.typing import FilteringBoundLogger

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""The priorities of sd-daemon(3)."""
COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "31;1"}
PLAIN = (str, dict, list, tuple, int, float, type(None))
LINE_LIMIT = 16 * 1024
NOISY = ("aiosqlite", "arq", "asyncio", "httpcore", "httpx", "sqlalchemy", "urllib3")
"""Libraries of which only warnings are news."""


def configure(redactor: Redactor, *, process: str, level: str = "info") -> None:
    """Send all records of this process, those of libraries too, redacted to standard error.

    `process` names what runs (web, worker, watch); `level` is the least that is shown.
    """
    sink = _Sink(redactor, process)
    number = logging.getLevelNamesMapping()[level.upper()]
    _configure_structlog(sink, number)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(handler)
    root.addHandler(_Handler(sink))
    root.setLevel(number)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def get() -> FilteringBoundLogger:
    """Return the logger; without `configure` it redacts by the rules alone."""
    if not structlog.is_configured():
        _configure_structlog(_Sink(Redactor(), "pimainteno"), logging.INFO)
    return cast("FilteringBoundLogger", structlog.get_logger())


def _configure_structlog(sink: _Sink, level: int) -> None:
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, sink.record],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Writer,
        cache_logger_on_first_use=False,
    )


def escaped(text: str) -> str:
    """Return text on one line in which everything that is not plainly visible is written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True)
class _Sink:
    """Makes the line of one record."""

    redactor: Redactor
    process: str

    def record(self, _logger: object, method: str, fields: MutableMapping[str, Any]) -> str:
        """Return the line; the signature is that of a structlog processor."""
        level = {"exception": "error", "warn": "warning", "fatal": "critical"}.get(method, method)
        event = str(fields.pop("event", ""))
        if failure := _traceback(fields.pop("exc_info", None)):
            fields["exception"] = failure
        return self.line(level, event, fields)

    def line(self, level: str, event: str, fields: Mapping[str, Any]) -> str:
        """Return a record as one line, redacted before and after it is put together."""
        texts = {name: value if isinstance(value, PLAIN) else str(value) for name, value in fields.items()}
        pairs = [f"{escaped(name)}={_value(value)}" for name, value in self.redactor.data(texts).items()]
        said = " ".join([escaped(self.redactor.text(event)), *pairs])
        said = self.redactor.text(said)
        if len(said) > LINE_LIMIT:
            said = f"{said[:LINE_LIMIT]}… ({len(said) - LINE_LIMIT} more characters)"
        if _to_journal():
            return f"<{PRIORITIES.get(level, 6)}>{self.process}: {said}"
        if sys.stderr.isatty():
            time = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
            colour = COLOURS.get(level, "0")
            return f"\x1b[2m{time}\x1b[0m \x1b[{colour}m{level:<7}\x1b[0m {self.process}: {said}"
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f"{time} {level} {self.process}: {said}"


class _Writer:
    """Where structlog hands the finished line to."""

    def __init__(self, *_: object) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.msg

    def msg(self, line: str) -> None:
        """Write one line in one call, so that lines of two processes do not mix."""
        with contextlib.suppress(OSError):  # nobody reads any more, and that is no reason to stop work
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


class _Handler(logging.Handler):
    """Takes the records of libraries that log with the standard library."""

    def __init__(self, sink: _Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record the way ours are written."""
        try:
            fields: dict[str, Any] = {"logger": record.name}
            if failure := _traceback(record.exc_info):
                fields["exception"] = failure
            line = self._sink.line(record.levelname.lower(), record.getMessage(), fields)
        except (TypeError, ValueError):  # a library's message does not fit its arguments
            line = self._sink.line("warning", "a record could not be formatted", {"logger": record.name})
        _Writer().msg(line)


def _value(value: object) -> str:
    text = escaped(value if isinstance(value, str) else str(value))
    if text and not any(c in text for c in ' "='):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _traceback(given: object) -> str:
    """Return what an exception was and where, for whatever logging calls `exc_info`."""
    if given is True:
        given = sys.exc_info()
    if isinstance(given, tuple):
        given = cast("tuple[type[BaseException], BaseException | None, TracebackType | None]", given)[1]
    return "".join(traceback.format_exception(given)).strip() if isinstance(given, BaseException) else ""


def _to_journal() -> bool:
    """Tell whether standard error is the journal, as systemd.exec(5) says to find out."""
    stream = os.environ.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"
