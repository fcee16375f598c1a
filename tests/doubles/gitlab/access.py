"""Who asks, and what they may."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.doubles.gitlab.state import DEVELOPER, MAINTAINER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.doubles.gitlab.state import Project, Token

NO_SCOPE: dict[str, Any] = {
    "error": "insufficient_scope",
    "error_description": "The request requires higher privileges than provided by the access token.",
    "scope": "api",
}


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(
        self, status: int, message: object, headers: dict[str, str] | None = None, **body: Any
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body = body or {"message": message}


@dataclass
class Access:
    """The tokens that a GitLab knows."""

    tokens: dict[str, Token] = field(default_factory=dict)

    def of_api(self, headers: Mapping[str, str]) -> Token | None:
        """Return whose token a request has, None without one; raises RefusedError."""
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        secret = headers.get("private-token", bearer)
        return self._known(secret) if secret else None

    def of_git(self, headers: Mapping[str, str]) -> Token | None:
        """Return whose token is the password; raises RefusedError."""
        kind, _, secret = headers.get("authorization", "").partition(" ")
        if not kind:
            return None
        try:
            text = base64.b64decode(secret, validate=True).decode() if kind.lower() == "basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            text = ""
        return self._known(text.partition(":")[2])

    def _known(self, secret: str) -> Token:
        token = self.tokens.get(secret)
        if token is None:
            raise RefusedError(401, "401 Unauthorized")
        if token.trouble:
            raise RefusedError(401, token.trouble, error="invalid_token", error_description=token.trouble)
        return token


def check_scope(token: Token | None, *, writes: bool) -> None:
    """Raise RefusedError where a token may not use the interface."""
    if token is None:
        return
    if "api" not in token.scopes and (writes or "read_api" not in token.scopes):
        raise RefusedError(403, "insufficient_scope", **NO_SCOPE)


def check(project: Project | None, token: Token | None, *, writes: bool, rules: bool = False) -> Project:
    """Return the project; raise RefusedError where one may not see, write to or rule it."""
    user = token.user if token else None
    if project is None or not project.sees(user):
        raise RefusedError(404, "404 Project Not Found")
    if not writes and not rules:
        return project
    if user is None:
        raise RefusedError(401, "401 Unauthorized")
    if project.level(user) < (MAINTAINER if rules else DEVELOPER):
        raise RefusedError(403, "403 Forbidden")
    if writes and project.archived:
        raise RefusedError(403, "403 Forbidden")
    return project


def check_git(project: Project | None, token: Token | None, *, writes: bool) -> Project:
    """Return the project; raise RefusedError where git may not read, or push to it."""
    user = token.user if token else None
    if project is None or not project.sees(user):
        raise RefusedError(404, "The project you were looking for could not be found.")
    needs = {"api", "write_repository"} if writes else {"api", "read_repository", "write_repository"}
    if token is not None and not needs & set(token.scopes):
        raise RefusedError(403, "Your token has not the scope for this.")
    if writes and token is None:
        raise RefusedError(401, "HTTP Basic: Access denied.")
    if writes and (project.archived or project.level(user) < DEVELOPER):
        raise RefusedError(403, "You are not allowed to push code to this project.")
    return project
