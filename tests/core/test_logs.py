import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from app.core import logs
from app.core.redact import Redactor

SECRET = "s3cr3t-value"
LOG_TWICE = """
import logging
from app.core import logs
from app.core.redact import Redactor
logs.configure(Redactor(), process="web")
logs.get().warning("first\\nline", a="b c")
logging.getLogger("some.library").error("second")
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave logging as it was found."""
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.NOISY}
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def configured(level: str = "info") -> None:
    logs.configure(Redactor([SECRET]), process="worker", level=level)


def fail(text: str) -> None:
    raise ValueError(text)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines without their times."""
    return [line.split(" ", 1)[1] for line in capsys.readouterr().err.split("\n") if line]


def test_a_record_is_one_line_of_keys_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    logs.get().info(
        "proposal opened", project="greeter", id=12, url="http://x/1", note="two words", none=None
    )
    assert said(capsys) == [
        'info worker: proposal opened project=greeter id=12 url=http://x/1 note="two words" none=None'
    ]


def test_nothing_in_a_record_can_make_a_second_line_or_move_the_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configured()
    hostile = "a\nb\r\x1b[31mc\u202ed\u200be\u2028f\x00g\ud800"
    logs.get().warning(hostile, key=hostile, **{"k\ny": 'say "x"'}, nested={"x": [hostile]})
    (line,) = said(capsys)
    assert line.isprintable()
    assert line.startswith(r"warning worker: a\nb\r\x1b[31mc\u202ed\u200be\u2028f\x00g\ud800 key=a\nb")
    assert r'k\ny="say \"x\""' in line


def test_secrets_are_redacted_wherever_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    log = logs.get().bind(bound=SECRET)
    log.error(
        f"cannot use {SECRET}",  # noqa: G004 - a careless caller
        a=f"x {SECRET}",
        b={"c": [SECRET]},
        path=Path("/x") / SECRET,
        password="any word",
    )
    logging.getLogger("library").error("with %s", SECRET)
    try:
        fail(f"bad {SECRET}")
    except ValueError:
        log.exception("failed")
    err = capsys.readouterr().err
    assert SECRET not in err
    assert "any word" not in err
    assert err.count("[redacted]") >= 8


def test_an_exception_is_part_of_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    try:
        fail("wrong")
    except ValueError:
        logs.get().exception("failed", run=3)
        logging.getLogger("library").exception("failed too")
    first, second = said(capsys)
    assert first.startswith("error worker: failed run=3 exception=")
    assert "ValueError: wrong" in first
    assert second.startswith("error worker: failed too logger=library exception=")
    assert "ValueError: wrong" in second


def test_the_level_holds_for_libraries_too(capsys: pytest.CaptureFixture[str]) -> None:
    configured("warning")
    for log in (logs.get(), logging.getLogger("library")):
        log.info("unseen")
        log.warning("seen")
    configured("debug")
    logs.get().debug("now seen")
    logging.getLogger("sqlalchemy.engine").info("never seen")
    assert said(capsys) == [
        "warning worker: seen",
        "warning worker: seen logger=library",
        "debug worker: now seen",
    ]


def test_context_of_a_job_is_on_each_of_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    with structlog.contextvars.bound_contextvars(job=7):
        logs.get().info("inside")
    logs.get().info("outside")
    assert said(capsys) == ["info worker: inside job=7", "info worker: outside"]


def test_a_line_has_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    logs.get().info("big", log="x" * 1_000_000)
    (line,) = said(capsys)
    assert len(line) < logs.LINE_LIMIT + 100
    assert line.endswith("more characters)")


def test_a_librarys_broken_record_stops_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    (handler,) = [each for each in logging.getLogger().handlers if isinstance(each, logs._Handler)]
    handler.handle(logging.LogRecord("library", logging.WARNING, "file", 1, "%d", ("no number",), None))
    assert said(capsys) == ["warning worker: a record could not be formatted logger=library"]


def test_a_closed_standard_error_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        configured()
        logs.get().info("nobody reads")
        monkeypatch.undo()
        with pytest.raises(BrokenPipeError):
            stream.close()


def test_without_configuration_the_rules_still_hold(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    logs.get().info("x", url="redis://:hunter22@10.0.0.1")
    assert said(capsys) == ["info pimainteno: x url=redis://:[redacted:url-password]@10.0.0.1"]


def test_the_journal_gets_priorities_and_no_time() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        found = os.fstat(theirs.fileno())
        env = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        subprocess.run([sys.executable, "-c", LOG_TWICE], check=True, env=env, stderr=theirs.fileno())
        got = ours.recv(10000).decode()
    assert got == '<4>web: first\\nline a="b c"\n<3>web: second logger=some.library\n'


def test_a_terminal_gets_colours_and_a_short_time() -> None:
    ours, theirs = os.openpty()
    try:
        subprocess.run([sys.executable, "-c", LOG_TWICE], check=True, stderr=theirs)
        got = os.read(ours, 10000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "\x1b[33mwarning\x1b[0m web: first\\nline" in got
    assert got.count("\n") == 2
