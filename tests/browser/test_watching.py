"""The tests' own eyes: each kind of wrong is seen, so that a page that does nothing of it has proved it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import Visit, Watched

DOES = {
    "an inline script": (
        "document.body.append(Object.assign(document.createElement('script'), {text: 'pwned(1)'}))",
        "policy violated: script-src",
    ),
    "a style attribute": (
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">')",
        "policy violated: style-src",
    ),
    "a handler of data": ("pwned('handler')", "console error: ran: handler"),
    "a dialog": ("alert('canary')", "dialog: canary"),
    "an error": ("setTimeout(() => nothing.at_all())", "page error: nothing is not defined"),
    "a console error": ("console.error('broken')", "console error: broken"),
    "another origin": ("location.href = 'http://127.0.0.1:1/'", "asked another origin: http://127.0.0.1:1/"),
}


@pytest.mark.parametrize("wrong", DOES)
async def test_what_a_page_must_not_do_is_seen(visit: Visit, watched: Watched, wrong: str) -> None:
    code, seen = DOES[wrong]
    page = await visit("/login", role="")
    await page.evaluate(f"() => {{ {code} }}")
    await page.wait_for_timeout(100)
    assert any(seen in each for each in watched.left), watched.wrong
    watched.wrong.clear()
