"""Debian's Chromium before the real web process; whatever a page does wrong fails the test that saw it.

The browser lives as long as the worker of the test run, and so does its event loop; each test gets a context
of its own. Tests read one shared site, and add what they change.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

from app.store.database import Store
from tests.browser.site import CHROMIUM, TOKENS, filled, served
from tests.browser.week.case import Case
from tests.browser.week.telling import tell
from tests.browser.week.texts import changed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Dialog,
        Page,
        Request,
        StorageState,
        ViewportSize,
    )

    from tests.browser.site import Site

HERE = Path(__file__).parent
WIDE: ViewportSize = {"width": 1280, "height": 900}
REPORTS_VIOLATIONS = """
document.addEventListener('securitypolicyviolation', (event) => console.error(
  `policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
window.pwned = (what) => console.error(`ran: ${what}`);
"""
"""Before all scripts of a page. Scripts of data would call `pwned`, `alert` and the like."""
PATIENCE_MS = 15_000
"""Of a busy machine."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(300))  # the first test of a worker starts everything
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@dataclass
class Watched:
    """What a browser's pages did that they must not do."""

    origin: str
    wrong: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    """Parts of messages that belong to what a test does."""

    def over(self, context: BrowserContext) -> None:
        """Listen to all pages of a context."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.wrong.append(f"page error: {error.error}"))
        context.on("dialog", self._dialog)
        context.on("request", self._request)
        context.on("response", lambda got: print(f"{time.monotonic():.2f} {got.status} {got.url}"))
        context.on("page", lambda page: page.on("download", lambda _: None))

    @property
    def left(self) -> list[str]:
        """Return what nobody allowed."""
        return [each for each in self.wrong if not any(part in each for part in self.allowed)]

    async def _dialog(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        print(f"{time.monotonic():.2f} {request.method} {request.url}")  # for whoever reads why a test failed
        if not request.url.startswith((f"{self.origin}/", "data:", "about:")):
            self.wrong.append(f"asked another origin: {request.url}")


async def log_in(context: BrowserContext, address: str, role: str) -> None:
    """Give a context the session of a role's token."""
    form: dict[str, str | float | bool] = {"token": TOKENS[role], "next": "/"}
    answer = await context.request.post(f"{address}/login", form=form, headers={"origin": address})
    assert answer.ok, await answer.text()


class Visit(Protocol):
    """Opens a page in a context of its own, logged in with a role unless that is ""."""

    async def __call__(self, path: str = "/", *, role: str = "operator", **options: Any) -> Page: ...


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The store of a week and its proposals by title, told once for all workers of the test run."""
    place = tmp_path_factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place
    path = place / "week.sqlite3"
    with (place / "week.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            week, ids = filled()
            (place / "week.json").write_text(json.dumps(ids), "utf-8")
            shutil.copy(week, path)
    return path, json.loads((place / "week.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def ids(told: tuple[Path, dict[str, int]]) -> dict[str, int]:
    """The week's proposals by title."""
    return told[1]


@pytest.fixture(scope="session")
def site(told: tuple[Path, dict[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site that all tests of this worker look at."""
    with served(tmp_path_factory.mktemp("site"), store=told[0]) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def store(site: Site) -> AsyncIterator[Store]:
    """The site's store as another process sees it: what is written here, a worker might have written."""
    async with Store.opened(site.settings.database_url_effective) as opened:
        yield opened


class Add(Protocol):
    """Adds a proposal to the site, as the worker would, and returns its number."""

    async def __call__(self, title: str, **columns: Any) -> int: ...


@pytest.fixture
def add(store: Store) -> Add:
    async def add_one(title: str, **columns: Any) -> int:
        given: dict[str, Any] = {
            "project": "greeter",
            "unit": "greeter.service",
            "first": 0.4,
            "log": "broken\n",
        }
        given |= {"cause": "A mistake.", "change": "Mends it.", "diff": changed("a.py", "a = 1\n", "a = 2\n")}
        case = Case(title=title, **(given | columns))
        return (await tell(store, [case], paused=False, alone=True))[title]

    return add_one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One headless Chromium for all tests of this worker."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        await started.close()
    await asyncio.sleep(0)  # for the driver's transports, which close in callbacks


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def logins(browser: Browser, site: Site) -> dict[str, StorageState]:
    """The cookies of a login with each role's token."""
    found = {}
    for role in TOKENS:
        context = await browser.new_context()
        await log_in(context, site.address, role)
        found[role] = await context.storage_state()
        await context.close()
    return found


@pytest.fixture
def watched(site: Site) -> Watched:
    return Watched(site.address)


@pytest_asyncio.fixture(loop_scope="session")
async def visit(
    browser: Browser, site: Site, logins: dict[str, StorageState], watched: Watched
) -> AsyncIterator[Visit]:
    """Open pages; at the end nothing may have gone wrong on any."""
    contexts: list[BrowserContext] = []

    async def open_page(path: str = "/", *, role: str = "operator", **options: Any) -> Page:
        given: dict[str, Any] = {"viewport": WIDE, "base_url": site.address} | options
        if role:
            given["storage_state"] = logins[role]
        context = await browser.new_context(**given)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(REPORTS_VIOLATIONS)
        watched.over(context)
        page = await context.new_page()
        if path:
            await page.goto(path)
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert watched.left == []
