"""axe-core finds nothing serious on any page: light, dark, on a narrow screen, for each who may look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.async_playwright import Axe

if TYPE_CHECKING:
    from tests.browser.conftest import Visit, Watched

PAGES = {
    "proposals": "/",
    "nothing": "/?q=nothing-is-called-like-this",
    "projects": "/projects",
    "project": "/projects/weather-station",
    "bare": "/projects/attic-archive",
    "local": "/proposals/{Greet people who have one name only}",
    "forge": "/proposals/{Read the sign bit of temperatures below zero}",
    "binary": "/proposals/{Draw the icon for snow}",
    "edited": "/proposals/{Keep seven backups, not six}",
    "waiting": "/proposals/{shop-mail.service failed (exit-code)}",
    "working": "/proposals/{heating-control.service failed (exit-code)}",
    "refused": "/proposals/{Start the pump before the valve opens}",
    "history": "/history",
    "filtered": "/history?kind=proposal.&actor=ann",
    "sessions": "/sessions",
    "missing": "/nowhere",
    "login": "/login",
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 844}},
}
RULES = {"resultTypes": ["violations"]}
OPEN_ALL = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_nothing_serious(
    visit: Visit, watched: Watched, ids: dict[str, int], look: str
) -> None:
    watched.allowed.append("status of 404")
    found: list[str] = []
    for role, names in (("", ["login"]), ("operator", [name for name in PAGES if name != "login"])):
        page = await visit("", role=role, reduced_motion="reduce", **LOOKS[look])
        for name in names:
            before, brace, rest = PAGES[name].partition("{")
            await page.goto(f"{before}{ids[rest[:-1]]}" if brace else PAGES[name])
            await page.evaluate(OPEN_ALL)
            results = (await Axe().run(page, options=RULES)).response["violations"]
            found += [
                f"{name}: {each['id']} ({each['impact']}): {node['html'][:99]} {node['failureSummary'][:300]}"
                for each in results
                if each["impact"] in ("serious", "critical")
                for node in each["nodes"][:3]
            ]
    assert not found, "\n".join(found)


async def test_axe_would_find_something(visit: Visit) -> None:
    page = await visit("/login", role="")
    await page.evaluate("document.querySelectorAll('label').forEach((each) => each.remove())")
    results = await Axe().run(page, options=RULES)
    assert "label" in {each["id"] for each in results.response["violations"]}
