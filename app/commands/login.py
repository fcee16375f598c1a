"""`login` and `password`: how people get in to the page."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.base import DONE, Config, actor, load, perform, quiet_logs
from app.core.errors import BadRequestError

if TYPE_CHECKING:
    from app.core.settings import Settings


class Role(StrEnum):
    """The roles that people can have."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


def login(
    config: Config = None,
    role: Annotated[Role, typer.Option(help="What the one who uses it may do.")] = Role.ADMINISTRATOR,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Who will use it.", show_default="your own user name")
    ] = "",
) -> None:
    """Print a link that logs somebody in to the page once.

    It can be used within an hour, and is a secret until then. Whoever may run this on the machine may do
    everything anyway, so it asks for no password.
    """
    settings = load(config)
    quiet_logs(settings)
    chosen = name or actor().partition(":")[2]
    if not chosen.isprintable() or len(chosen) > 100:
        raise BadRequestError("--name: one line of at most 100 characters is expected")
    perform(_login(settings, role, chosen))


def password() -> None:
    """Turn a password into what stands in the configuration.

    Asks for it on a terminal, without showing it, or reads one line from standard input. Prints the value
    for `password_hash` in [web.users.NAME].
    """
    from app.commands.screen import say, warn
    from app.core import passwords

    given = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not passwords.LEAST_CHARACTERS <= len(given) <= passwords.MOST_CHARACTERS:
        raise BadRequestError(f"a password of at least {passwords.LEAST_CHARACTERS} characters is expected")
    say(passwords.hashed(given))
    if sys.stdout.isatty():
        warn("put this into the configuration: password_hash of [web.users.NAME]")
    raise typer.Exit(DONE)


def _asked() -> str:
    from getpass import getpass

    given = getpass("Password: ")
    if getpass("Again: ") != given:
        raise BadRequestError("the two are not the same")
    return given


async def _login(settings: "Settings", role: Role, name: str) -> int:
    from app.commands.screen import say, warn
    from app.store.database import Store
    from app.web import auth, links

    async with Store.opened(settings.database_url_effective) as store:
        link = await links.make(store, settings, name=name, role=auth.Role[role.name], by=actor())
    say(link)
    if sys.stdout.isatty():
        warn(f"valid once, within an hour; logs {name} in as {role}")
    return DONE
