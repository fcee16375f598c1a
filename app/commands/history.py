"""`history`: the append-only log of all that happened."""

import json
import select
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.base import DONE, Config, load, perform

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    from app.core.models import Event
    from app.core.settings import Settings
    from app.store.database import Store

FOLLOW_EVERY_S = 0.5
LAST_EVENTS = 50
PAGE = 500


def history(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it, as JSON Lines.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as things happen.")] = False,
    project: Annotated[
        str | None, typer.Option(metavar="PROJECT", help="Of one project alone.", show_default=False)
    ] = None,
) -> None:
    """Show what happened, the newest last."""
    settings = load(config)
    if project is not None:
        settings.project(project)
    perform(_history(settings, project, as_json=as_json, follow=follow))


async def _history(settings: "Settings", project: str | None, *, as_json: bool, follow: bool) -> int:
    import asyncio

    from app.commands.screen import say
    from app.store.database import Store

    stopped = _stop_signals() if follow else asyncio.Event()
    show = _json_printer(settings) if as_json else _line_printer(settings)
    async with Store.opened(settings.database_url_effective) as store:
        last = 0
        async for event in _after(store, project, 0) if as_json else _newest(store, project):
            show(event)
            last = event.id
        if not (last or as_json or follow):
            say("Nothing has happened yet.")
        while follow and not stopped.is_set() and not _reader_gone():
            async for event in _after(store, project, last):
                show(event)
                last = event.id
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_EVERY_S):
                    await stopped.wait()
    return DONE


def _stop_signals() -> "asyncio.Event":
    import asyncio

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _newest(store: "Store", project: str | None) -> "AsyncIterator[Event]":
    from app.store import events

    async with store.read() as tx:
        newest, _ = await events.page(tx, project=project, limit=LAST_EVENTS)
    for event in reversed(newest):
        yield event


async def _after(store: "Store", project: str | None, last: int) -> "AsyncIterator[Event]":
    from app.store import events

    more = True
    while more:
        async with store.read() as tx:
            page, cursor = await events.page(tx, project=project, after=last, limit=PAGE, newest_first=False)
        for event in page:
            last = event.id
            yield event
        more = cursor is not None


def _json_printer(settings: "Settings") -> "Callable[[Event], None]":
    from app.core.redact import Redactor

    redactor = Redactor(settings.secrets())

    def show(event: "Event") -> None:
        line = json.dumps(redactor.data(event.model_dump(mode="json")), ensure_ascii=False)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    return show


def _line_printer(settings: "Settings") -> "Callable[[Event], None]":
    from app.commands.screen import clock, say
    from app.core.redact import Redactor

    redactor = Redactor(settings.secrets())

    def show(event: "Event") -> None:
        about = " ".join(filter(None, (event.project, f"#{event.proposal}" if event.proposal else "")))
        text = " ".join(redactor.text(event.text).split())
        say(f"{clock(event.at)}  {event.kind:<17}  {about + ': ' if about else ''}{text}")

    return show


def _reader_gone() -> bool:
    """Tell whether whoever read our output through a pipe has gone; nothing else would tell us."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
