"""The guards on a changeset, with the base that it stands on: the same for agent and publisher."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.core import guards
from worker.git import objects

if TYPE_CHECKING:
    from pathlib import Path

    from app.core.changes import Changeset
    from app.core.redact import Redactor
    from app.core.settings_sections import LimitSettings


async def check(
    repo: Path, changeset: Changeset, limits: LimitSettings, redactor: Redactor
) -> tuple[str, ...]:
    """Return what the proposal has to point out; raise Refused when it must not be made."""
    base = changeset.base
    return await asyncio.to_thread(
        guards.check,
        changeset,
        limits,
        redactor,
        base_links=lambda name: objects.link(repo, base, name),
        base_text=lambda name: objects.read(repo, base, name),
    )
