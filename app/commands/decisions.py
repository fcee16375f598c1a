"""`merge`, `close`, `retry`, `snooze`, `pause` and `resume`: what people decide."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.base import DONE, NOTHING, Config, actor, load, perform
from app.core import durations

if TYPE_CHECKING:
    from app.core.settings import Settings
    from app.store.actions import Action

WARNING = "What others pushed to the branch of proposal {} will be gone. Throw it away?"
Id = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The number of a proposal.")]


def merge(id_: Id, config: Config = None) -> None:
    """Merge a proposal of the local forge."""
    _ask(load(config), "merge", id_)


def close(id_: Id, config: Config = None) -> None:
    """Close a proposal; its failure is only counted from now on."""
    _ask(load(config), "close", id_)


def retry(
    id_: Id,
    config: Config = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Throw away what others added to its branch.")
    ] = False,
) -> None:
    """Try again on a proposal, in place.

    An open one is repaired anew, and one that has ended is opened again. A branch that others pushed to
    is left alone, unless --discard throws that away; on a terminal it asks first.
    """
    if discard and sys.stdin.isatty() and not typer.confirm(WARNING.format(id_), err=True):
        raise typer.Exit(NOTHING)
    _ask(load(config), "retry", id_, discard=discard)


def snooze(
    id_: Id,
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="30m, 12h, 7d or 2w.")],
    config: Config = None,
) -> None:
    """Leave a proposal's failure alone for a while."""
    length = durations.parse(duration)
    _ask(load(config), "snooze", id_, length=length)


def pause(config: Config = None) -> None:
    """Start no run until `resume`; what arrives is kept."""
    perform(_pause(load(config)))


def resume(config: Config = None) -> None:
    """Let runs start again."""
    perform(_resume(load(config)))


def _ask(settings: "Settings", action: "Action", proposal_id: int, **more: Any) -> None:  # noqa: ANN401
    from app.commands.asking import ask

    perform(ask(settings, action, proposal_id, **more))


async def _pause(settings: "Settings") -> int:
    from app.commands.screen import say, warn
    from app.store import actions, pauses
    from app.store.database import Store

    async with Store.opened(settings.database_url_effective) as store, store.write() as tx:
        changed = await actions.pause(tx, "a person asked for it", actor())
        present = await pauses.get(tx)
    if changed:
        say("Paused: no run is started until `pimainteno resume`.")
        return DONE
    warn(f"already paused: {present.reason if present else 'no reason is recorded'}")
    return NOTHING


async def _resume(settings: "Settings") -> int:
    from app.commands.screen import say, warn
    from app.store import actions
    from app.store.database import Store

    async with Store.opened(settings.database_url_effective) as store, store.write() as tx:
        changed = await actions.resume(tx, actor())
    if changed:
        say("Resumed: what waits goes on within half a minute.")
        return DONE
    warn("nothing is paused")
    return NOTHING
