"""Links that let somebody in once: made here by the command or the first start, used up at the page."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from app.core.base import now
from app.web.auth import Caller, Role
from app.web.ways import Login, Way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.settings import Settings
    from app.store.database import Store

LASTS = timedelta(hours=1)


async def make(store: Store, settings: Settings, *, name: str, role: Role, by: str) -> str:
    """Return the address of a fresh link; the store has a hash of it alone."""
    from app.store import events, sessions

    token, at = secrets.token_urlsafe(32), now()
    async with store.write() as tx:
        data = {"name": name, "role": role.name.lower()}
        await sessions.add_pass(tx, _key(token), data, at=at, until=at + LASTS)
        text = f"{by} made a login link for {name} as {role.name.lower()}"
        await events.append(tx, "operator.login_link", text, actor=by, data=data)
    return f"{settings.public_url}/login/link/{token}"


async def whose(store: Store, token: str) -> Login | None:
    """Return whom a link lets in, without using it up; None where it is unknown, used or over."""
    from app.store import sessions

    async with store.read() as tx:
        return _login(await sessions.look_at_pass(tx, _key(token), at=now()))


async def use(store: Store, token: str) -> Login | None:
    """Use a link up and return whom it lets in."""
    from app.store import sessions

    async with store.write() as tx:
        return _login(await sessions.take_pass(tx, _key(token), at=now()))


def _login(data: Mapping[str, str] | None) -> Login | None:
    return Login(Caller(f"link:{data['name']}", Role[data["role"].upper()]), Way.LINK) if data else None


def _key(token: str) -> str:
    return hashlib.sha256(b"link " + token.encode("utf-8", "backslashreplace")).hexdigest()
