"""Deliveries that must not get in: unreadable, forged, too large, or for nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.web.edge import LARGER
from tests.web.sending import (
    FORM,
    SECRET,
    SIGNING,
    TOKEN,
    Sent,
    github,
    gitlab,
    jobs_of,
    merge_request,
    ours,
    pull_request,
    row_of,
    settings_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from app.core.settings import Settings
    from app.store.database import Store
    from tests.web.conftest import Site

MOST = LARGER["/webhooks/"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "state")


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A forge: from outside, without a token."""
    async with site.client(peer="192.0.2.7", base="https://bot.example.org") as client:
        yield client


async def refused(client: httpx.AsyncClient, store: Store, sent: Sent, status: int, said: str) -> None:
    """A delivery must be refused with its reason, and leave nothing."""
    answer = await sent.to(client)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert await row_of(store, sent) is None
    assert await jobs_of(store) == []


TEXT = json.dumps(pull_request())
UNREADABLE = {
    "nothing": b"",
    "no JSON": b"hello",
    "cut JSON": TEXT.encode()[:-2],
    "JSON twice": TEXT.encode() * 2,
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-32": TEXT.encode("utf-32"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "Latin-1": '{"action": "é"}'.encode("latin-1"),
    "a list": b"[1]",
    "a number": b"1",
    "a number without end": b'{"number": ' + b"9" * 10_000 + b"}",
    "deep": b"[" * 100_000,
    "deep and closed": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_a_signed_body_that_cannot_be_read(client: httpx.AsyncClient, store: Store, name: str) -> None:
    await refused(client, store, github("pull_request", UNREADABLE[name]), 400, "the body is no JSON")
    await refused(client, store, gitlab("Note Hook", UNREADABLE[name]), 400, "the body is no JSON")


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=", b"other=1", b"payload=%7B", b"payload=%ff", b"\xff", b"a=1&" * 1000, TEXT.encode()],
)
async def test_a_signed_form_that_cannot_be_read(
    client: httpx.AsyncClient, store: Store, body: bytes
) -> None:
    sent = github("pull_request", body)
    sent.headers["Content-Type"] = FORM
    await refused(client, store, sent, 400, "the body is no JSON")


async def test_without_an_id_it_cannot_be_told_from_a_repeat(client: httpx.AsyncClient, store: Store) -> None:
    sent = github("pull_request", pull_request())
    for changed in (
        sent.without("X-GitHub-Delivery"),
        sent.but(headers=sent.headers | {"X-GitHub-Delivery": " "}),
    ):
        await refused(client, store, changed, 400, "x-github-delivery")
    sent.headers["X-GitHub-Delivery"] = "x" * 201
    await refused(client, store, sent, 400, "x-github-delivery")
    for missing in (("webhook-id", "Idempotency-Key", "X-Gitlab-Event-UUID"),):
        await refused(
            client, store, gitlab("Note Hook", merge_request()).without(*missing), 400, "webhook-id: the id"
        )


FORGED = {
    "no signature": github("pull_request", pull_request()).without("X-Hub-Signature-256"),
    "another secret": github("pull_request", pull_request(), secret="guessed"),
    "no secret": github("pull_request", pull_request(), secret=""),
    "GitLab's secret": github("pull_request", pull_request(), secret=TOKEN),
    "a changed body": github("pull_request", pull_request()).but(
        body=json.dumps(pull_request(number=8)).encode()
    ),
    "a truncated body": github("pull_request", pull_request()).but(body=TEXT.encode()[:-1]),
    "an emptied body": github("pull_request", pull_request()).but(body=b""),
    "a re-encoded body": github("pull_request", pull_request()).but(body=TEXT.encode("utf-16")),
    "the same JSON, written otherwise": github("pull_request", pull_request()).but(
        body=json.dumps(pull_request(), indent=1).encode()
    ),
    "a form signed as JSON": github("pull_request", pull_request()).but(
        body=github("pull_request", pull_request(), form=True).body
    ),
    "no token": gitlab("Note Hook", merge_request(), token=""),
    "another token": gitlab("Note Hook", merge_request(), token="guessed"),
    "GitHub's token": gitlab("Note Hook", merge_request(), token=SECRET),
    "signed by another": gitlab("Note Hook", merge_request(), signing="whsec_YWJj"),
    "signed, then changed": gitlab("Note Hook", merge_request(), signing=SIGNING).but(
        body=json.dumps(merge_request(number=8)).encode()
    ),
    "signed long ago": gitlab("Note Hook", merge_request(), signing=SIGNING, at=1_700_000_000),
    "signed tomorrow": gitlab("Note Hook", merge_request(), signing=SIGNING, at=4_000_000_000),
    "GitHub's delivery at GitLab's address": github("pull_request", pull_request()).but(forge="lab"),
}


