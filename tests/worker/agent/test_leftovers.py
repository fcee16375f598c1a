"""Old scratch folders go, whatever untrusted work left in them; young ones stay."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from app.core.paths import StatePaths
from worker.agent.leftovers import clear

if TYPE_CHECKING:
    from pathlib import Path


async def test_only_what_is_old_is_removed(place: Path) -> None:
    paths = StatePaths(place)
    assert await clear(paths) == 0
    young, old = paths.scratch / "greeter-young", paths.scratch / "greeter-old"
    for folder in (young, old):
        (folder / "tmp" / "closed").mkdir(parents=True)
        (folder / "tmp" / "closed" / "file").touch()
        (folder / "tmp" / "closed").chmod(0)
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    assert await clear(paths) == 1
    assert sorted(paths.scratch.iterdir()) == [young]
    assert await clear(paths, older_s=0) == 1
