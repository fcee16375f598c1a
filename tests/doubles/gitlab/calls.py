"""One request to the API, and the list of what answers which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.doubles.gitlab.access import RefusedError
from tests.doubles.gitlab.state import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doubles.gitlab.state import Note, Project, Request, Token

NOT_FOUND = "404 Not found"


@dataclass
class Call:
    """One request to the API, already known to be well-formed."""

    project_: Project | None
    users: dict[str, User]
    url: str
    token: Token | None
    names: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Project:
        assert self.project_ is not None
        return self.project_

    @property
    def user(self) -> User:
        return self.token.user if self.token else User("ghost", id=0)

    @property
    def request(self) -> Request:
        if request := self.project.request(int(self.names["iid"])):
            return request
        raise RefusedError(404, NOT_FOUND)

    @property
    def note(self) -> Note:
        if note := self.request.note(int(self.names["note_id"])):
            return note
        raise RefusedError(404, "404 Note Not Found")

    def user_of(self, id_: int) -> User | None:
        return next((each for each in self.users.values() if each.id == id_), None)

    def page(self, found: list[Any]) -> list[Any]:
        """Return one page of a list, and say where the others are."""
        size = min(int(self.query.get("per_page", 20)), 100)
        page, last = int(self.query.get("page", 1)), max(1, -(-len(found) // size))
        self.headers |= {
            "x-page": str(page),
            "x-per-page": str(size),
            "x-next-page": str(page + 1) if page < last else "",
            "x-total": str(len(found)),
            "x-total-pages": str(last),
        }
        return found[(page - 1) * size : page * size]


Answer = tuple[int, Any]
HANDLERS: dict[tuple[str, str], Callable[[Call], Answer]] = {}


def answers(method: str, template: str) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    def taken(handler: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        HANDLERS[method, template] = handler
        return handler

    return taken
