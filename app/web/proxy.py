"""A proxy in front of us that says who calls: believed from its own addresses alone."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from app.web.auth import Caller, Role, role_in

if TYPE_CHECKING:
    from app.core.settings import WebProxy
    from app.web.auth import Asking

MOST_NAME = 200


class Proxy:
    """What `[web.proxy]` says; false where no address is given."""

    def __init__(self, settings: WebProxy) -> None:
        self._settings = settings
        self._networks = tuple(ipaddress.ip_network(each) for each in settings.addresses)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def administrator(self) -> bool:
        """Tell whether it can let in an administrator."""
        given = self._settings
        roles = {given.role, *given.roles.values()}
        return bool(self) and (bool(given.role_header) or "administrator" in roles)

    def caller(self, asked: Asking) -> Caller | None:
        """Return who calls by the word of the proxy, perhaps without a role; None where it said nothing."""
        if not self._trusts(asked.peer):
            return None
        name = (asked.only(self._settings.user_header) or "").strip()
        if not name or not name.isprintable() or len(name) > MOST_NAME:
            return None
        return Caller(f"proxy:{name}", self._role(asked, name))

    def peer(self, asked: Asking) -> str:
        """Return who is counted for failed logins: whom the last proxy of ours saw, else the connection."""
        if not self._trusts(asked.peer):
            return asked.peer or "unknown"
        passed = [each.strip() for each in ",".join(asked.headers.get("x-forwarded-for", ())).split(",")]
        return next((each for each in reversed(passed) if each and not self._trusts(each)), asked.peer or "")

    def _role(self, asked: Asking, name: str) -> Role | None:
        role = role_in(self._settings.roles, name)
        if role is None and self._settings.role_header:
            role = (asked.only(self._settings.role_header) or "").strip().lower()
        role = role or self._settings.role
        return Role[role.upper()] if role.upper() in Role.__members__ else None

    def _trusts(self, peer: str | None) -> bool:
        try:
            address = ipaddress.ip_address((peer or "").partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)
