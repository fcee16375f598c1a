"""What programs may ask for, and the errors they get, with a real store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.core.base import now
from app.core.models import ProposalState
from app.store import events, jobs, proposals
from app.web.access import ACCESS, ANYONE
from tests import contract
from tests.web.conftest import CANARY, TOKENS, Site, add_proposal


@pytest.mark.parametrize(
    ("action", "state", "body"),
    [
        ("merge", ProposalState.OPEN, None),
        ("close", ProposalState.OPEN, None),
        ("retry", ProposalState.FAILED, None),
        ("retry", ProposalState.REFUSED, {"discard": True}),
        ("snooze", ProposalState.OPEN, {"duration": "7d"}),
    ],
)
async def test_an_action_is_accepted_though_redis_is_away(
    site: Site, action: str, state: ProposalState, body: dict[str, Any] | None
) -> None:
    number = await add_proposal(site.store, state=state)
    async with site.client(token=TOKENS["operator"]) as client:
        answer = await client.post(f"/api/v1/proposals/{number}/{action}", json=body)
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == set(contract.PROPOSAL)
    async with site.store.read() as tx:
        job = await jobs.pending(tx, action, number)
        happened, _ = await events.page(tx, proposal=number)
    assert job is not None
    assert (job.state, job.args["actor"]) == ("queued", "token:operator")
    assert job.args.get("discard", False) is bool(body and body.get("discard"))
    assert (happened[0].kind, happened[0].actor) == (f"operator.{action}", "token:operator")


async def test_snooze_counts_from_now(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.client(token=TOKENS["operator"]) as client:
        await client.post(f"/api/v1/proposals/{number}/snooze", json={"duration": "2w"})
    async with site.store.read() as tx:
        job = await jobs.pending(tx, "snooze", number)
    assert job is not None
    assert job.args["until"][:13] == (now() + timedelta(weeks=2)).isoformat()[:13]


async def test_what_changed_meanwhile_is_a_conflict(site: Site) -> None:
    number = await add_proposal(site.store, state=ProposalState.CLOSED)
    async with site.client(token=TOKENS["operator"]) as client:
        answer = await client.post(f"/api/v1/proposals/{number}/merge")
    assert answer.status_code == 409
    assert "closed" in answer.json()["detail"]
    async with site.store.read() as tx:
        assert await jobs.pending(tx, "merge", number) is None


async def test_a_merge_is_for_the_local_forge_alone(site: Site) -> None:
    number = await add_proposal(site.store, project="remote", url="https://github.example/me/remote/pull/1")
    async with site.client(token=TOKENS["operator"]) as client:
        answer = await client.post(f"/api/v1/proposals/{number}/merge")
    assert answer.status_code == 409
    assert "https://github.example/me/remote/pull/1" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/proposals/{}/snooze", {"duration": "soon"}, 400),
        ("/api/v1/proposals/{}/snooze", {"duration": "0d"}, 400),
        ("/api/v1/proposals/{}/snooze", {"duration": "99999w"}, 400),
        ("/api/v1/proposals/{}/snooze", {}, 422),
        ("/api/v1/proposals/{}/snooze", None, 422),
        ("/api/v1/proposals/{}/snooze", {"duration": 7}, 422),
        ("/api/v1/proposals/{}/retry", {"discard": "perhaps"}, 422),
        ("/api/v1/proposals/{}/retry", {"unknown": True}, 422),
        ("/api/v1/proposals/999/close", None, 404),
        ("/api/v1/proposals/0/close", None, 422),
        ("/api/v1/proposals/99999999999999999999/close", None, 422),
        ("/api/v1/proposals/x/close", None, 422),
        ("/api/v1/proposals/{}/approve", None, 404),
        ("/api/v1/proposals", None, 405),
    ],
)
async def test_bad_requests_are_problems(site: Site, path: str, body: Any, status: int) -> None:
    number = await add_proposal(site.store)
    async with site.client(token=TOKENS["operator"]) as client:
        answer = await client.post(path.format(number), json=body)
    check_problem(answer, status)
    async with site.store.read() as tx:
        assert (await proposals.get(tx, number)).state == "open"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/proposals?state=closed", 422),
        ("/api/v1/proposals?cursor=nonsense", 400),
        ("/api/v1/history?cursor=%00", 400),
        ("/api/v1/proposals/7", 404),
        ("/api/v1/nothing", 404),
        ("/api/v1/proposals/", 404),
        ("/openapi.json", 404),
        ("/docs", 404),
        ("/static/../main.py", 404),
    ],
)
async def test_bad_reads_are_problems(site: Site, path: str, status: int) -> None:
    async with site.reader() as client:
        check_problem(await client.get(path), status)


async def test_a_large_body_is_refused(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.client(token=TOKENS["operator"]) as client:
        answer = await client.post(
            f"/api/v1/proposals/{number}/retry",
            content=b" " * 70_000,
            headers={"content-type": "application/json"},
        )
    check_problem(answer, 413)


async def test_broken_json_is_a_problem(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.client(token=TOKENS["operator"]) as client:
        answer = await client.post(
            f"/api/v1/proposals/{number}/retry", content=b"{", headers={"content-type": "application/json"}
        )
    check_problem(answer, 422)


async def test_a_broken_database_is_503(site: Site) -> None:
    await site.store.close()
    site.settings.paths.database.write_bytes(b"no database " * 1000)
    async with site.reader() as client:
        answer = await client.get("/api/v1/proposals")
    check_problem(answer, 503)


async def test_what_nobody_caught_tells_nothing(site: Site) -> None:
    async def broken() -> None:
        raise RuntimeError(CANARY)

    site.app.add_api_route("/healthz/broken", broken)
    ACCESS["GET", "/healthz/broken"] = ANYONE
    try:
        async with site.reader() as client:
            answer = await client.get("/healthz/broken")
    finally:
        del ACCESS["GET", "/healthz/broken"]
    check_problem(answer, 500)
    assert CANARY not in answer.text


def check_problem(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert problem["title"]
    assert problem["detail"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Traceback" not in answer.text
