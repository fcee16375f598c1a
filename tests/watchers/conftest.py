"""A bus of our own, and the real systemd of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.watchers.bus import Daemon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def daemon(place: Path) -> AsyncIterator[Daemon]:
    made = Daemon(place)
    await made.start()
    yield made
    made.stop()
