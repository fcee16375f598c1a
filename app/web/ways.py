"""The ways in: what the configuration says of who may log in, and which of its entries let somebody in."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.core import passwords
from app.web.auth import Caller, Role, Tokens, role_in
from app.web.proxy import Proxy

if TYPE_CHECKING:
    from app.core.settings import Settings, WebOAuth

NOBODY = f"scrypt:{passwords.COST}:{passwords.BLOCK}:{passwords.PARALLEL}:{'A' * 22}==:{'A' * 43}="
"""What the password of somebody unknown is compared with, so that it takes as long."""


class Way(StrEnum):
    """How somebody came in."""

    TOKEN = "token"  # noqa: S105 - only their names
    PASSWORD = "password"  # noqa: S105
    LINK = "link"
    FORGE = "forge"
    PROXY = "proxy"
    DEMO = "demo"


@dataclass(frozen=True)
class Login:
    """Somebody who has shown who they are."""

    caller: Caller
    way: Way


class Ways:
    """All ways in of one configuration."""

    def __init__(self, settings: Settings, *, demo: bool = False) -> None:
        self._web = settings.web
        self._demo = demo
        self._hashing = asyncio.Lock()
        self.tokens = Tokens(settings.web.tokens)
        self.proxy = Proxy(settings.web.proxy)

    @property
    def users(self) -> bool:
        """Whether anybody has a password."""
        return any(user.password_hash.get_secret_value() for user in self._web.users.values())

    @property
    def oauth(self) -> dict[str, WebOAuth]:
        """The forges that people can log in with."""
        return self._web.oauth

    def any(self) -> bool:
        """Tell whether the configuration lets in anybody at all."""
        return bool(self.tokens or self.users or self.oauth or self.proxy)

    def administrator(self) -> bool:
        """Tell whether the configuration lets in an administrator."""
        roles = {token.role for token in self._web.tokens.values() if token.token.get_secret_value()}
        roles |= {user.role for user in self._web.users.values() if user.password_hash.get_secret_value()}
        for entry in self.oauth.values():
            roles |= set(entry.roles.values()) or {"administrator"}
        return "administrator" in roles or self.proxy.administrator()

    async def password(self, name: str, password: str) -> Login | None:
        """Return who has this name and password; one is looked at after the other, for what that takes."""
        user = self._web.users.get(name)
        kept = user.password_hash.get_secret_value() if user is not None else ""
        async with self._hashing:
            fits = await asyncio.to_thread(passwords.parse(kept or NOBODY).fits, password)
        if user is None or not kept or not fits:
            return None
        return Login(Caller(f"user:{name}", Role[user.role.upper()]), Way.PASSWORD)

    def token(self, token: str) -> Login | None:
        """Return whose token this is."""
        caller = self.tokens.caller(token)
        return Login(caller, Way.TOKEN) if caller is not None else None

    def mark(self, way: str, name: str, role: str, *, key: str) -> str | None:
        """Return the mark of the entry that lets somebody in this way; None where there is none any more.

        It changes when the entry does. `key` keeps what it was made from from being guessed.
        """
        entry = self._entry(way, name)
        if entry is None:
            return None
        return hmac.new(key.encode(), f"{way}\n{name}\n{role}\n{entry}".encode(), hashlib.sha256).hexdigest()

    def _entry(self, way: str, name: str) -> str | None:
        """Return what the configuration says of somebody, in any form that changes with it."""
        plain = name.partition(":")[2]
        if way == Way.TOKEN:
            token = self._web.tokens.get(plain)
            return f"{token.token.get_secret_value()}\n{token.role}" if token is not None else None
        if way == Way.PASSWORD:
            user = self._web.users.get(plain)
            return f"{user.password_hash.get_secret_value()}\n{user.role}" if user is not None else None
        if way == Way.FORGE:
            return self._forge_entry(name)
        allowed = {Way.LINK: True, Way.PROXY: bool(self.proxy), Way.DEMO: self._demo}
        return "" if allowed.get(Way(way)) else None

    def _forge_entry(self, name: str) -> str | None:
        login, _, provider = name.rpartition("@")
        entry = self.oauth.get(provider)
        if entry is None:
            return None
        role = role_in(entry.roles, login) if entry.roles else "by permission"
        return f"{entry.forge}\n{entry.client_id}\n{role}" if role else None
