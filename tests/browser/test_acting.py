"""Buttons: each asks once, says what it did, and stands in the history with the one who pressed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from app.core.models import ProposalState
from app.store import events, proposals

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

    from app.store.database import Store
    from tests.browser.conftest import Add, Visit, Watched

ACTIONS = {
    "Merge": "Yes, merge it",
    "Retry": "Yes, try again",
    "Close": "Yes, close it",
    "Snooze": "Yes, snooze it",
}


@pytest.mark.parametrize("script", [True, False], ids=["", "without-javascript"])
@pytest.mark.parametrize("action", ACTIONS)
async def test_an_action(visit: Visit, add: Add, action: str, script: bool) -> None:
    number = await add(f"To {action.lower()} {'with' if script else 'without'} JavaScript")
    page = await visit(f"/proposals/{number}", java_script_enabled=script)
    sure = page.get_by_role("button", name=ACTIONS[action])
    await expect(sure).to_be_hidden()
    await _opener(page, action).click()
    await sure.click()
    await expect(page.get_by_role("status")).to_contain_text("requested")
    await expect(_opener(page, action)).to_have_count(0)
    asked = f"token:operator asked to {action.lower()} proposal {number}"
    await expect(page.get_by_role("main")).to_contain_text(asked)
    history = await page.context.new_page()  # the other one reloads itself while it waits
    await history.goto("/history?project=greeter")
    await expect(history.get_by_role("main")).to_contain_text(asked)


def _opener(page: Page, action: str) -> Locator:
    return page.locator("summary").filter(has_text=action)


async def test_a_viewer_has_no_buttons(visit: Visit, add: Add) -> None:
    page = await visit(f"/proposals/{await add('Only to look at')}", role="viewer")
    await expect(page.get_by_role("heading", name="Only to look at")).to_be_visible()
    for action in ACTIONS:
        await expect(_opener(page, action)).to_have_count(0)


async def test_who_presses_too_late_is_told(visit: Visit, add: Add, store: Store, watched: Watched) -> None:
    watched.allowed.append("status of 409")
    number = await add("Decided elsewhere")
    page = await visit(f"/proposals/{number}", java_script_enabled=False)
    async with store.write() as tx:
        await proposals.update(tx, number, state=ProposalState.CLOSED, reason="closed by mika on the forge")
    await _opener(page, "Merge").click()
    await page.get_by_role("button", name=ACTIONS["Merge"]).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not done")
    await expect(page.get_by_role("main")).to_contain_text("closed by mika on the forge")
    await page.get_by_role("link", name="Look at the proposal as it is now").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("closed")


async def test_an_open_question_is_about_what_was_seen(
    visit: Visit, add: Add, store: Store, watched: Watched
) -> None:
    watched.allowed.append("status of 409")
    number = await add("Pushed to while asked")
    page = await visit(f"/proposals/{number}")
    await _opener(page, "Merge").click()
    async with store.write() as tx:
        await proposals.update(tx, number, head_sha="c" * 40)
        await events.append(tx, "proposal.updated", "A new commit", project="greeter", proposal=number)
    await expect(page.locator("#facts")).to_contain_text("c" * 10)  # the page around it is up to date
    await page.get_by_role("button", name=ACTIONS["Merge"]).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not done")


async def test_two_tabs_ask_once(visit: Visit, add: Add) -> None:
    number = await add("Pressed in two tabs")
    page = await visit(f"/proposals/{number}", java_script_enabled=False)
    other = await page.context.new_page()
    await other.goto(f"/proposals/{number}")
    for tab in (page, other):
        await _opener(tab, "Close").click()
        await tab.get_by_role("button", name=ACTIONS["Close"]).click()
        await expect(tab.get_by_role("main")).to_contain_text("Close requested")
    asked = other.get_by_text(f"token:operator asked to close proposal {number}")
    await expect(asked).to_have_count(1)


async def test_keys_are_enough(visit: Visit, add: Add) -> None:
    number = await add("Closed by keyboard")
    page = await visit("/?q=Closed+by+keyboard")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await _tab_to(page, "Closed by keyboard")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/proposals/{number}")
    await _tab_to(page, "Close")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Yes, close it")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Yes, close it")).to_be_hidden()
    await page.keyboard.press("Enter")
    await _tab_to(page, "Yes, close it")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("Close requested")


async def _tab_to(page: Page, words: str) -> None:
    """Press Tab until something with these words has the focus; the focus must be seen all the way."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        text, seen = await page.evaluate(
            "() => { const at = document.activeElement, style = getComputedStyle(at);"
            " const outlined = style.outlineStyle != 'none' && parseFloat(style.outlineWidth) > 0;"
            " return [at.textContent.trim(), outlined || style.boxShadow != 'none'] }"
        )
        assert seen, f"nobody sees that the focus is on {text!r}"
        if text.startswith(words):
            return
    raise AssertionError(f"no Tab leads to {words}")
