"""A bus and a journal of our own, and the real systemd of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.watchers.bus import Daemon
from tests.watchers.plant import Plant
from watchers import sdjournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def daemon(place: Path) -> AsyncIterator[Daemon]:
    made = Daemon(place)
    await made.start()
    yield made
    made.stop()


@pytest.fixture(params=["libsystemd", "journalctl"])
def plant(place: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """A journal that is read each way: without the library all is left to the program."""
    if request.param == "journalctl":
        monkeypatch.setattr(sdjournal, "LIBRARY", "libnone.so.0")
    return Plant(place / "journal")
