"""`proposals` and `projects`: what the store knows, for people or as JSON."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.commands.base import DONE, Config, load, perform

if TYPE_CHECKING:
    from app.core.models import ProjectView, Proposal
    from app.core.settings import Settings
    from app.core.units import UnitCounts

PAGE = 500
HEADS = ("ID", "STATE", "PROJECT", "UNIT", "SEEN", "TITLE", "URL OR REASON")
PROJECT_HEADS = ("PROJECT", "FORGE", "REPOSITORY", "OPEN", "HEALTH", "CODEX.MD", "LAST LOOK", "UNITS")

Json = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]


def proposals(
    config: Config = None,
    everything: Annotated[bool, typer.Option("--all", help="Ended ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List the proposals at work or open."""
    perform(_proposals(load(config), state="all" if everything else "open", as_json=as_json))


def projects(config: Config = None, as_json: Json = False) -> None:
    """List the projects and how they stand."""
    perform(_projects(load(config), as_json=as_json))


async def _proposals(settings: "Settings", *, state: Literal["open", "all"], as_json: bool) -> int:
    from app.commands.screen import say, table

    found = await _all_proposals(settings, state)
    if as_json:
        _print_json(settings, [_shown(each) for each in found])
    elif found:
        table(HEADS, [_row(each) for each in found], shrink=("TITLE", "URL OR REASON", "UNIT"))
    elif state == "open":
        say("No proposal is at work or open; `pimainteno proposals --all` lists those that ended too.")
    else:
        say("No proposal yet: `pimainteno fix PROJECT --unit UNIT --log FILE` reports a failure.")
    return DONE


async def _all_proposals(settings: "Settings", state: Literal["open", "all"]) -> "list[Proposal]":
    from app.store import proposals as rows
    from app.store.database import Store

    found: list[Proposal] = []
    async with Store.opened(settings.database_url_effective) as store, store.read() as tx:
        page, cursor = await rows.page(tx, state=state, limit=PAGE)
        found += page
        while cursor is not None:
            page, cursor = await rows.page(tx, state=state, cursor=cursor, limit=PAGE)
            found += page
    return found


def _shown(proposal: "Proposal") -> dict[str, Any]:
    """Return the fields of the external contract, as the HTTP interface gives them."""
    checks = [check.model_dump(include={"command", "before", "after"}) for check in proposal.checks]
    return {**proposal.model_dump(mode="json"), "checks": checks}


def _row(proposal: "Proposal") -> tuple[str, ...]:
    seen = f"{proposal.count}x" if proposal.count else "-"
    rest = proposal.url or proposal.reason or "-"
    return (
        str(proposal.id),
        proposal.state,
        proposal.project,
        proposal.unit or "-",
        seen,
        proposal.title,
        rest,
    )


async def _projects(settings: "Settings", *, as_json: bool) -> int:
    from app.commands.screen import say, table
    from app.store import projects as rows
    from app.store.database import Store

    async with Store.opened(settings.database_url_effective) as store, store.read() as tx:
        found = await rows.views(tx, settings)
    if as_json:
        _print_json(settings, [each.model_dump(mode="json") for each in found])
    elif found:
        table(PROJECT_HEADS, [_project_row(each) for each in found], shrink=("REPOSITORY", "UNITS"))
    else:
        say("No project is configured: add a [projects.NAME] table to the configuration.")
    return DONE


def _project_row(project: "ProjectView") -> tuple[str, ...]:
    from app.commands.screen import clock

    return (
        project.name,
        project.forge,
        project.repo,
        str(project.open),
        _health(project.health),
        project.summary or "-",
        clock(project.last_scan),
        " ".join(project.units) or "-",
    )


def _health(units: "UnitCounts") -> str:
    """Return how a project's units stand in a word, with the number of those that do not stand well."""
    number = getattr(units, units.worst, 0)
    return f"{number} {units.worst}" if number else "-" if units.worst == "unknown" else units.worst


def _print_json(settings: "Settings", items: Sequence[dict[str, Any]]) -> None:
    from app.core.redact import Redactor

    json.dump(Redactor(settings.secrets()).data(list(items)), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()
