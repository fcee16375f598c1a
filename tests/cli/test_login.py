"""Getting in to the page from the command line: links, and hashes of passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.core import passwords
from app.core.base import now
from app.core.settings import load
from app.store import events
from app.store import sessions as table
from app.store.database import Store
from app.web import links
from app.web.auth import Role

if TYPE_CHECKING:
    from tests.cli.conftest import Command

LINK = re.compile(r"http://127\.0\.0\.1:8300/login/link/([A-Za-z0-9_-]{43})")


async def test_login_prints_a_link_that_lets_in_once(command: Command) -> None:
    ended = await command.run("login", "--role", "operator", "--name", "alice")
    assert (ended.code, ended.err) == (0, "")
    match = LINK.fullmatch(ended.out.strip())
    assert match is not None
    settings = load(command.config, env={})
    async with Store.opened(settings.database_url_effective) as store:
        for found in (await links.whose(store, match[1]), await links.use(store, match[1])):
            assert found is not None
            assert (found.caller.name, found.caller.role) == ("link:alice", Role.OPERATOR)
        assert await links.whose(store, match[1]) is None
        assert await links.use(store, match[1]) is None
        async with store.read() as tx:
            happened, _ = await events.page(tx)
    assert happened[0].kind == "operator.login_link"
    assert happened[0].actor.startswith("cli:")
    assert match[1] not in repr(happened)
    assert match[1].encode() not in settings.paths.database.read_bytes()


async def test_login_is_for_the_administrator_unless_said_otherwise(command: Command) -> None:
    ended = await command.run("login")
    match = LINK.fullmatch(ended.out.strip())
    assert match is not None
    async with Store.opened(load(command.config, env={}).database_url_effective) as store:
        found = await links.use(store, match[1])
    assert found is not None
    assert found.caller.role is Role.ADMINISTRATOR


async def test_a_link_is_over_after_an_hour(command: Command) -> None:
    ended = await command.run("login")
    token = ended.out.strip().rpartition("/")[2]
    async with Store.opened(load(command.config, env={}).database_url_effective) as store:
        async with store.read() as tx:
            later = now() + links.LASTS
            assert await table.look_at_pass(tx, links._key(token), at=later) is None
        assert await links.whose(store, token) is not None


async def test_wrong_names_and_roles(command: Command) -> None:
    for arguments in (("--role", "king"), ("--name", "a\nb"), ("--name", "x" * 101)):
        ended = await command.run("login", *arguments)
        assert (ended.code, ended.out) == (2, ""), arguments


async def test_password_makes_a_hash_that_the_configuration_takes(command: Command) -> None:
    ended = await command.run("password", stdin=b"correct horse battery\n", config=False)
    assert (ended.code, ended.err) == (0, "")
    assert passwords.parse(ended.out).fits("correct horse battery")
    assert "correct" not in ended.out
    again = await command.run("password", stdin=b"correct horse battery\n", config=False)
    assert again.out != ended.out


async def test_a_short_password_is_none(command: Command) -> None:
    ended = await command.run("password", stdin=b"123456789\n", config=False)
    assert (ended.code, ended.out) == (2, "")
    assert "at least 10 characters" in ended.err
