"""Deliveries of forges: a row and its job for each, once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from app.core import hooks
from app.core.errors import StoreError
from app.core.queue import Queue
from app.core.settings import GitHubForge
from app.store import jobs, proposals
from tests.web.conftest import Site, add_proposal
from tests.web.sending import (
    FORM,
    HEAD,
    JSON,
    REPO,
    SECRET,
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
    from tests.web.conftest import Make


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "state")


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A forge: from outside, without a token."""
    async with site.client(peer="192.0.2.7", base="https://bot.example.org") as client:
        yield client


async def test_a_delivery_becomes_a_row_and_a_job(client: httpx.AsyncClient, store: Store) -> None:
    number = await ours(store)
    sent = github("pull_request", pull_request())
    answer = await sent.to(client)
    assert (answer.status_code, answer.json()) == (202, {"result": "look"})
    row = await row_of(store, sent)
    assert row is not None
    assert (row.event, row.result, row.proposal_id) == ("pull_request", "look", number)
    assert row.headers == {
        "content-type": JSON,
        "user-agent": "GitHub-Hookshot/044aadd",
        "x-github-hook-id": "292430182",
    }
    (job,) = await jobs_of(store)
    assert (job.queue, job.name, job.args) == (Queue.PUBLISHER, "reconcile", {"proposal_id": number})


async def test_a_repeat_does_nothing(client: httpx.AsyncClient, store: Store) -> None:
    await ours(store)
    sent = github("pull_request", pull_request())
    assert (await sent.to(client)).json() == {"result": "look"}
    async with store.write() as tx:
        taken = await jobs.take(tx, 1, owner="worker", lease_s=30)
        assert taken is not None
        await jobs.done(tx, taken[1])
    for _ in range(3):
        answer = await sent.to(client)
        assert (answer.status_code, answer.json()) == (202, {"result": "known already"})
    assert len(await jobs_of(store)) == 1


async def test_the_same_delivery_many_times_at_once(client: httpx.AsyncClient, store: Store) -> None:
    await ours(store)
    sent, other = github("pull_request", pull_request()), github("pull_request", pull_request())
    answers = await asyncio.gather(*(each.to(client) for each in [sent, other] * 10))
    results = [answer.json()["result"] for answer in answers]
    assert sorted(results) == ["known already"] * 18 + ["look"] * 2
    assert len(await jobs_of(store)) == 1


async def test_a_job_that_has_begun_may_have_read_already(client: httpx.AsyncClient, store: Store) -> None:
    await ours(store)
    for _ in range(3):
        await github("pull_request", pull_request()).to(client)
    async with store.write() as tx:
        assert await jobs.take(tx, 1, owner="worker", lease_s=30)
    for _ in range(3):
        await github("pull_request", pull_request()).to(client)
    assert [job.state for job in await jobs_of(store)] == ["running", "queued"]


async def test_ids_of_two_forges_do_not_meet(client: httpx.AsyncClient, store: Store) -> None:
    first = github("pull_request", pull_request())
    second = gitlab("Merge Request Hook", merge_request())
    second.headers["webhook-id"] = first.id
    assert (await first.to(client)).json() != {"result": "known already"}
    assert (await second.to(client)).json() != {"result": "known already"}


async def test_a_form_of_githubs(client: httpx.AsyncClient, store: Store) -> None:
    await ours(store)
    sent = github("pull_request", {**pull_request(), "title": "ü + & = %"}, form=True)
    assert sent.headers["Content-Type"] == FORM
    assert (await sent.to(client)).json() == {"result": "look"}
    sent = github("pull_request", pull_request(), form=True)
    sent.headers["Content-Type"] = f"{FORM.title()}; charset=utf-8"
    assert (await sent.to(client)).json() == {"result": "look"}


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/json; charset=utf-8", "x"])
async def test_any_other_content_type_is_json(
    client: httpx.AsyncClient, store: Store, content_type: str | None
) -> None:
    await ours(store)
    sent = github("pull_request", pull_request()).without("Content-Type")
    if content_type is not None:
        sent.headers["Content-Type"] = content_type
    assert (await sent.to(client)).json() == {"result": "look"}


async def test_which_id_of_gitlabs_counts(client: httpx.AsyncClient, store: Store) -> None:
    sent = gitlab("Merge Request Hook", merge_request())
    ids = ("webhook-id", "Idempotency-Key", "X-Gitlab-Event-UUID")
    for number, name in enumerate(ids):
        less = sent.without(*ids[:number])
        less.headers.update({each: f"id-of-{each}" for each in ids[number:]})
        assert (await less.to(client)).json()["result"] != "known already"
        assert await row_of(store, less.but(id=f"id-of-{name}")) is not None


async def test_a_proposal_that_came_meanwhile_is_found(client: httpx.AsyncClient, store: Store) -> None:
    number = await add_proposal(store, number=None, head_sha=None)
    assert (
        (await github("status", {"sha": HEAD, "repository": {"full_name": REPO}}).to(client))
        .json()["result"]
        .startswith("ignored")
    )
    async with store.write() as tx:
        await proposals.update(tx, number, head_sha=HEAD)
    assert (await github("status", {"sha": HEAD, "repository": {"full_name": REPO}}).to(client)).json() == {
        "result": "look"
    }


async def test_a_store_that_is_away_is_503_for_all_who_wait_and_nothing_is_kept(
    client: httpx.AsyncClient, site: Site, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ours(store)
    write = store.write

    def away() -> Any:
        raise StoreError("The database is away")

    monkeypatch.setattr(store, "write", away)
    sent = [github("pull_request", pull_request()) for _ in range(5)]
    answers = await asyncio.gather(*(each.to(client) for each in sent))
    assert {answer.status_code for answer in answers} == {503}
    monkeypatch.setattr(store, "write", write)
    again = await asyncio.gather(*(each.to(client) for each in sent))
    assert {answer.status_code for answer in again} == {202}


async def test_a_secret_that_was_made_meanwhile_counts_until_it_is_gone(
    client: httpx.AsyncClient, site: Site, store: Store
) -> None:
    folder, redactor = site.settings.paths.hooks, site.app.state.web.redactor
    secret = "made-by-the-command-0123456789"
    sent = github("pull_request", pull_request(), secret=secret, forge="quiet")
    assert (await sent.to(client)).status_code == 404
    hooks.keep(folder, "quiet", secret)
    assert (await sent.to(client)).status_code == 202
    assert redactor.text(f"x {secret} y") == "x [redacted] y"
    elsewhere = github("pull_request", pull_request(), secret=secret)
    assert (await elsewhere.to(client)).status_code == 401
    hooks.keep(folder, "quiet", "another-0123456789")
    assert (await sent.to(client)).status_code == 401
    assert hooks.forget(folder, "quiet")
    assert (await sent.to(client)).status_code == 404


async def test_a_made_secret_counts_beside_the_configured_one(
    client: httpx.AsyncClient, site: Site, store: Store
) -> None:
    hooks.keep(site.settings.paths.hooks, "second", "made-0123456789")
    for secret, status in ((SECRET, 202), ("made-0123456789", 202), ("other-0123456789", 401)):
        assert (await github("ping", {}, secret=secret).to(client)).status_code == status


async def test_the_log_says_once_which_forges_are_polled(
    make_site: Make, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    unused = {"unused": GitHubForge(kind="github"), "empty": GitHubForge(kind="github", token=SecretStr("x"))}
    site = make_site(settings.model_copy(update={"forges": settings.forges | unused}))
    site.app.state.web.senders.tell_polled()
    (line,) = capsys.readouterr().err.splitlines()
    assert "no webhook" in line
    assert "forge=quiet" in line
