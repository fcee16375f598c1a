"""Each way in: a token, a name with its password, a link that works once; and out again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import expect

from app.core import passwords, process
from tests.browser.conftest import REPORTS_VIOLATIONS, WIDE, Watched
from tests.browser.site import OURS, TOKENS, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from tests.browser.site import Site

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def house(told: tuple[Path, dict[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a user who has a password."""
    user = f'[web.users.ann]\npassword_hash = "{passwords.hashed(PASSWORD)}"\nrole = "operator"\n'
    with served(tmp_path_factory.mktemp("house"), store=told[0], more=user) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, house: Site) -> AsyncIterator[Page]:
    """A browser that nobody has logged in with yet."""
    watched = Watched(house.address, allowed=["status of 401", "status of 410"])
    context = await browser.new_context(viewport=WIDE, base_url=house.address)
    await context.add_init_script(REPORTS_VIOLATIONS)
    watched.over(context)
    yield await context.new_page()
    await context.close()
    assert watched.left == []


async def test_nothing_is_shown_before(page: Page, house: Site) -> None:
    for path in ("/", "/projects", "/projects/shop", "/history", "/proposals/1", "/sessions"):
        answer = await page.goto(path)
        assert answer is not None
        assert answer.url.startswith(f"{house.address}/login?next=")
        assert "greeter" not in await page.content()


async def test_a_token_leads_back_to_where_one_wanted_to_go(page: Page) -> None:
    await page.goto("/history")
    await page.get_by_label("token").fill(TOKENS["viewer"])
    await page.get_by_label("token").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("History")
    await page.get_by_role("button", name="Log out").click()
    await page.goto("/history")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


async def test_a_password(page: Page) -> None:
    await page.goto("/login")
    await page.get_by_label("Name").fill("ann")
    await page.get_by_label("Password").fill("wrong horse battery staple")
    await page.get_by_label("Password").press("Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_label("Name").fill("ann")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Password").press("Enter")
    await expect(page.get_by_role("heading", name="Ready for review")).to_be_visible()
    await expect(page.get_by_role("banner")).to_contain_text("ann")


async def test_a_link_works_once(page: Page, house: Site) -> None:
    argv = [sys.executable, "-m", "app.cli", "--config", str(house.configuration), "login", "--name", "mika"]
    printed = await process.run(argv, env=process.environment(), cwd=house.configuration.parent)
    assert printed.returncode == 0, printed.stderr
    path = printed.stdout.decode().strip().removeprefix(OURS)
    await page.goto(path)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Ready for review")).to_be_visible()
    await expect(page.get_by_role("banner")).to_contain_text("mika")
    await page.context.clear_cookies()
    again = await page.goto(path)
    assert again is not None
    assert again.status == 410
    await expect(page.locator("input[name=link]")).to_have_count(0)
    await page.goto("/")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
