"""The history page: its filters, stable links, and the download."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.store import events
from app.web.history_page import BATCH, Asked
from tests.web.conftest import CANARY, HOSTILE, Site
from tests.web.html_of import check_page, words_of

if TYPE_CHECKING:
    from app.core.models import Event


async def add(site: Site, *lines: tuple[str, str, str]) -> list[Event]:
    async with site.store.write() as tx:
        return [
            await events.append(tx, kind, f"{kind} by {actor}", project=project, actor=actor)
            for kind, project, actor in lines
        ]


LINES = (
    ("failure.seen", "greeter", "watcher"),
    ("run.started", "greeter", "pimainteno"),
    ("operator.close", "remote", "token:ops"),
)


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("", {0, 1, 2}),
        ("project=remote", {2}),
        ("kind=run.", {1}),
        ("kind=failure.seen", {0}),
        ("actor=token:ops", {2}),
        ("since=2020-01-01&until=2020-01-02", set()),
        ("since=2020-01-01&project=&kind=&actor=&until=", {0, 1, 2}),
        ("since=2999-01-01", set()),
        ("proposal=7", set()),
        ("project=nobody", set()),
    ],
)
async def test_page_and_download_take_the_same_filters(site: Site, query: str, seen: set[int]) -> None:
    made = await add(site, *LINES)
    async with site.reader(html=True) as client:
        text = check_page(await client.get(f"/history?{query}"))
        assert {at for at, event in enumerate(made) if f'href="/history/{event.id}"' in text} == seen
        assert ("Nothing matches" in text) is (not seen)
        answer = await client.get(f"/history.jsonl?{query}")
    assert answer.headers["content-type"].startswith("application/jsonl")
    ids = [json.loads(line)["id"] for line in answer.text.splitlines()]
    assert ids == sorted((made[at].id for at in seen), reverse=True)


async def test_the_download_is_whole_however_long(site: Site) -> None:
    await add(site, *(("run.started", "greeter", "pimainteno"),) * (BATCH + 3))
    async with site.reader() as client:
        assert len((await client.get("/history.jsonl")).text.splitlines()) == BATCH + 3
        assert (await client.head("/history.jsonl")).text == ""


async def test_a_line_has_an_address_of_its_own_with_all_that_is_known(site: Site) -> None:
    async with site.store.write() as tx:
        made = await events.append(
            tx, "proposal.ci", f"CI {HOSTILE} {CANARY}", project="greeter", proposal=3, data={"why": CANARY}
        )
    async with site.reader(html=True) as client:
        text = check_page(await client.get(f"/history/{made.id}"))
        missing = await client.get(f"/history/{made.id + 1}")
        lines = (await client.get("/history.jsonl")).text
    assert 'href="/proposals/3"' in text
    assert '"why": "[redacted]"' in words_of(text)
    assert CANARY not in text + lines
    assert HOSTILE not in text
    assert missing.status_code == 404
    assert "There is no line" in check_page(missing)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("since=yesterday", 400),
        ("until=9999-12-31", 400),
        ("proposal=seven", 400),
        ("proposal=" + "9" * 30, 400),
        ("cursor=nothing", 400),
        ("actor=" + "a" * 10_000, 200),
    ],
)
@pytest.mark.parametrize("path", ["/history", "/history.jsonl"])
async def test_what_makes_no_sense_is_told_with_a_way_back(
    site: Site, path: str, query: str, status: int
) -> None:
    if path.endswith("l") and query.startswith("cursor"):
        status = 200  # it has none
    async with site.reader(html=True) as client:
        answer = await client.get(f"{path}?{query}")
    assert answer.status_code == status
    if status == 400:
        assert 'class="button" href="/history' in check_page(answer)


def test_addresses_keep_their_filters() -> None:
    assert Asked().href("/history.jsonl") == "/history.jsonl"
    assert Asked(kind="run.", actor="a b").href(cursor="x") == "/history?kind=run.&actor=a+b&cursor=x"
