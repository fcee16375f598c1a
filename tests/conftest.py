"""What many tests need: a place for state that no sandbox hides by accident, and processes that end."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles.machine import booted, machine
from tests.doubles.postgres import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

# for all folders: a session's fixture imported twice would be made twice
__all__ = ["booted", "machine", "postgres"]

# A shell starts its background jobs with Ctrl-C ignored, and all that we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def place() -> Iterator[Path]:
    """A private folder outside /tmp (which each sandboxed step replaces), with a short path for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="pm-", dir="/var/tmp"))
    yield folder
    for _ in range(10):  # what a test deletes in the background may be gone between two looks at it
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
    shutil.rmtree(folder)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and "machine" in item.fixturenames:
            item.add_marker("systemd")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests ran on a real systemd: a run without any must not look like one that proved it."""
    reports = (report for group in terminalreporter.stats.values() for report in group)
    calls = (report for report in reports if isinstance(report, pytest.TestReport) and report.when == "call")
    ran = sum("systemd" in call.keywords for call in calls)
    terminalreporter.write_line(f"real systemd: {ran} test{'s' * (ran != 1)}")
