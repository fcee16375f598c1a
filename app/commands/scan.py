"""`scan`: ask for the daily look at a project now."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.base import NOTHING, Config, actor, load, perform

if TYPE_CHECKING:
    from app.core.settings import Settings


def scan(
    project: Annotated[
        str | None,
        typer.Argument(metavar="PROJECT", help="A project; all of them without.", show_default=False),
    ] = None,
    config: Config = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for what comes of it.")] = False,
) -> None:
    """Look at one project or all of them now.

    In this version a look makes or refreshes codex.md, the summary of a project, and nothing else.
    """
    settings = load(config)
    if project is not None:
        settings.project(project)
    perform(_scan(settings, [project] if project else sorted(settings.projects), wait=wait))


async def _scan(settings: "Settings", projects: list[str], *, wait: bool) -> int:
    from app.commands import reports
    from app.commands.screen import warn
    from app.core.reports import Tick

    if not projects:
        warn("no project is configured: add a [projects.NAME] table to the configuration")
        return NOTHING
    made = {tick.id: tick for tick in (Tick(project=name, actor=actor()) for name in projects)}
    sent = [
        reports.Sent(tick.id, f"queued: a look at {tick.project}", tick.project) for tick in made.values()
    ]
    return await reports.send(settings, sent, lambda bell, one: bell.tick(made[one.id]), wait=wait)
