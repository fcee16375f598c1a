"""The table `projects`: what we saw of each project's repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from app.core.base import now
from app.core.changes import CodexMd
from app.core.models import ACTIVE, ProjectView
from app.core.units import UnitCounts
from app.store import units
from app.store.tables import projects, proposals
from app.store.upsert import insert

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.core.settings import Settings

SHOWN = ("url", "last_scan", "last_commit", "summary")


async def saw(
    tx: AsyncConnection,
    name: str,
    *,
    url: str | None = None,
    default_branch: str | None = None,
    last_commit: str | None = None,
    summary: str | None = None,
) -> None:
    """Keep what a fetch or a merge has shown; None leaves a value as it is."""
    seen = {"url": url, "default_branch": default_branch, "last_commit": last_commit, "summary": summary}
    await _keep(tx, name, seen)


async def scanned(tx: AsyncConnection, name: str, *, summary: str) -> None:
    """Keep that a scan ended now, and how codex.md stands: missing, outdated or current."""
    await _keep(tx, name, {"last_scan": now(), "summary": summary})


async def default_branch(tx: AsyncConnection, name: str) -> str | None:
    """Return the default branch that a project's repository had when it was seen last."""
    found: str | None = await tx.scalar(select(projects.c.default_branch).where(projects.c.name == name))
    return found


async def keep_codex_md(tx: AsyncConnection, name: str, found: CodexMd) -> None:
    """Keep a project's codex.md as the page may show it, in the place of what was there before."""
    row = {"codex_md": found.text, "codex_md_commit": found.commit, "codex_md_cut": found.cut}
    new = insert(tx, projects).values(name=name, **row)
    await tx.execute(new.on_conflict_do_update(index_elements=["name"], set_=row))


async def codex_md(tx: AsyncConnection, name: str) -> CodexMd | None:
    """Return a project's codex.md; None before the first look at its repository."""
    columns = select(projects.c.codex_md, projects.c.codex_md_commit, projects.c.codex_md_cut)
    row = (await tx.execute(columns.where(projects.c.name == name))).one_or_none()
    return CodexMd(text=row[0], commit=row[1], cut=row[2]) if row and row[1] else None


async def codex_md_commit(tx: AsyncConnection, name: str) -> str | None:
    """Return the commit that a project's codex.md was read at, without the text."""
    found: str | None = await tx.scalar(select(projects.c.codex_md_commit).where(projects.c.name == name))
    return found


async def views(tx: AsyncConnection, settings: Settings) -> list[ProjectView]:
    """Return every configured project by name; `open` counts what a list of open proposals shows."""
    counts = (
        select(proposals.c.project, func.count())
        .where(proposals.c.state.in_(ACTIVE))
        .group_by(proposals.c.project)
    )
    found = {row[0]: row[1] for row in await tx.execute(counts)}
    health = await units.counts(tx)
    seen = select(projects.c.name, *(projects.c[key] for key in SHOWN))
    rows = {row["name"]: dict(row) for row in (await tx.execute(seen)).mappings()}
    return [
        ProjectView(
            name=name,
            forge=project.forge,
            repo=project.repo,
            units=tuple(project.units),
            open=found.get(name, 0),
            health=health.get(name, UnitCounts()),
            **{key: rows.get(name, {}).get(key) for key in SHOWN},
        )
        for name, project in sorted(settings.projects.items())
    ]


async def _keep(tx: AsyncConnection, name: str, seen: dict[str, Any]) -> None:
    known = {key: value for key, value in seen.items() if value is not None}
    new = insert(tx, projects).values(name=name, **known)
    await tx.execute(
        new.on_conflict_do_update(index_elements=["name"], set_=known)
        if known
        else new.on_conflict_do_nothing(index_elements=["name"])
    )
