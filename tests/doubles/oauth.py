"""Where people let an application act for them: OAuth 2 with PKCE, as RFC 6749 and RFC 7636 have it.

It is strict where a forge is lenient: whatever an application sends must be right.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable

    Reply = tuple[int, dict[str, str], bytes]

JSON_KIND = {"Content-Type": "application/json; charset=utf-8"}
HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass(frozen=True)
class Application:
    """An application that was registered."""

    secret: str
    callback: str
    scopes: frozenset[str] = frozenset()


@dataclass
class Code:
    """What somebody allowed, on its way to the application."""

    client_id: str
    redirect_uri: str
    challenge: str
    login: str
    scopes: tuple[str, ...]
    used: bool = False


@dataclass
class OAuth:
    """The applications, and who sits at the browser: `person` is logged in there, and allows things."""

    issue: Callable[[str, tuple[str, ...]], str]
    """Makes a token of somebody, with scopes."""
    errors: int = 400
    """The status of a refusal; GitHub says 200."""
    person: str = "octocat"
    denies: bool = False
    lasts_s: int | None = None
    applications: dict[str, Application] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)

    def register(self, callback: str, *scopes: str) -> tuple[str, str]:
        """Register an application; return its id and its secret."""
        client_id, secret = f"client-{secrets.token_hex(4)}", secrets.token_hex(20)
        self.applications[client_id] = Application(secret, callback, frozenset(scopes))
        return client_id, secret

    def authorize(self, query: dict[str, str]) -> Reply:
        """Answer the browser that was sent here: back with a code, or with what was refused."""
        app = self.applications.get(query.get("client_id", ""))
        if app is None or query.get("redirect_uri") != app.callback or not query.get("state"):
            return 404, HTML, b"<html>There is no such application</html>"
        back = {"state": query["state"]}
        scopes = tuple(query.get("scope", "").split())
        if self.denies:
            back |= {"error": "access_denied", "error_description": "The user has denied your application"}
        elif query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            back["error"] = "invalid_request"
        elif not app.scopes.issuperset(scopes):
            back["error"] = "invalid_scope"
        else:
            code = back["code"] = secrets.token_hex(10)
            self.codes[code] = Code(
                query["client_id"], app.callback, query.get("code_challenge", ""), self.person, scopes
            )
        return 302, {"Location": f"{app.callback}?{urlencode(back)}"}, b""

    def token(self, headers: dict[str, str], content: bytes) -> Reply:
        """Answer the application that shows a code."""
        form = dict(parse_qsl(content.decode(), keep_blank_values=True))
        app = self.applications.get(form.get("client_id", ""))
        if app is None or not secrets.compare_digest(form.get("client_secret", ""), app.secret):
            return self._refused("incorrect_client_credentials")
        code = self.codes.get(form.get("code", ""))
        if code is None or code.used or code.client_id != form["client_id"]:
            return self._refused("bad_verification_code" if self.errors == 200 else "invalid_grant")
        code.used = True
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        right = proof.rstrip(b"=").decode() == code.challenge
        if not right or form.get("redirect_uri") != code.redirect_uri:
            return self._refused("invalid_grant")
        if form.get("grant_type") != "authorization_code":
            return self._refused("unsupported_grant_type")
        answer = {"access_token": self.issue(code.login, code.scopes), "token_type": "bearer"}
        answer |= {"scope": " ".join(code.scopes)}
        answer |= {"expires_in": self.lasts_s} if self.lasts_s is not None else {}  # type: ignore[dict-item]
        if "application/json" not in headers.get("accept", ""):
            return 200, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(answer).encode()
        return 200, JSON_KIND, json.dumps(answer).encode()

    def _refused(self, error: str) -> Reply:
        said = {"error": error, "error_description": f"The request was refused: {error}"}
        return self.errors, JSON_KIND, json.dumps(said).encode()
