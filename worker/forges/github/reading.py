"""What stands on GitHub: pull requests, comments, and what people may do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.core.errors import ForgeAccessError
from worker.forges.base import Comment, Remote
from worker.forges.github import pulls
from worker.forges.github.answers import UnknownTokenError

if TYPE_CHECKING:
    from worker.forges.github.hub import Hub

OURS = "pimainteno/"
WRITES = ("admin", "maintain", "write")


async def read(hub: Hub, number: int) -> Remote | None:
    """Return a pull request as it stands now; None where there is none of that number."""
    answer = await hub.ask("GET", f"{hub.repo}/pulls/{number}")
    if answer.status == 404 and isinstance(answer.data, dict):
        await hub.read(hub.repo)  # raises where the repository is what is gone
        return None
    remote = pulls.remote(hub.place, hub.good(answer))
    return replace(remote, ended_by=await _closer(hub, number)) if remote.state == "closed" else remote


async def _closer(hub: Hub, number: int) -> str:
    """Return who closed it, which only its form as an issue tells."""
    try:
        return pulls.text(await hub.read(f"{hub.repo}/issues/{number}"), "closed_by", "login")
    except UnknownTokenError:
        raise
    except ForgeAccessError:
        return ""


async def open_requests(hub: Hub) -> list[Remote]:
    """Return all open pull requests of branches with our names in our repository."""
    found = [
        pulls.remote(hub.place, pull)
        async for pull in hub.pages(f"{hub.repo}/pulls", state="open")
        if pulls.is_at_home(hub.place, pull)
    ]
    return [each for each in found if each.branch.startswith(OURS)]


async def comments(hub: Hub, number: int, after: int) -> list[Comment]:
    """Return the comments with ids above `after`, oldest first.

    All pages are read: GitHub can leave out by the time of the last change, not by id.
    """
    me = await hub.me()
    found = [
        _comment(hub, said, me)
        async for said in hub.pages(f"{hub.repo}/issues/{number}/comments")
        if isinstance(pulls.of(said, "id"), int)
    ]
    return sorted((each for each in found if each.id > after), key=lambda each: each.id)


def _comment(hub: Hub, said: Any, me: str) -> Comment:  # noqa: ANN401 - whatever JSON holds
    author = pulls.text(said, "user", "login")  # the user is null where an account is gone
    through = str(pulls.of(said, "performed_via_github_app", "id"))
    ours = author.casefold() == me.casefold() or through == hub.place.app_id
    return Comment(said["id"], author, pulls.text(said, "body"), ours)


async def may_write(hub: Hub, person: str) -> bool:
    """Tell whether a person may push to the repository."""
    if not person:
        return False
    answer = await hub.ask("GET", f"{hub.repo}/collaborators/{quote(person, safe='')}/permission")
    if answer.status == 404 and isinstance(answer.data, dict):
        return False
    return pulls.of(hub.good(answer), "permission") in WRITES
