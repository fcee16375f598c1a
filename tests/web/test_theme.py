"""The theme: by preference, or as a cookie says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.web.html_of import check_page

if TYPE_CHECKING:
    from tests.web.conftest import Site


async def test_the_switch_works_without_script(site: Site) -> None:
    async with site.reader(html=True) as client:
        assert "data-theme" not in check_page(await client.get("/login"))
        answer = await client.get("/theme?to=dark&next=/login?next=/history")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/history")
        assert "SameSite=lax" in answer.headers["set-cookie"]
        assert '<html lang="en" data-theme="dark">' in check_page(await client.get("/login"))
        await client.get("/theme?to=auto")
        assert "data-theme" not in check_page(await client.get("/login"))


@pytest.mark.parametrize("to", ["", "neon", '"><script>', "dark\r\nset-cookie: a=b"])
async def test_only_themes_are_kept(site: Site, to: str) -> None:
    async with site.reader(html=True) as client:
        answer = await client.get("/theme", params={"to": to, "next": "//evil.example"})
        assert answer.headers["location"] == "/"
        assert 'theme=""' in answer.headers["set-cookie"]
    async with site.client(html=True, cookie="theme=neon") as client:
        assert "data-theme" not in (await client.get("/login")).text
