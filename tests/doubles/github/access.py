"""Who asks, and what they may."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt

from tests.doubles.github.state import Token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.doubles.github.state import Repo

DOCS = "https://docs.github.com/rest"


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body: dict[str, Any] = {"message": message, "documentation_url": DOCS, "status": str(status)}
        if errors is not None:
            self.body["errors"] = errors


def invalid(resource: str, field_name: str, code: str, message: str = "") -> RefusedError:
    """Return a 422 as GitHub words it."""
    error = {"resource": resource, "field": field_name, "code": code}
    return RefusedError(422, "Validation Failed", [error | ({"message": message} if message else {})])


@dataclass
class Access:
    """The tokens and the App that a GitHub knows."""

    tokens: dict[str, Token] = field(default_factory=dict)
    app_id: str = ""
    app_key: str = ""

    def of_api(self, headers: Mapping[str, str]) -> Token | None:
        """Return whose token a request has, None without one; raises RefusedError."""
        kind, _, secret = headers.get("authorization", "").partition(" ")
        if not kind:
            return None
        return self._known(secret if kind.lower() in ("bearer", "token") else "")

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

    def check_app(self, headers: Mapping[str, str]) -> None:
        """Raise RefusedError where a request is not signed by the App."""
        secret = headers.get("authorization", "").partition(" ")[2]
        if not self.app_key or secret.count(".") != 2:
            raise RefusedError(401, "A JSON web token could not be decoded")
        try:
            claims = jwt.decode(
                secret, self.app_key, algorithms=["RS256"], options={"require": ["iat", "exp", "iss"]}
            )
        except jwt.ExpiredSignatureError as error:
            said = "'Expiration time' claim ('exp') must be a numeric value representing the future time"
            raise RefusedError(401, said) from error
        except jwt.PyJWTError as error:
            raise RefusedError(401, "A JSON web token could not be decoded") from error
        if claims["exp"] > time.time() + 600:
            raise RefusedError(401, "'Expiration time' claim ('exp') is too far in the future")
        if str(claims["iss"]) != self.app_id:
            raise RefusedError(401, "'Issuer' claim ('iss') must be an Integer")

    def of_person(self, login: str, scopes: tuple[str, ...]) -> str:
        """Return a token by which an application acts for somebody; it sees what both may see."""
        secret = f"gho_{secrets.token_hex(18)}"
        self.tokens[secret] = Token(login, write=False, hooks=False, scopes=scopes)
        return secret

    def _known(self, secret: str) -> Token:
        token = self.tokens.get(secret)
        if token is None or not token.good:
            raise RefusedError(401, "Bad credentials")
        return token


def check(repo: Repo | None, token: Token | None, *, writes: bool) -> Repo:
    """Return the repository; raise RefusedError where a token may not read, or write to it."""
    if repo is None:
        raise RefusedError(404, "Not Found")
    if repo.private and (token is None or not token.sees(repo)):
        raise RefusedError(404, "Not Found")
    if token is not None and repo.sso:
        said = (
            "Resource protected by organization SAML enforcement. "
            "You must grant your Personal Access token access to this organization."
        )
        raise RefusedError(403, said, headers={"X-GitHub-SSO": f"required; url={repo.sso}"})
    if not writes:
        return repo
    if token is None:
        raise RefusedError(401, "Requires authentication")
    if not token.write or not token.sees(repo):
        kind = "integration" if token.of_app else "personal access token"
        needs = {"X-Accepted-GitHub-Permissions": "pull_requests=write"}
        raise RefusedError(403, f"Resource not accessible by {kind}", headers=needs)
    if repo.archived:
        raise RefusedError(403, "Repository was archived so is read-only.")
    return repo
