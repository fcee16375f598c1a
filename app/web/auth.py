"""Who may call: pure decisions on what a request says of itself. No request object, no clock, no I/O."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from app.core.errors import PimaintenoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import SecretStr

READING = frozenset({"GET", "HEAD"})
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[0-9a-z.-]+)(?::(?P<port>[0-9]{1,5}))?")


class UnauthorisedError(PimaintenoError):
    """The caller did not show who they are, or showed something wrong: 401."""


class ForbiddenError(PimaintenoError):
    """The caller is known but may not do this, or a page's form was not its own: 403."""


class Role(IntEnum):
    """What a caller may do; each role may do all that the ones below it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMINISTRATOR = 3


@dataclass(frozen=True)
class Access:
    """What a route asks of its caller; `role` None is open to anyone, from anywhere.

    Where the right is a signature over the body, the route itself reads that, and looks at it first.
    An open route that shows who is logged in asks for the `session` too.
    """

    role: Role | None
    signed: bool = False
    session: bool = False


@dataclass(frozen=True)
class Caller:
    """Who calls, as the history names them; `role` None is someone at an open route."""

    name: str
    role: Role | None


@dataclass(frozen=True)
class PageSession:
    """What a page session proves: its holder and the token that its forms carry."""

    caller: Caller
    csrf: str


@dataclass(frozen=True)
class Asking:
    """What a request says of itself. Header names are in lower case, each with all of its values."""

    method: str
    peer: str | None
    headers: Mapping[str, tuple[str, ...]] = field(repr=False)
    csrf: str = field(default="", repr=False)

    def only(self, name: str) -> str | None:
        """Return the one value of a header; None where it is missing or stands there twice."""
        values = self.headers.get(name, ())
        return values[0] if len(values) == 1 else None


class TokenSettings(Protocol):
    """What `[web.tokens.X]` holds."""

    @property
    def token(self) -> SecretStr:
        """The token; empty is switched off."""

    @property
    def role(self) -> str:
        """The name of a role."""


class Tokens:
    """The configured tokens, kept as hashes only."""

    def __init__(self, configured: Mapping[str, TokenSettings]) -> None:
        self._known = tuple(
            (_hash(entry.token.get_secret_value()), Caller(f"token:{name}", Role[str(entry.role).upper()]))
            for name, entry in configured.items()
            if entry.token.get_secret_value().strip()
        )

    def __bool__(self) -> bool:
        return bool(self._known)

    def caller(self, token: str) -> Caller | None:
        """Return whose token this is; every configured one is compared, each in constant time."""
        offered = _hash(token)
        found: Caller | None = None
        for known, caller in self._known:
            if hmac.compare_digest(known, offered) and found is None:
                found = caller
        return found


def decide(
    access: Access,
    asking: Asking,
    tokens: Tokens,
    session: PageSession | None,
    *,
    public_url: str,
    proxied: Caller | None = None,
    login: bool = True,
) -> Caller:
    """Return the caller of a request to a route with that access, or say why not.

    A token, where one is shown, decides alone: a wrong one is 401 even where none was needed. Then a page
    session, then the word of a trusted proxy (for reading: a form needs the session of its page). Without
    `login`, reading is also open to this machine.
    """
    if access.role is None:
        return Caller("anyone", None)
    reading = asking.method in READING
    if shows_token(asking, proxied):
        caller = _bearer(asking, tokens)
    elif session is not None:
        caller = session.caller
        if not reading:
            _of_our_page(asking, session, public_url)
    elif proxied is not None and reading:
        caller = proxied
    elif not login and reading and is_local(asking):
        caller = Caller("local", Role.VIEWER)
    else:
        raise UnauthorisedError(_how_to_call(reading=reading, login=login))
    if caller.role is None:
        raise ForbiddenError(f"{caller.name} has no role here: an administrator can give one")
    if caller.role < access.role:
        raise ForbiddenError(f"this needs the role {access.role.name.lower()}")
    return caller


def shows_token(asking: Asking, proxied: Caller | None) -> bool:
    """Tell whether a request shows a token; what else a trusted proxy lets stand there was for itself."""
    if "authorization" not in asking.headers:
        return False
    scheme = (asking.only("authorization") or "bearer").partition(" ")[0]
    return proxied is None or scheme.lower() == "bearer"


def is_local(asking: Asking) -> bool:
    """Tell whether a request comes from this machine, asks for it, and passed through no proxy."""
    host = asking.only("host")
    return (
        is_loopback_peer(asking.peer)
        and host is not None
        and is_loopback_host(host)
        and not is_forwarded(asking.headers)
    )


def is_loopback_peer(peer: str | None) -> bool:
    """Tell whether the other end of the connection is this machine."""
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def is_loopback_host(host: str) -> bool:
    """Tell whether a Host header names this machine; a name that resolves to it does not count."""
    match = _HOST.fullmatch(host.lower())
    if match is None:
        return False
    name = match["name"]
    if name in {"localhost", "[::1]"}:
        return True
    try:
        return ipaddress.IPv4Address(name) in ipaddress.IPv4Network("127.0.0.0/8")
    except ValueError:
        return False


def is_forwarded(names: Iterable[str]) -> bool:
    """Tell whether a proxy left its mark: then the peer is the proxy and not the caller."""
    return any(name in {"forwarded", "x-real-ip"} or name.startswith("x-forwarded") for name in names)


def is_our_origin(asking: Asking, public_url: str) -> bool:
    """Tell whether a request was made by a page of ours: that of `public_url`, or one read over loopback.

    Browsers send Origin with each POST; a request without one was not made by a form of ours.
    """
    if asking.only("sec-fetch-site") not in {None, "same-origin"}:
        return False
    origin, host = asking.only("origin"), asking.only("host")
    if origin is None or host is None:
        return False
    public = urlsplit(public_url)
    if origin == f"{public.scheme}://{public.netloc}":
        return True
    return is_loopback_host(host) and not is_forwarded(asking.headers) and origin == f"http://{host}"


def role_in(roles: Mapping[str, str], login: str) -> str | None:
    """Return somebody's role in a table; forges and directories do not tell capitals from small letters."""
    return next((role for name, role in roles.items() if name.casefold() == login.casefold()), None)


def safe_next(path: str) -> str:
    """Return where to go after login: a path of ours, never another site."""
    return path if re.fullmatch(r"/(?:[A-Za-z0-9_.~?=&%-][A-Za-z0-9_./~?=&%-]*)?", path) else "/"


def _bearer(asking: Asking, tokens: Tokens) -> Caller:
    scheme, _, token = (asking.only("authorization") or "").partition(" ")
    caller = tokens.caller(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
    if caller is None:
        raise UnauthorisedError("this token is not known here: give one of [web.tokens] as a bearer token")
    return caller


def _of_our_page(asking: Asking, session: PageSession, public_url: str) -> None:
    if not is_our_origin(asking, public_url):
        raise ForbiddenError("this form was not sent by a page of this program: open the page and try again")
    if not hmac.compare_digest(_hash(asking.csrf), _hash(session.csrf)):
        raise ForbiddenError("this form has expired: load the page again and repeat")


def _how_to_call(*, reading: bool, login: bool) -> str:
    if login:
        return "this needs a login, or a token of [web.tokens] as a bearer token"
    if not reading:
        return "this needs a token of [web.tokens] as a bearer token, or a login"
    return "without a token or a login this can only be read on this machine, at a loopback address"


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()
