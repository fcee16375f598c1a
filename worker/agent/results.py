"""What the model said before, by what it was asked about: the same question is never paid for twice."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.core.errors import RetryLater
from app.store import results, runs
from worker.agent import codex, prompts
from worker.git import objects

if TYPE_CHECKING:
    from app.core.changes import Changeset
    from app.core.models import Run
    from worker.agent.worktree import Tree
    from worker.context import Work


async def key(
    work: Work, this: Run, tree: Tree, *, changeset: Changeset | None = None, cause: str = ""
) -> str:
    """Return what a model's answer depends on, as one hash.

    The tree (with the changeset applied, without codex.md), the prompt's version, the model, the CLI's
    version, and for a fix the incident's fingerprint. A person's retry asks anew: its number counts too.
    """
    content = await asyncio.to_thread(objects.tree_key, tree.clone, tree.commit, changeset)
    parts = (
        "summarise" if changeset is not None else this.kind.value,
        content,
        str(prompts.PROMPT_VERSION),
        work.settings.codex.model,
        await codex.version(work.settings),
        cause,
        str(this.retry),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


async def recall(work: Work, name: str) -> dict[str, Any] | None:
    """Return what was answered before, or None."""
    async with work.store.read() as tx:
        return await results.get(tx, name)


async def remember(work: Work, this: Run, name: str, value: dict[str, Any]) -> None:
    """Keep an answer for the next time the same is asked."""
    async with work.store.write() as tx:
        await work.hold(tx)
        await results.put(tx, name, kind=this.kind, project=this.project, value=value)


async def afford(work: Work) -> None:
    """Raise RetryLater, until midnight UTC, where today's runs took all of the day's tokens."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    limit = work.settings.codex.daily_token_limit
    async with work.store.read() as tx:
        spent = await runs.tokens_since(tx, midnight)
    if spent >= limit:
        wait = (midnight + timedelta(days=1) - datetime.now(UTC)).total_seconds()
        raise RetryLater(
            f"today's runs took {spent} of {limit} tokens (codex.daily_token_limit): waiting for midnight",
            after_s=wait,
            counts=False,
        )
