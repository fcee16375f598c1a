"""All projects with their health at a glance, and one project with all that is known of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request

from app.core.base import now
from app.core.models import ProposalState
from app.web import deeds
from app.web.api import READ
from app.web.board_page import forge_of
from app.web.context import TheWeb, texts_of
from app.web.guard import GuardedRoute
from app.web.live import watched
from app.web.pages import page
from app.web.parameters import Cursor  # noqa: TC001 - FastAPI reads it

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi.responses import Response

    from app.core.models import ProjectView
    from app.core.settings import Settings
    from app.core.units import KnownUnit, UnitCounts

router = APIRouter(route_class=GuardedRoute)
EVENTS_OF_ONE = 15
MOST_UNITS = 200
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Standing:
    """A project at a glance: one word, and the sentence behind it."""

    project: ProjectView
    units: UnitCounts
    needs: int
    """Proposals that need a person."""

    @property
    def health(self) -> str:
        """The word: failing, needs you, or fine; unknown where no watcher has told of a unit."""
        if self.units.failed:
            return "failing"
        if self.needs:
            return "needs you"
        return {"missing": "unit missing", "silent": "not heard of"}.get(self.units.worst, self.units.worst)


@dataclass(frozen=True)
class Limits:
    """How much of its limits a project has used."""

    open: int
    most_open: int
    this_hour: int
    most_this_hour: int


@router.api_route("/projects", methods=READ)
async def projects(web: TheWeb, request: Request) -> Response:
    """Show the configured projects."""
    from app.store import board
    from app.store import projects as table

    async with web.store.read() as tx:
        views = await table.views(tx, web.settings)
        needs = await board.needing(tx)
        live = await watched(tx, with_units=True)
    standings = [Standing(view, view.health, needs.get(view.name, 0)) for view in views]
    return page(
        request,
        "projects.html",
        live=live,
        standings=standings,
        forge_of=lambda name: forge_of(web.settings, name),
    )


@router.api_route("/projects/{name}", methods=READ)
async def project(web: TheWeb, request: Request, name: str, cursor: Cursor = None) -> Response:
    """Show one project: its units, proposals, limits and codex.md, and what happened lately."""
    from app.store import events, proposals, units
    from app.store import projects as table

    configured = web.settings.project(name)
    async with web.store.read() as tx:
        view = next(one for one in await table.views(tx, web.settings) if one.name == name)
        known = await units.of_project(tx, name)
        present, _ = await proposals.page(tx, state="open", project=name, limit=100)
        found, following = await proposals.page(tx, state="all", project=name, cursor=cursor or None)
        happened, _ = await events.page(tx, project=name, limit=EVENTS_OF_ONE)
        summary = await table.codex_md(tx, name)
        branch = configured.branch or await table.default_branch(tx, name)
        live = await watched(tx, project=name, with_units=True)
        limits = Limits(
            open=await proposals.open_count(tx, name),
            most_open=web.settings.limits.open_proposals,
            this_hour=await proposals.opened_since(tx, name, now() - HOUR),
            most_this_hour=web.settings.limits.proposals_per_hour,
        )
    troubled = [unit for unit in known if unit.failed or unit.missing or unit.silent]
    well = [unit for unit in known if unit not in troubled]
    base = files_at(web.settings, view, branch)
    text = summary.text if summary and summary.text else ""
    rendered, is_cut = await asyncio.to_thread(texts_of(request).markdown, text, base=base)
    return page(
        request,
        "project.html",
        live=live,
        project=view,
        configured=configured,
        troubled=troubled[:MOST_UNITS],
        well=well[:MOST_UNITS],
        more_units=max(0, len(troubled) - MOST_UNITS) + max(0, len(well) - MOST_UNITS),
        unwatched=_unwatched(view.units, known),
        present=present if not cursor else [],
        past=[one for one in found if one.state not in PRESENT],
        following=following,
        cursor=cursor,
        events=happened,
        summary=summary,
        codex_md=rendered,
        is_cut=is_cut or bool(summary and summary.cut),
        base=base,
        branch=branch,
        limits=limits,
        forge=forge_of(web.settings, name),
        local=deeds.is_local_forge(web, name),
    )


PRESENT = (ProposalState.WORKING, ProposalState.WAITING, ProposalState.OPEN)


def files_at(settings: Settings, project: ProjectView, branch: str | None) -> str:
    """Return where a project's files are seen on its forge; "" where that is not known."""
    forge = settings.forges.get(project.forge)
    if forge is None or not branch or not (project.url or "").startswith(("https://", "http://")):
        return ""
    middle = {"github": "/blob/", "gitlab": "/-/blob/"}.get(forge.kind)
    return f"{project.url}{middle}{branch}" if middle else ""


def _unwatched(configured: Iterable[str], known: list[KnownUnit]) -> list[str]:
    """Return the configured units that no watcher has told of; of patterns nothing can be said."""
    told = {unit.unit for unit in known}
    return [name for name in configured if name not in told and not set(name) & set("*?[")]
