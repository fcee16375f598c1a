"""What many tests need: a place for state that no sandbox hides by accident, and processes that end."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


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
