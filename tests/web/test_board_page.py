"""The first page: groups, filters in the address, and what it says when nothing is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core.models import Kind, Need, ProposalState
from app.store.board import Group
from app.web.board_page import EACH, Asked, lead
from tests.web.conftest import TOKENS, add_proposal
from tests.web.html_of import check_page, words_of

if TYPE_CHECKING:
    from tests.web.conftest import Site

VIEWER = TOKENS["viewer"]


async def test_each_group_says_the_next_step(site: Site) -> None:
    url = "https://github.example/me/remote/pull/7"
    there: dict[str, Any] = {"project": "remote", "url": url, "number": 7}
    await add_proposal(site.store, title="Look", **there)
    await add_proposal(site.store, title="Red", ci="failure", failing=("lint", "test", "docs"), **there)
    await add_proposal(site.store, title="Unhappy", review="changes_requested", **there)
    await add_proposal(site.store, title="Yours", foreign_sha="c" * 40, **there)
    await add_proposal(site.store, title="Later", state=ProposalState.WAITING, reason="two in an hour")
    await add_proposal(site.store, title="Now", state=ProposalState.WORKING)
    await add_proposal(site.store, title="Never", state=ProposalState.REFUSED, reason="the check still fails")
    async with site.client(html=True, token=VIEWER) as client:
        text = check_page(await client.get("/"))
    words = words_of(text)
    for said in (
        "Review #7 on GitHub , then merge it there",
        "See why CI fails in #7 on GitHub : lint, test and 1 more",
        "Answer the review of #7 on GitHub",
        "Finish and merge #7 on GitHub : it is yours since a person's commit",
        "two in an hour Nothing: it goes on by itself",
        "Nothing yet: the agent is at work",
        "the check still fails Read why , then repair it by hand or try again",
        "1 is ready for your review, CI fails on 1, changes were requested on 1, 1 was edited by a person, 1",
        "1 waits for a limit, 1 is being worked on and 1 could not be proposed.",
    ):
        assert said in words, words
    assert text.count(f'href="{url}"') == 4
    positions = [text.index(f'<h2 id="{need}">') for need in Need]
    assert positions == sorted(positions)


async def test_filters_narrow_and_stand_in_the_form(site: Site) -> None:
    await add_proposal(site.store, title="Here")
    await add_proposal(site.store, title="There", project="remote")
    await add_proposal(site.store, title="Broken", ci="failure")
    async with site.client(html=True, token=VIEWER) as client:
        for query, seen in (
            ("project=remote", {"There"}),
            ("state=ci_failing", {"Broken"}),
            ("q=HER", {"Here", "There"}),
            ("kind=fix&state=ready&project=greeter&q=&cursor=", {"Here"}),
            ("project=nobody", set()),
        ):
            text = check_page(await client.get(f"/?{query}"))
            shown = {title for title in ("Here", "There", "Broken") if f">{title}</a>" in text}
            assert shown == seen, query
        assert "Nothing matches" in text
        assert "<option selected>nobody</option>" in text
        assert 'href="/">Show everything</a>' in text


async def test_a_long_group_leads_on_page_by_page(site: Site) -> None:
    for number in range(EACH + 1):
        await add_proposal(site.store, title=f"Fix {number}")
    async with site.client(html=True, token=VIEWER) as client:
        first = check_page(await client.get("/"))
        assert f'<a href="/?state=ready">All {EACH + 1}</a>' in first
        assert ">Fix 0<" not in first
        assert ">Fix 0<" in check_page(await client.get("/?state=ready"))


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("kind=mend", 400, "There is no kind"),
        ("state=asleep", 400, "There is no state"),
        ("state=ready&cursor=%00%ff", 400, "not one of ours"),
        ("cursor=aWQ6MQ", 400, "one state alone"),
        ("cursor=" + "x" * 201, 422, "cursor"),
    ],
)
async def test_addresses_that_make_no_sense_are_told_with_a_way_back(
    site: Site, query: str, status: int, said: str
) -> None:
    async with site.client(html=True, token=VIEWER) as client:
        answer = await client.get(f"/?{query}")
    text = check_page(answer)
    assert (answer.status_code, said in words_of(text)) == (status, True)
    assert '<a class="button" href="/">' in text


async def test_enormous_words_are_cut(site: Site) -> None:
    await add_proposal(site.store, title="t" * 10_000, reason="r" * 10_000, unit="u" * 10_000)
    async with site.client(html=True, token=VIEWER) as client:
        text = check_page(await client.get("/"))
        assert len(text) < 10_000, len(text)
        assert len(check_page(await client.get("/?q=" + "q" * 10_000))) < 10_000


def test_addresses_keep_their_filters() -> None:
    asked = Asked(project="a&b", q="x y")
    assert asked.href() == "/?project=a%26b&q=x+y"
    assert asked.href(state="ready", cursor="c") == "/?project=a%26b&state=ready&q=x+y&cursor=c"
    assert Asked().href() == "/"
    assert Asked(kind="fix").filter().kind is Kind.FIX


def test_the_lead_is_a_sentence() -> None:
    assert lead([]) == ""
    assert lead([Group(Need.CI_FAILING, 2, ())]) == "CI fails on 2."
    assert lead([Group(Need.READY, 1, ()), Group(Need.WORKING, 3, ())]) == (
        "1 is ready for your review and 3 are being worked on."
    )
