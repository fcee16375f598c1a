"""codex.md of each default branch, kept in the store: the page knows no repository."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.core.changes import CodexMd
from app.core.redact import printable
from app.store import projects
from worker.git import objects
from worker.git.objects import SUMMARY

if TYPE_CHECKING:
    from app.core.redact import Redactor
    from app.store.database import Tx
    from worker.context import Work
    from worker.publisher.mirror import Mirror

LIMIT = 256 * 1024
"""Bytes of it that are kept: a browser has to show them."""


async def news(work: Work, project: str, seen: Mirror) -> CodexMd | None:
    """Return codex.md at the mirror's commit; None where the store has it of just that commit."""
    async with work.store.read() as tx:
        known = await projects.codex_md_commit(tx, project)
    if known == seen.commit:
        return None
    raw = await asyncio.to_thread(objects.read, seen.path, seen.commit, SUMMARY)
    if raw is None:
        return CodexMd(text=None, commit=seen.commit)
    return await asyncio.to_thread(fit, raw, seen.commit, work.redactor)


async def saw(tx: Tx, project: str, seen: Mirror, found: CodexMd | None) -> None:
    """Keep what a fetch has shown of a project: where its default branch stands, and `news` of codex.md."""
    await projects.saw(
        tx, project, url=seen.forge.web_url, default_branch=seen.branch, last_commit=seen.commit
    )
    if found is not None:
        await projects.keep_codex_md(tx, project, found)


def fit(raw: bytes, commit: str, redactor: Redactor) -> CodexMd:
    """Return the beginning of a file, printable and without secrets, cut at the end of a line.

    Twice as much is redacted as is kept: the half of a secret that a cut would leave is no secret that
    could be known.
    """
    text = redactor.text(printable(raw[: 2 * LIMIT].decode(errors="replace")))
    whole = text.encode()
    if len(raw) <= 2 * LIMIT and len(whole) <= LIMIT:
        return CodexMd(text=text, commit=commit)
    kept = whole[:LIMIT].decode(errors="ignore")
    line = kept.rfind("\n") + 1
    return CodexMd(text=kept[: line or None], commit=commit, cut=True)
