"""Strings that try to run: in every field of every page, in Markdown, in addresses; nothing does.

What is of ours on a page is known from the week's pages, which are harmless: no element and no attribute may
be on the hostile ones that is not there.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from app.core.redact import Redactor, printable
from app.store.database import Store
from app.web.markdown import TAGS
from tests.browser import hostile
from tests.browser.conftest import PATIENCE_MS, REPORTS_VIOLATIONS, WIDE, Watched, log_in
from tests.browser.site import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Browser, Page

    from tests.browser.site import Site

SEEN = """() => {
  const found = new Set();
  for (const element of document.querySelectorAll('*')) {
    found.add(element.localName);
    for (const {name, value} of element.attributes) {
      found.add(`${element.localName} ${name}`);
      if (['href', 'src', 'action', 'formaction', 'data'].includes(name)
          && !/^(https?:[/][/]|[/?#])/.test(value)) found.add(`${element.localName} ${name}=${value}`);
      if (name === 'src' && !value.startsWith('/static/')) found.add(`src ${value}`);
    }
  }
  return [...found];
}"""
"""All elements, and their attributes; addresses that are not plain with their value."""
WEEK = ("/", "/?q=nothing", "/projects", "/history", "/login", "/missing")
OPEN_ALL = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
CORE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "javascript:alert(1)",
    "//evil.example/%2f..",
    "{{7*7}}",
    "\u202eevil\u0000\u001b[31m",
    "a" * 10_000,
)
PARAMETERS = (
    "/?q={}",
    "/?project={}",
    "/?kind={}",
    "/?state={}",
    "/?cursor={}",
    "/history?project={}",
    "/history?kind={}",
    "/history?actor={}",
    "/history?since={}",
    "/history?cursor={}",
    "/projects/{}",
    "/proposals/{}",
    "/history/{}",
    "/login?next={}",
    "/theme?to={}",
    "/nowhere/{}",
)


@dataclass(frozen=True)
class Bad:
    """The site whose store is hostile, and the proposal that holds the lists."""

    site: Site
    whole: int


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bad]:
    place = tmp_path_factory.mktemp("hostile")

    async def fill() -> int:
        async with Store.opened(f"sqlite+aiosqlite:///{place}/bad.sqlite3") as store:
            return await hostile.fill(store)

    whole = asyncio.run(fill())
    with served(place, store=place / "bad.sqlite3", more=_configured()) as site:
        yield Bad(site, whole)


def _configured() -> str:
    odd = "home/' onmouseover=alert(1) x='{{7*7}}"
    return (
        f'[projects.odd]\nforge = "here"\nrepo = "/srv/{odd}.git"\nunits = ["odd.service"]\n'
        f"checks = ['''<script>alert(1)</script>''', '''\"><svg onload=alert(1)>''']\n"
        f"reviewers = ['''<b>ann</b>''']\nlabels = ['''<i>label</i>''']\n"
    )


@pytest_asyncio.fixture(name="page", loop_scope="session")
async def hostile_page(browser: Browser, bad: Bad) -> AsyncIterator[Page]:
    """A page of the hostile site, on which nothing may run."""
    watched = Watched(bad.site.address, allowed=["the server responded with a status of 4"])
    context = await browser.new_context(viewport=WIDE, base_url=bad.site.address)
    await log_in(context, bad.site.address, "operator")
    context.set_default_timeout(4 * PATIENCE_MS)
    await context.add_init_script(REPORTS_VIOLATIONS)
    watched.over(context)
    yield await context.new_page()
    await context.close()
    assert watched.left == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ours(browser: Browser, site: Site, ids: dict[str, int]) -> set[str]:
    """All elements and attributes of the week's pages."""
    context = await browser.new_context(base_url=site.address)
    found = {"details open", "option selected"}  # the tests open all, and choose
    numbers = [f"/proposals/{number}" for number in ids.values()]
    names = [f"/projects/{name}" for name in ("greeter", "shop", "attic-archive")]
    page = await context.new_page()
    for role, paths in (("", ("/login", "/")), ("operator", (*WEEK, *names, *numbers))):
        if role:
            await log_in(context, site.address, role)
        for path in paths:
            await page.goto(path)
            found |= set(await page.evaluate(SEEN))
    await context.close()
    return found


async def _looked_at(page: Page, path: str, ours: set[str]) -> str:
    """Open a page and everything that is folded on it, and return its text."""
    await page.goto(path)
    await page.evaluate(OPEN_ALL)
    # codex.md is Markdown, and lists and the like in it are
    rendered = {*TAGS, "ol start"} if path.startswith("/projects/") else set()
    extra = set(await page.evaluate(SEEN)) - ours - rendered
    assert not extra, f"{path} has what data made: {sorted(extra)}"
    text: str = await page.evaluate("document.documentElement.textContent")
    return re.sub(r"\s+", " ", text)


async def test_nothing_of_a_list_runs_on_any_page(page: Page, bad: Bad, ours: set[str]) -> None:
    paths = ["/", "/history", "/projects", "/projects/greeter", "/projects/shop", "/projects/odd"]
    paths += [f"/proposals/{number}" for number in range(1, 17)]
    paths += [f"/?state={need}" for need in ("ready", "ci_failing", "edited", "waiting", "not_proposed")]
    for path in paths:
        await _looked_at(page, path, ours)
        await _on(page, ours)


async def _on(page: Page, ours: set[str]) -> None:
    """Follow the links to older rows to their end."""
    for _ in range(20):
        older = page.get_by_role("link", name="Older", exact=True)
        if not await older.count():
            return
        await _looked_at(page, await older.first.get_attribute("href") or "", ours)


@pytest.mark.parametrize("strings", [hostile.XSS, hostile.NAUGHTY], ids=["xss", "naughty"])
async def test_whole_lists_stand_there_as_text(
    page: Page, bad: Bad, ours: set[str], strings: list[str]
) -> None:
    text = await _looked_at(page, f"/proposals/{bad.whole}", ours)
    redactor = Redactor(())
    shown = [" ".join(redactor.text(printable(each)).split()) for each in strings]
    lost = [each for each in shown if each not in text]
    # a log's and a diff's end is left out, never a line of what is shown; some look like secrets together
    assert len(lost) < len(shown) / 10, lost[:20]


@pytest.mark.parametrize("template", PARAMETERS)
async def test_addresses_carry_nothing_that_runs(page: Page, ours: set[str], template: str) -> None:
    strings = (*CORE, *hostile.NAUGHTY[::23]) if "q=" in template else CORE
    for each in strings:
        answer = await page.goto(template.format(quote(each.replace("\0", "%00"), safe="")))
        assert answer is not None
        assert answer.status < 500, (each, await answer.text())
        extra = set(await page.evaluate(SEEN)) - ours
        assert not extra, (each, extra)
        assert page.url.startswith(("http://127.0.0.1:", "chrome-error:")), page.url


async def test_login_leads_to_no_other_site(page: Page, bad: Bad) -> None:
    from tests.browser.site import TOKENS

    await page.context.clear_cookies()
    for target in ("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"):
        await page.goto(f"/login?next={quote(target, safe='')}")
        await page.get_by_label("token").fill(TOKENS["viewer"])
        await page.get_by_role("button", name="Log in").click()
        assert page.url == f"{bad.site.address}/"
        await page.context.clear_cookies()


async def test_the_search_box_takes_anything(page: Page, ours: set[str]) -> None:
    for each in (*CORE[:6], *hostile.XSS[::500]):
        await page.goto("/")
        box = page.get_by_role("searchbox")
        await box.fill(each)
        await box.press("Enter")
        await page.wait_for_url("**q=**")
        kept = await page.get_by_role("searchbox").input_value()
        assert "".join(kept.split()) == "".join(printable(each).split())
        extra: Any = set(await page.evaluate(SEEN)) - ours
        assert not extra, (each, extra)
