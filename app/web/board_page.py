"""The first page: what broke, what is proposed, and the one next step for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request

from app.core.base import now
from app.core.errors import BadRequestError
from app.core.models import Kind, Need
from app.core.redact import printable
from app.web.api import READ
from app.web.context import TheWeb  # noqa: TC001 - FastAPI reads it
from app.web.guard import GuardedRoute
from app.web.live import watched
from app.web.pages import page
from app.web.parameters import Cursor  # noqa: TC001 - FastAPI reads it

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fastapi.responses import Response

    from app.core.settings import Settings
    from app.store.board import Filter, Group

router = APIRouter(route_class=GuardedRoute)

EACH = 20
"""Rows of each group on the page of all groups."""
MOST_TEXT = 200
KINDS = {
    Kind.FIX: "repairs",
    Kind.IMPROVE: "improvements",
    Kind.SUMMARISE: "summaries",
    Kind.REVISE: "revisions",
}
LEAD = {
    Need.READY: ("1 is ready for your review", "{} are ready for your review"),
    Need.CI_FAILING: ("CI fails on 1", "CI fails on {}"),
    Need.CHANGES_REQUESTED: ("changes were requested on 1", "changes were requested on {}"),
    Need.EDITED: ("1 was edited by a person", "{} were edited by people"),
    Need.WAITING: ("1 waits for a limit", "{} wait for a limit"),
    Need.WORKING: ("1 is being worked on", "{} are being worked on"),
    Need.NOT_PROPOSED: ("1 could not be proposed", "{} could not be proposed"),
}
Given = Annotated[str, Query()]
Word = TypeVar("Word", Kind, Need)


@dataclass(frozen=True)
class Asked:
    """What the filters of the address say, as they stand in the form."""

    project: str = ""
    kind: str = ""
    state: str = ""
    q: str = ""

    def __bool__(self) -> bool:
        return any((self.project, self.kind, self.state, self.q))

    def href(self, *, state: str | None = None, cursor: str = "") -> str:
        """Return the address of the same filters, with another state or the next page."""
        chosen = self if state is None else replace(self, state=state)
        said = {name: value for name, value in vars(chosen).items() if value}
        query = urlencode(said | ({"cursor": cursor} if cursor else {}))
        return f"/?{query}" if query else "/"

    def filter(self) -> Filter:
        """Return what the store looks for; BadRequestError for a kind or state that there is not."""
        from app.store.board import Filter

        return Filter(
            project=self.project or None,
            kind=_one_of(Kind, self.kind, "kind") if self.kind else None,
            need=_one_of(Need, self.state, "state") if self.state else None,
            text=self.q,
        )


@router.api_route("/", methods=READ)
async def open_proposals(
    web: TheWeb,
    request: Request,
    project: Given = "",
    kind: Given = "",
    state: Given = "",
    q: Given = "",
    cursor: Cursor = None,
) -> Response:
    """Show what needs people, by what it needs, or what to do when there is nothing."""
    from app.store import board, pauses

    asked = Asked(project.strip()[:MOST_TEXT], kind, state, " ".join(printable(q).split())[:MOST_TEXT])
    which = asked.filter()
    if cursor and which.need is None:
        raise BadRequestError("A cursor leads on in one state alone: start from the first page")
    day, week = _since()
    following: str | None = None
    async with web.store.read() as tx:
        if which.need is None:
            groups = await board.groups(tx, which, each=EACH)
        else:
            rows, following = await board.page(tx, which, cursor=cursor or None)
            groups = [board.Group(which.need, len(rows), tuple(rows))] if rows else []
        figures = await board.figures(tx, day=day, week=week)
        pause = await pauses.get(tx)
        live = await watched(tx)
    return page(
        request,
        "index.html",
        live=live,
        asked=asked,
        groups=groups,
        lead="" if asked else lead(groups),
        following=following,
        figures=figures,
        pause=pause,
        day=day,
        week=week,
        needs=tuple(Need),
        kinds=KINDS,
        projects=sorted(web.settings.projects),
        forge_of=lambda name: forge_of(web.settings, name),
        each=EACH,
    )


def lead(groups: Sequence[Group]) -> str:
    """Return what needs people in one sentence."""
    said = [LEAD[group.need][group.total != 1].format(group.total) for group in groups]
    if not said:
        return ""
    *others, last = said
    sentence = f"{', '.join(others)} and {last}" if others else last
    return f"{sentence[0].upper()}{sentence[1:]}."


def forge_of(settings: Settings, project: str) -> str:
    """Return what people call the forge of a project: by its kind, and by name where it is their own."""
    known = settings.projects.get(project)
    forge = settings.forges.get(known.forge) if known is not None else None
    if forge is None or known is None:
        return "its forge"
    return {"github": "GitHub", "gitlab": "GitLab"}.get(forge.kind, "")


def _one_of(words: type[Word], given: str, what: str) -> Word:
    try:
        return words(given)
    except ValueError:
        known = ", ".join(words)
        raise BadRequestError(f"There is no {what} {given[:40]!r}; there are {known}") from None


def _since() -> tuple[datetime, datetime]:
    """Return when today and this week began, where this process runs."""
    local = now().astimezone()
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return day, day - timedelta(days=day.weekday())
