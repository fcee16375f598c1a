"""The history: what happened, newest first, by project, kind, actor and time; each line has its address."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from app.core.errors import BadRequestError
from app.web.api import READ
from app.web.context import TheWeb  # noqa: TC001 - FastAPI reads it
from app.web.guard import GuardedRoute
from app.web.live import watched
from app.web.pages import page
from app.web.parameters import Cursor, Number  # noqa: TC001 - FastAPI reads them

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.core.models import Event
    from app.web.context import Web

router = APIRouter(route_class=GuardedRoute)
BATCH = 500
"""Lines that the download reads at once."""
MOST_TEXT = 200
KINDS = {
    "failure.": "Failures",
    "incident.": "Incidents",
    "run.": "Runs",
    "proposal.": "Proposals",
    "scan.": "Scans",
    "summary.": "codex.md",
    "project.": "Projects",
    "operator.": "People's requests",
}
"""What the form offers; an address may also name one kind exactly."""
Given = Annotated[str, Query()]


@dataclass(frozen=True)
class Asked:
    """What the filters of the address say, as they stand in the form."""

    project: str = ""
    kind: str = ""
    actor: str = ""
    since: str = ""
    until: str = ""
    proposal: str = ""

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def href(self, path: str = "/history", cursor: str = "") -> str:
        """Return the address of the same filters at another path or for the next page."""
        said = {name: value for name, value in vars(self).items() if value}
        query = urlencode(said | ({"cursor": cursor} if cursor else {}))
        return f"{path}?{query}" if query else path

    def filters(self) -> dict[str, Any]:
        """Return what the store looks for; BadRequestError for what is no time or number."""
        return {
            "project": self.project or None,
            "kind": self.kind or None,
            "actor": self.actor or None,
            "since": _moment(self.since, "since"),
            "until": _moment(self.until, "until", whole_day=True),
            "proposal": _number(self.proposal),
        }


@router.api_route("/history", methods=READ)
async def history(
    web: TheWeb,
    request: Request,
    project: Given = "",
    kind: Given = "",
    actor: Given = "",
    since: Given = "",
    until: Given = "",
    proposal: Given = "",
    cursor: Cursor = None,
) -> Response:
    """Show what happened, newest first."""
    from app.store import events

    asked = _asked(project, kind, actor, since, until, proposal)
    async with web.store.read() as tx:
        found, following = await events.page(tx, **asked.filters(), cursor=cursor or None)
        live = await watched(tx, project=asked.project or None)
    return page(
        request,
        "history.html",
        live=live,
        events=found,
        following=following,
        cursor=cursor,
        asked=asked,
        kinds=KINDS,
        projects=sorted(web.settings.projects),
    )


@router.api_route("/history.jsonl", methods=READ)
async def download(
    web: TheWeb,
    request: Request,
    project: Given = "",
    kind: Given = "",
    actor: Given = "",
    since: Given = "",
    until: Given = "",
    proposal: Given = "",
) -> Response:
    """Send the same lines as JSON Lines, newest first, however many there are."""
    filters = _asked(project, kind, actor, since, until, proposal).filters()
    lines = _lines(web, filters) if request.method == "GET" else _nothing()
    headers = {"Content-Disposition": 'attachment; filename="history.jsonl"'}
    return StreamingResponse(lines, media_type="application/jsonl", headers=headers)


@router.api_route("/history/{number}", methods=READ)
async def line(web: TheWeb, request: Request, number: Number) -> Response:
    """Show one line of the history, with all that is known of it."""
    from app.store import events

    async with web.store.read() as tx:
        found = await events.get(tx, number)
    data = json.dumps(web.redactor.data(found.data), ensure_ascii=False, indent=2) if found.data else ""
    return page(request, "event.html", event=found, data=data)


async def _lines(web: Web, filters: dict[str, Any]) -> AsyncIterator[str]:
    """Yield batch after batch, each in a transaction of its own: a slow reader holds nothing up."""
    from app.store import events

    cursor: str | None = None
    while True:
        async with web.store.read() as tx:
            found, cursor = await events.page(tx, **filters, cursor=cursor, limit=BATCH)
        yield "".join(_json(web, one) for one in found)
        if cursor is None:
            return


async def _nothing() -> AsyncIterator[str]:
    yield ""


def _json(web: Web, event: Event) -> str:
    shown = web.redactor.data(event.model_dump(mode="json"))
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")) + "\n"


def _asked(*given: str) -> Asked:
    return Asked(*(text.strip()[:MOST_TEXT] for text in given))


def _number(given: str) -> int | None:
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 19):
        raise BadRequestError(f"proposal: {given[:40]!r} is no number of a proposal")
    return int(given)


def _moment(given: str, name: str, *, whole_day: bool = False) -> datetime | None:
    """Return a day or a moment; without a zone it is that of this machine. `whole_day` takes its end."""
    if not given:
        return None
    try:
        at = datetime.fromisoformat(given)
        at = at.astimezone() if at.tzinfo is None else at
        return at + timedelta(days=1) if whole_day and len(given) == len("2026-03-01") else at
    except (ValueError, OverflowError) as error:
        raise BadRequestError(
            f"{name}: {given[:40]!r} is no time; a day such as 2026-03-01 or a time such as "
            "2026-03-01T03:12:00Z is expected"
        ) from error
