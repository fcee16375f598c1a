"""The first start: where nobody could log in yet, the administrator is given a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core import logs
from app.web import links
from app.web.auth import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.web.context import Web

NAME = "administrator"


async def welcome(web: Web, tell: Callable[[str], None]) -> None:
    """Tell how an administrator gets in, unless the configuration does or one has been in already.

    The link is a secret, so it goes to the one who starts us alone, and not to the log as well.
    """
    from app.store import events

    if not web.settings.web.login or web.ways.administrator():
        return
    async with web.store.read() as tx:
        known = await events.has(tx, "operator.login", role=Role.ADMINISTRATOR.name.lower())
    if known:
        return
    link = await links.make(web.store, web.settings, name=NAME, role=Role.ADMINISTRATOR, by="pimainteno")
    logs.get().info("no administrator has logged in yet: a link for that is on standard output")
    tell(f"Log in as administrator, once, within an hour: {link}")
    tell("Later links: pimainteno login")
