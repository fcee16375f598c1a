"""What killed runs leave behind: private folders that nobody removes any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from worker.agent import sandbox

if TYPE_CHECKING:
    from app.core.paths import StatePaths

OLD_S = 24 * 3600.0
"""Far longer than any run may take, so that no other worker's folder is touched."""


async def clear(paths: StatePaths, *, older_s: float = OLD_S) -> int:
    """Remove the scratch folders that were made more than `older_s` seconds ago; return how many."""
    before = time.time() - older_s
    old = [
        folder
        for folder in (paths.scratch.iterdir() if paths.scratch.is_dir() else ())
        if folder.stat(follow_symlinks=False).st_mtime <= before
    ]
    for folder in old:
        await sandbox.remove(folder)
    return len(old)