@pytest.mark.parametrize("name", FORGED)
async def test_what_is_forged_gets_nowhere(client: httpx.AsyncClient, store: Store, name: str) -> None:
    await ours(store)
    await refused(client, store, FORGED[name], 401, "")


async def test_a_signed_delivery_of_gitlabs_sent_again(client: httpx.AsyncClient, store: Store) -> None:
    await ours(store, project="lab")
    sent = gitlab("Merge Request Hook", merge_request(), signing=SIGNING, token="")
    assert (await sent.to(client)).json() == {"result": "look"}
    assert (await sent.to(client)).json() == {"result": "known already"}
    again = sent.but(headers=sent.headers | {"webhook-id": "another"})
    assert (await again.to(client)).status_code == 401


@pytest.mark.parametrize("forge", ["nobody", "here", "quiet", "HUB", "%00", "hub%20"])
async def test_no_such_forge_or_no_secret_is_404(client: httpx.AsyncClient, store: Store, forge: str) -> None:
    for secret in (SECRET, ""):
        sent = github("pull_request", pull_request(), secret=secret, forge=forge)
        await refused(client, store, sent, 404, "no webhook is taken here")


async def test_reading_the_address_is_not_allowed(client: httpx.AsyncClient) -> None:
    for method in ("GET", "PUT", "HEAD", "DELETE"):
        assert (await client.request(method, "/webhooks/hub")).status_code == 405


async def test_a_tokens_or_a_pages_right_is_none_here(site: Site) -> None:
    async with site.client(token="operator-token-0123456789") as client:
        assert (await client.post("/webhooks/hub", json=pull_request())).status_code == 401


async def test_the_largest_body_is_taken_and_one_byte_more_is_not(
    client: httpx.AsyncClient, store: Store
) -> None:
    await ours(store)
    room = MOST - len(json.dumps({**pull_request(), "pad": ""}))
    sent = github("pull_request", {**pull_request(), "pad": "x" * room})
    assert len(sent.body) == MOST
    assert (await sent.to(client)).json() == {"result": "look"}
    assert len(await jobs_of(store)) == 1
    more = github("pull_request", {**pull_request(), "pad": "x" * (room + 1)})
    assert (await more.to(client)).status_code == 413
    assert await row_of(store, more) is None


async def test_a_large_body_is_not_even_read_where_its_length_is_said(client: httpx.AsyncClient) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b" " * 65_536

    headers = github("pull_request", {}).headers
    long = headers | {"Content-Length": str(10**12)}
    assert (await client.post("/webhooks/hub", content=endless(), headers=long)).status_code == 413
    assert read == 0
    assert (await client.post("/webhooks/hub", content=endless(), headers=headers)).status_code == 413
    assert read * 65_536 <= MOST + 2 * 65_536


async def test_other_addresses_keep_their_small_cap(client: httpx.AsyncClient) -> None:
    for path in ("/login", "/webhooksx", "/api/v1/proposals/1/merge"):
        assert (await client.post(path, content=b" " * 70_000)).status_code == 413
