"""What lists leave out: by kind, need, actor and time, alone and together."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from app.core.base import now
from app.core.models import ProposalState
from app.store import events, proposals
from tests.web.conftest import TOKENS, Site, add_proposal


async def items(site: Site, path: str, **query: str) -> list[dict[str, Any]]:
    async with site.client(token=TOKENS["viewer"]) as client:
        answer = await client.get(f"/api/v1/{path}?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_proposals_by_kind(site: Site) -> None:
    fix = await add_proposal(site.store)
    summary = await add_proposal(site.store)
    async with site.store.write() as tx:
        await proposals.update(tx, summary, kind="summarise")
    assert [one["id"] for one in await items(site, "proposals", kind="fix")] == [fix]
    assert [one["id"] for one in await items(site, "proposals", kind="summarise")] == [summary]
    assert await items(site, "proposals", kind="improve") == []


async def test_proposals_by_what_they_need(site: Site) -> None:
    ready = await add_proposal(site.store)
    failing = await add_proposal(site.store, ci="failure")
    refused = await add_proposal(site.store, state=ProposalState.REFUSED, project="remote")
    assert [one["id"] for one in await items(site, "proposals", need="ready")] == [ready]
    assert [one["id"] for one in await items(site, "proposals", need="ci_failing")] == [failing]
    assert [one["id"] for one in await items(site, "proposals", need="not_proposed")] == [refused]
    assert await items(site, "proposals", need="not_proposed", project="greeter") == []
    assert await items(site, "proposals", need="ready", kind="improve") == []


async def test_a_need_is_paged_too(site: Site) -> None:
    numbers = {await add_proposal(site.store) for _ in range(51)}
    async with site.client(token=TOKENS["viewer"]) as client:
        first = (await client.get("/api/v1/proposals?need=ready")).json()
        second = (await client.get(f"/api/v1/proposals?need=ready&cursor={first['next']}")).json()
        other = await client.get(f"/api/v1/proposals?cursor={first['next']}")
    assert (len(first["items"]), len(second["items"]), second["next"]) == (50, 1, None)
    assert {one["id"] for one in first["items"] + second["items"]} == numbers
    assert other.status_code == 400  # the pages of another list


async def test_an_empty_filter_is_none(site: Site) -> None:
    number = await add_proposal(site.store)
    assert [one["id"] for one in await items(site, "proposals", project="", cursor="")] == [number]
    assert len(await items(site, "history", project="", kind="", actor="", cursor="")) == 1


async def test_what_nobody_knows_is_ignored(site: Site) -> None:
    number = await add_proposal(site.store)
    assert [one["id"] for one in await items(site, "proposals", colour="red")] == [number]


async def test_history_by_kind_actor_and_time(site: Site) -> None:
    await add_proposal(site.store)
    async with site.store.write() as tx:
        await events.append(tx, "proposal.merged", "merged", project="greeter", actor="ann")
        await events.append(tx, "scan.done", "scanned", project="remote")
    start, end = (
        (now() + timedelta(hours=hours)).isoformat(timespec="seconds").replace("+00:00", "Z")
        for hours in (-1, 1)
    )

    async def texts(**query: str) -> list[str]:
        return [one["kind"] for one in await items(site, "history", **query)]

    every = ["scan.done", "proposal.merged", "proposal.opened"]
    assert await texts(kind="proposal.opened") == ["proposal.opened"]
    assert await texts(kind="proposal.") == ["proposal.merged", "proposal.opened"]
    assert await texts(kind="proposal") == []
    assert await texts(actor="ann") == ["proposal.merged"]
    assert await texts(actor="ann", project="remote") == []
    assert await texts(since=start, until=end) == every
    assert await texts(since=start.replace("Z", "+00:00")) == every
    assert await texts(since=end) == []
    assert await texts(until=start) == []


async def test_the_next_page_of_lines_keeps_its_filters(site: Site) -> None:
    async with site.store.write() as tx:
        for number in range(101):
            await events.append(tx, "scan.done", f"scan {number}", project="greeter", actor="a&b ü")
    query = urlencode({"kind": "scan.", "actor": "a&b ü", "since": "2026-01-01T00:00:00+00:00"})
    async with site.client(token=TOKENS["viewer"], accept="application/jsonl") as client:
        first = await client.get(f"/api/v1/history?{query}")
        following = re.fullmatch(
            rf"<(/api/v1/history\?{re.escape(query)}&cursor=\S+)>; rel=next", first.headers["link"]
        )
        assert following is not None, first.headers["link"]
        second = await client.get(following[1])
    assert '"scan 0"' in second.text
    assert len(second.text.splitlines()) == 1


@pytest.mark.parametrize(
    "moment", ["2026-03-01", "1772323200", "yesterday", "2026-03-01T00:00:00", "2026-13-01T00:00:00Z"]
)
async def test_a_time_that_is_none_is_named(site: Site, moment: str) -> None:
    async with site.client(token=TOKENS["viewer"]) as client:
        answer = await client.get(f"/api/v1/history?since={moment}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("query.since: ")
