"""One request to the API, and the list of what answers which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.doubles.github.access import Access, RefusedError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from tests.doubles.github.state import Pull, Repo, Token
    from tests.doubles.github.webhooks import Webhooks

REPO = "/repos/{owner}/{repo}"
LONGEST_BODY = 65536
SIGNED_BY_APP = (f"{REPO}/installation", "/app/installations/{installation_id}/access_tokens")


@dataclass
class Call:
    """One request to the API, already known to be well-formed."""

    repos: dict[str, Repo]
    access: Access
    webhooks: Webhooks
    url: str
    path: str
    token: Token | None
    names: dict[str, str]
    query: dict[str, str]
    body: Any
    token_lasts: timedelta
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def repo(self) -> Repo:
        return self.repos[f"{self.names['owner']}/{self.names['repo']}".casefold()]

    @property
    def login(self) -> str:
        return self.token.login if self.token else "ghost"

    @property
    def pull(self) -> Pull:
        number = self.names.get("pull_number") or self.names["issue_number"]
        if pull := self.repo.pull(int(number)):
            return pull
        raise RefusedError(404, "Not Found")

    def page(self, found: list[Any]) -> list[Any]:
        """Return one page of a list, and say where the others are."""
        size = min(int(self.query.get("per_page", 30)), 100)
        page, last = int(self.query.get("page", 1)), max(1, -(-len(found) // size))
        links = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        real = {"next": page < last, "last": page < last, "prev": page > 1, "first": page > 1}
        told = [
            f'<{self.url}{self.path}?{urlencode(self.query | {"page": n})}>; rel="{rel}"'
            for rel, n in links.items()
            if real[rel]
        ]
        if told:
            self.headers["Link"] = ", ".join(told)
        return found[(page - 1) * size : page * size]


Answer = tuple[int, Any]
HANDLERS: dict[tuple[str, str], Callable[[Call], Answer]] = {}


def answers(method: str, template: str) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    def taken(handler: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        HANDLERS[method, template] = handler
        return handler

    return taken


def check_length(asked: dict[str, Any]) -> None:
    if len(asked.get("body") or "") > LONGEST_BODY:
        raise invalid("Issue", "body", "custom", "body is too long (maximum is 65536 characters)")
