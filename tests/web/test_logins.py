"""The page of logins, and ending them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.store import events
from app.store import sessions as table
from tests.web.conftest import TOKENS, Site
from tests.web.html_of import HERE, check_page, csrf_of

if TYPE_CHECKING:
    import httpx


async def numbers(site: Site, name: str) -> list[int]:
    async with site.store.read() as tx:
        return [row.id for row in await table.listed(tx, name=name)]


async def end(client: httpx.AsyncClient, number: int) -> httpx.Response:
    csrf = csrf_of((await client.get("/sessions")).text)
    return await client.post(f"/sessions/{number}/end", data={"csrf": csrf}, headers=HERE)


async def test_everyone_sees_their_own_and_an_administrator_all(site: Site) -> None:
    async with (
        site.login("viewer", user_agent="Phone/1") as viewer,
        site.login("operator", user_agent="<b>Laptop</b>"),
        site.login("administrator") as administrator,
    ):
        own = check_page(await viewer.get("/sessions"))
        assert "Phone/1" in own
        assert "Laptop" not in own
        whole = check_page(await administrator.get("/sessions"))
        for said in ("Phone/1", "&lt;b&gt;Laptop&lt;/b&gt;", "token:operator", "This one"):
            assert said in whole


async def test_an_administrator_ends_anybodys_login_and_is_told(site: Site) -> None:
    async with site.login("operator") as operator, site.login("administrator") as administrator:
        (number,) = await numbers(site, "token:operator")
        assert (await end(administrator, number)).headers["location"] == "/sessions"
        assert "The login of token:operator has ended." in (await administrator.get("/sessions")).text
        assert "has ended" not in (await administrator.get("/sessions")).text  # said once
        assert (await operator.get("/")).headers["location"] == "/login?next=/"
        assert (await end(administrator, number)).status_code == 404
    async with site.store.read() as tx:
        (last, *_), _ = await events.page(tx)
    assert (last.kind, last.actor) == ("operator.session_ended", "token:administrator")


async def test_nobody_else_ends_the_login_of_another(site: Site) -> None:
    async with site.login("viewer") as viewer, site.login("operator") as operator:
        (number,) = await numbers(site, "token:viewer")
        assert (await end(operator, number)).status_code == 403
        assert (await viewer.get("/")).status_code == 200


async def test_one_ends_all_others_of_ones_own(site: Site) -> None:
    async with site.login("viewer") as phone, site.login("viewer") as laptop, site.login("operator") as other:
        csrf = csrf_of((await laptop.get("/sessions")).text)
        forged = await laptop.post("/sessions/end", data={}, headers=HERE)
        assert forged.status_code == 403
        assert (await laptop.post("/sessions/end", data={"csrf": csrf}, headers=HERE)).status_code == 303
        assert (await phone.get("/")).status_code == 303
        assert (await laptop.get("/")).status_code == (await other.get("/")).status_code == 200


async def test_a_message_goes_with_its_session_and_cannot_be_forged(site: Site) -> None:
    async with site.login("viewer") as viewer, site.login("administrator") as administrator:
        (number,) = await numbers(site, "token:viewer")
        await end(administrator, number)
        sealed = administrator.cookies["pimainteno-0-message"]
        forged = sealed.partition(".")[0] + ".Rm9yZ2Vk"
        for value in (forged, sealed[1:], "", ".", "x.y"):
            administrator.cookies.set("pimainteno-0-message", value, domain="127.0.0.1")
            text = (await administrator.get("/sessions")).text
            assert "Forged" not in text
            assert "has ended" not in text
        assert (await viewer.get("/")).status_code == 303


@pytest.mark.parametrize("role", TOKENS)
async def test_a_token_sees_logins_and_no_buttons(site: Site, role: str) -> None:
    async with site.login(role), site.client(html=True, token=TOKENS[role]) as client:
        text = check_page(await client.get("/sessions"))
    assert f"token:{role}" in text
    assert "/end" not in text
