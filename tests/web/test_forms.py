"""The buttons: who may press them, from where, and what the page says afterwards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.core.models import NewJob, ProposalState
from app.core.queue import Queue
from app.store import events, jobs, proposals
from app.web.auth import Caller, Role
from app.web.ways import Login, Way
from tests.web.conftest import TOKENS, Site, add_proposal
from tests.web.html_of import HERE, check_page, csrf_of, form_of, words_of

if TYPE_CHECKING:
    import httpx

    from tests.web.conftest import Make


async def demo_client(make_site: Make) -> httpx.AsyncClient:
    return make_site(demo=True).client(html=True)


async def test_the_demo_hands_out_a_session_and_a_button_works_once(site: Site, make_site: Make) -> None:
    number = await add_proposal(site.store)
    async with await demo_client(make_site) as client:
        first = await client.get(f"/proposals/{number}")
        text = check_page(first)
        assert "This is a demo" in text
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        pressed = await client.post(f"/proposals/{number}/merge", data={"csrf": csrf_of(text)}, headers=HERE)
        assert pressed.status_code == 303
        assert pressed.headers["location"] == f"/proposals/{number}"
        after = check_page(await client.get(f"/proposals/{number}"))
        assert "Merge requested" in after
        assert "Yes, merge it" not in after
        assert 'http-equiv="refresh"' in after
    async with site.store.read() as tx:
        job = await jobs.pending(tx, "merge", number)
    assert job is not None
    assert job.args["actor"] == "demo"


async def test_when_the_worker_has_merged_the_page_says_so(site: Site, make_site: Make) -> None:
    number = await add_proposal(site.store)
    async with await demo_client(make_site) as client:
        token = csrf_of((await client.get(f"/proposals/{number}")).text)
        await client.post(f"/proposals/{number}/merge", data={"csrf": token}, headers=HERE)
        async with site.store.write() as tx:
            job = await jobs.pending(tx, "merge", number)
            assert job is not None
            taken = await jobs.take(tx, job.id, owner="worker", lease_s=30)
            assert taken is not None
            await proposals.update(tx, number, state=ProposalState.MERGED)
            await jobs.done(tx, taken[1])
        text = check_page(await client.get(f"/proposals/{number}"))
    assert '<span class="chip good">merged</span>' in text
    assert "Merge requested" not in text
    assert 'http-equiv="refresh"' not in text


async def test_a_button_that_comes_too_late_says_so(site: Site, make_site: Make) -> None:
    number = await add_proposal(site.store)
    async with await demo_client(make_site) as client:
        form = form_of((await client.get(f"/proposals/{number}")).text, "close")
        async with site.store.write() as tx:
            await proposals.update(tx, number, state=ProposalState.MERGED)
        pressed = await client.post(f"/proposals/{number}/close", data=form, headers=HERE)
        text = check_page(pressed)
        assert pressed.status_code == 409
        assert "it was open and is merged now. Nothing was done" in words_of(text)
        assert f'href="/proposals/{number}">Look at the proposal as it is now</a>' in text
    async with site.store.read() as tx:
        assert await jobs.pending(tx, "close", number) is None


async def test_a_commit_that_nobody_saw_is_not_merged(site: Site, make_site: Make) -> None:
    number = await add_proposal(site.store)
    async with await demo_client(make_site) as client:
        form = form_of((await client.get(f"/proposals/{number}")).text, "merge")
        async with site.store.write() as tx:
            await proposals.update(tx, number, head_sha="d" * 40)
        pressed = await client.post(f"/proposals/{number}/merge", data=form, headers=HERE)
    assert pressed.status_code == 409
    assert "it has other commits now" in words_of(pressed.text)
    async with site.store.read() as tx:
        assert await jobs.pending(tx, "merge", number) is None


async def test_of_two_tabs_the_first_counts(site: Site, make_site: Make) -> None:
    number = await add_proposal(site.store)
    async with await demo_client(make_site) as client:
        one = (await client.get(f"/proposals/{number}")).text
        for name, status in (("close", 303), ("close", 303), ("merge", 409)):
            pressed = await client.post(f"/proposals/{number}/{name}", data=form_of(one, name), headers=HERE)
            assert pressed.status_code == status
    assert f"demo has asked to close proposal {number} meanwhile" in words_of(pressed.text)
    async with site.store.read() as tx:
        assert await jobs.pending(tx, "merge", number) is None
        happened, _ = await events.page(tx, proposal=number)
    assert (happened[0].kind, happened[0].actor) == ("operator.close", "demo")


@pytest.mark.parametrize(("duration", "status"), [("1w", 303), ("", 400), ("for ever", 400), ("9999w", 400)])
async def test_snoozing_takes_a_length_of_time(
    site: Site, make_site: Make, duration: str, status: int
) -> None:
    number = await add_proposal(site.store)
    async with await demo_client(make_site) as client:
        form = form_of((await client.get(f"/proposals/{number}")).text, "snooze")
        pressed = await client.post(
            f"/proposals/{number}/snooze", data={**form, "duration": duration}, headers=HERE
        )
        assert pressed.status_code == status
        shown = check_page(await client.get(f"/proposals/{number}"))
    assert ("Snooze requested by demo" in words_of(shown)) is (status == 303)


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        (ProposalState.OPEN, {"merge", "close", "retry", "snooze"}),
        (ProposalState.FAILED, {"retry", "snooze"}),
        (ProposalState.MERGED, set()),
    ],
)
async def test_buttons_fit_the_state(
    site: Site, make_site: Make, state: ProposalState, buttons: set[str]
) -> None:
    number = await add_proposal(site.store, state=state)
    async with await demo_client(make_site) as client:
        text = (await client.get(f"/proposals/{number}")).text
    assert set(re.findall(rf'action="/proposals/{number}/(\w+)"', text)) == buttons


async def test_retry_can_discard(site: Site, make_site: Make) -> None:
    number = await add_proposal(site.store, state=ProposalState.FAILED)
    async with await demo_client(make_site) as client:
        token = csrf_of((await client.get(f"/proposals/{number}")).text)
        await client.post(f"/proposals/{number}/retry", data={"csrf": token, "discard": "yes"}, headers=HERE)
    async with site.store.read() as tx:
        job = await jobs.pending(tx, "retry", number)
    assert job is not None
    assert job.args["discard"] is True


@pytest.mark.parametrize(
    ("headers", "with_token"),
    [
        ({"origin": "http://evil.example"}, True),
        ({"origin": "null"}, True),
        ({}, True),
        (HERE, False),
        (HERE | {"sec-fetch-site": "cross-site"}, True),
    ],
)
async def test_a_forged_form_does_nothing(
    site: Site, make_site: Make, headers: dict[str, str], with_token: bool
) -> None:
    number = await add_proposal(site.store)
    async with await demo_client(make_site) as client:
        token = csrf_of((await client.get(f"/proposals/{number}")).text)
        data = {"csrf": token} if with_token else {}
        answer = await client.post(f"/proposals/{number}/merge", data=data, headers=headers)
    assert answer.status_code == 403
    async with site.store.read() as tx:
        assert await jobs.pending(tx, "merge", number) is None


@pytest.mark.parametrize(
    "given",
    [
        {"peer": "192.0.2.7"},
        {"base": "http://evil.example"},
        {"x_forwarded_for": "127.0.0.1"},
        {"token": TOKENS["viewer"]},
    ],
)
async def test_the_demo_gives_nothing_to_strangers(
    site: Site, make_site: Make, given: dict[str, str]
) -> None:
    number = await add_proposal(site.store)
    async with make_site(demo=True).client(html=True, **given) as client:
        answer = await client.get(f"/proposals/{number}")
    assert "set-cookie" not in answer.headers
    assert "csrf" not in answer.text


async def test_without_the_demo_nobody_gets_a_session_by_reading(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.client(html=True) as client:
        for path in ("/", f"/proposals/{number}", "/login"):
            answer = await client.get(path)
            assert "set-cookie" not in answer.headers
            assert "csrf" not in answer.text


async def test_a_page_session_may_use_the_interface_with_its_token_in_a_header(
    site: Site, make_site: Make
) -> None:
    number = await add_proposal(site.store)
    login = Login(Caller("token:operator", Role.OPERATOR), Way.TOKEN)
    session = await site.app.state.web.sessions.begin(login)
    async with site.client(cookie=f"pimainteno-0={session.value}", origin=HERE["origin"]) as client:
        refused = await client.post(f"/api/v1/proposals/{number}/close")
        assert refused.status_code == 403
        given = {"x-csrf-token": session.proof.csrf}
        assert (await client.post(f"/api/v1/proposals/{number}/close", headers=given)).status_code == 202


async def test_a_waiting_request_says_why_it_waits(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.store.write() as tx:
        made = await jobs.add(
            tx, NewJob(queue=Queue.PUBLISHER, name="merge", args={"proposal_id": number, "actor": "me"})
        )
        taken = await jobs.take(tx, made.id, owner="worker", lease_s=30)
        assert taken is not None
        await jobs.later(tx, taken[1], after_s=60, reason="the repository is busy", counts=False)
    async with site.reader(html=True) as client:
        assert "the repository is busy" in (await client.get(f"/proposals/{number}")).text
