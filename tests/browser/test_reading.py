"""What people read: the first page says what broke, filters live in the address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Page, ViewportSize

    from tests.browser.conftest import Visit, Watched

NEEDS = (
    "Ready for review",
    "CI failing",
    "Changes requested",
    "Edited by a person",
    "Waiting on limits",
    "Being worked on",
    "Could not be proposed",
)
FIRST = "Greet people who have one name only"
PAGES = ("/", "/projects", "/projects/shop", "/history", "/proposals/{}", "/sessions", "/nowhere")
NARROW: ViewportSize = {"width": 390, "height": 844}
WIDER_THAN_IT_MAY = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT_OFF = """() => [...document.querySelectorAll('main :not(thead, thead *)')].filter((each) => {
  const box = each.getBoundingClientRect();
  if (!box.width || box.left >= 0 && box.right <= innerWidth + 1) return false;
  for (let up = each.parentElement; up; up = up.parentElement)
    if (['auto', 'scroll'].includes(getComputedStyle(up).overflowX)) return false;
  return true;
}).map((each) => each.outerHTML.slice(0, 200))"""
"""What stands outside the screen and cannot be scrolled to."""


async def test_the_first_page_says_what_broke(visit: Visit) -> None:
    page = await visit()
    for need in NEEDS:
        await expect(page.get_by_role("heading", name=need)).to_be_visible()
    row = page.get_by_role("row", name=FIRST)
    for words in ("greeter.service", "pi-hall", "6 times", "fail", "pass", "Review"):
        await expect(row).to_contain_text(words)
    await expect(page.get_by_text("All runs are paused by ann")).to_contain_text("the attic is being rewired")


async def test_filters_live_in_the_address(visit: Visit) -> None:
    page = await visit()
    await page.get_by_label("Project").select_option("heating")
    await page.get_by_role("button", name="Show").click()
    await expect(page).to_have_url(re.compile(r"\?project=heating$"))
    await expect(page.get_by_role("link", name="Start the pump before the valve opens")).to_be_visible()
    await expect(page.get_by_role("link", name=FIRST)).to_have_count(0)
    await page.get_by_role("link", name="Clear").click()
    await page.get_by_role("searchbox").fill("sensor-37")
    await page.get_by_role("searchbox").press("Enter")
    await expect(
        page.get_by_role("link", name="Read the sign bit of temperatures below zero")
    ).to_be_visible()
    await expect(page.get_by_role("link", name=FIRST)).to_have_count(0)


async def test_a_filter_that_matches_nothing_says_so(visit: Visit) -> None:
    page = await visit("/?q=nothing-is-called-like-this")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await page.get_by_role("link", name="Show everything").click()
    await expect(page.get_by_role("link", name=FIRST)).to_be_visible()


async def test_a_proposal_tells_its_story(visit: Visit) -> None:
    page = await visit()
    await page.get_by_role("link", name=FIRST).click()
    await _tells_its_story(page)


async def test_everything_can_be_read_without_javascript(visit: Visit) -> None:
    page = await visit(java_script_enabled=False)
    await page.get_by_role("searchbox").fill("one name only")
    await page.get_by_role("button", name="Show").click()
    await page.get_by_role("link", name=FIRST).click()
    await _tells_its_story(page)
    await page.get_by_role("button", name="Dark").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await _tells_its_story(page)


async def _tells_its_story(page: Page) -> None:
    await expect(page.get_by_role("heading", level=1)).to_contain_text(FIRST)
    main = page.get_by_role("main")
    for words in (
        "ValueError: not enough values to unpack",
        "fails where a visitor gives one name only",
        'name.strip().partition(" ")',
        "1 failed, 1 passed in 0.08s",
        "greet` never fails on a name",
        "gpt-5.5",
        "41,300",
        "Opened: Greet people",
    ):
        await expect(main).to_contain_text(words)


async def test_a_diff_of_20000_lines_stays_usable(visit: Visit, ids: dict[str, int]) -> None:
    page = await visit(f"/proposals/{ids['Make the lock file anew after the registry moved']}")
    await expect(page.get_by_role("main")).to_contain_text("package-lock.json")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert await page.evaluate("document.querySelectorAll('*').length") < 40_000
    await expect(page.get_by_role("main")).to_contain_text("orders Cannot find module 'pkg-00017'")
    assert "\x1b" not in await page.content()


async def test_times_are_the_viewers(visit: Visit, ids: dict[str, int]) -> None:
    path = f"/proposals/{ids[FIRST]}"
    tokyo, lima = [
        await (await visit(path, timezone_id=zone)).locator("time").first.get_attribute("title")
        for zone in ("Asia/Tokyo", "America/Lima")
    ]
    assert tokyo is not None
    assert lima is not None
    assert "GMT+9" in tokyo
    assert "GMT-5" in lima
    plain = await visit(path, timezone_id="Asia/Tokyo", java_script_enabled=False)
    assert "UTC" in (await plain.locator("time").first.get_attribute("title") or "")


@pytest.mark.parametrize("path", PAGES)
async def test_narrow_screens_lose_nothing(
    visit: Visit, ids: dict[str, int], watched: Watched, path: str
) -> None:
    watched.allowed.append("status of 404")
    longest = ids["Make the lock file anew after the registry moved"]
    page = await visit(path.format(longest), viewport=NARROW)
    assert await page.evaluate(WIDER_THAN_IT_MAY) <= 0
    assert await page.evaluate(CUT_OFF) == []


async def test_narrow_screens_show_what_wide_ones_show(visit: Visit) -> None:
    page = await visit(java_script_enabled=False)  # so that no time moves on between two looks
    wide = await page.get_by_role("main").inner_text()
    await page.set_viewport_size(NARROW)
    narrow = await page.get_by_role("main").inner_text()
    assert set(wide.split()) - set(narrow.split()) <= {"What", "broke,", "or", "could", "be", "better"}


async def test_dark_comes_by_preference_and_by_choice(visit: Visit) -> None:
    light = await visit(color_scheme="light")
    dark = await visit(color_scheme="dark")
    assert await _darkness(dark) > 200 > 55 > await _darkness(light)
    await light.get_by_role("button", name="Dark").click()
    assert await _darkness(light) > 200
    await light.goto("/history")
    assert await _darkness(light) > 200
    await light.get_by_role("button", name="Auto").click()
    assert await _darkness(light) < 55


async def _darkness(page: Page) -> int:
    """Return 255 for a black page, 0 for a white one."""
    colour = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    return 255 - max(int(part) for part in re.findall(r"\d+", colour)[:3])


async def test_print_has_the_content_alone(visit: Visit, ids: dict[str, int]) -> None:
    page = await visit(f"/proposals/{ids[FIRST]}", color_scheme="dark")
    await page.emulate_media(media="print")
    await expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()
    await expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert await _darkness(page) < 55


async def test_nothing_moves_for_those_who_do_not_want_it(visit: Visit, ids: dict[str, int]) -> None:
    page = await visit(
        f"/proposals/{ids['heating-control.service failed (exit-code)']}", reduced_motion="reduce"
    )
    moving = await page.evaluate(
        "document.getAnimations().map((each) => each.effect.target.outerHTML.slice(0, 80))"
    )
    assert moving == []
    durations = await page.evaluate(
        "[...document.querySelectorAll('*')].flatMap((each) => {"
        " const style = getComputedStyle(each); return [style.transitionDuration, style.animationDuration] })"
    )
    assert {float(part.rstrip("ms")) for each in durations for part in each.split(", ")} <= {
        0.0,
        0.001,
        0.01,
        1e-05,
    }
