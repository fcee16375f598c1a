"""What pages ask for by themselves when something happens, asked for as htmx does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.core.models import ProposalState
from app.store import events, proposals
from tests.web.conftest import TOKENS, add_proposal
from tests.web.html_of import Tags, check_page

if TYPE_CHECKING:
    from tests.web.conftest import Site

PAGES = [
    "/",
    "/?state=ready&q=spell",
    "/proposals/1",
    "/projects",
    "/projects/greeter",
    "/history",
    "/history?project=greeter",
]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_fetches_its_region_again_when_something_happens(site: Site, path: str) -> None:
    number = await add_proposal(site.store)
    async with site.client(token=TOKENS["viewer"], html=True) as client:
        tags = Tags(check_page(await client.get(path))).found
        (region,) = [attributes for _, attributes in tags if attributes.get("id") == "region"]
        (stream,) = [attributes for _, attributes in tags if "hx-sse:connect" in attributes]
        assert region["hx-get"] == path
        assert region["hx-select"] == "#region"
        assert {event.split()[0] for event in (region["hx-trigger"] or "").split(", ")} == {
            "changed",
            "reload",
        }
        async with site.store.write() as tx:
            await proposals.update(tx, number, state=ProposalState.MERGED, title="Another title")
            told = await events.append(tx, "proposal.merged", "merged", project="greeter", proposal=number)
        again = check_page(await client.get(path, headers={"HX-Request": "true"}))
        assert again.count('id="region"') == 1

    address = stream["hx-sse:connect"] or ""
    assert address.startswith("/live?after=")
    assert address.split("after=")[1].split("&")[0] == str(told.id - 1)
    assert ("proposal=1" in address) == path.startswith("/proposals")
    assert ("project=greeter" in address) == ("greeter" in path)
    assert ("&units=0" in address) == path.startswith("/projects")


async def test_the_library_adds_no_style_and_leaves_the_page_where_it_is_told_no(site: Site) -> None:
    async with site.client(token=TOKENS["viewer"], html=True) as client:
        tags = Tags((await client.get("/")).text).found
    (meta,) = [attributes for _, attributes in tags if attributes.get("name") == "htmx-config"]
    config = json.loads(meta["content"] or "")
    assert config["includeIndicatorCSS"] is False
    assert {"4xx", "5xx"} <= set(config["noSwap"])


async def test_a_page_without_news_loads_no_library(site: Site) -> None:
    async with site.reader(html=True) as client:
        text = (await client.get("/login")).text
    assert "htmx" not in text
    assert "/live" not in text
