"""The interface for programs, with a real store."""

from __future__ import annotations

import json
import re
from typing import Any

from app.core.changes import CheckResult
from app.core.models import ProposalState
from app.store import events
from tests import contract
from tests.web.conftest import CANARY, Site, add_proposal

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def get(site: Site, path: str) -> Any:
    async with site.reader() as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_proposal_has_the_fields_of_the_contract(site: Site) -> None:
    number = await add_proposal(site.store)
    found = await get(site, f"/api/v1/proposals/{number}")
    assert set(found) == set(contract.PROPOSAL)
    assert found["checks"] == [{"command": "pytest -q", "before": "fail", "after": "pass"}]
    assert (found["state"], found["kind"], found["count"], found["hosts"]) == ("open", "fix", 1, ["pi-1"])
    assert (found["head_sha"], found["branch"]) == ("b" * 40, "pimainteno/fix/greeter.service-0a1b2c3d")
    assert found["url"] == f"http://127.0.0.1:8300/proposals/{number}"
    assert TIME.fullmatch(found["created_at"])
    assert TIME.fullmatch(found["updated_at"])


async def test_a_list_has_the_same_fields_newest_first(site: Site) -> None:
    numbers = [await add_proposal(site.store) for _ in range(3)]
    found = await get(site, "/api/v1/proposals")
    assert [one["id"] for one in found["items"]] == numbers[::-1]
    assert found["next"] is None
    assert set(found["items"][0]) == set(contract.PROPOSAL)


async def test_open_means_working_waiting_and_open(site: Site) -> None:
    for state in ProposalState:
        await add_proposal(site.store, state=state)
    found = await get(site, "/api/v1/proposals?state=open")
    assert {one["state"] for one in found["items"]} == {"working", "waiting", "open"}
    every = await get(site, "/api/v1/proposals?state=all")
    assert {one["state"] for one in every["items"]} == set(ProposalState)


async def test_lists_can_be_filtered_and_paged(site: Site) -> None:
    numbers = [await add_proposal(site.store, project="greeter") for _ in range(51)]
    await add_proposal(site.store, project="remote")
    first = await get(site, "/api/v1/proposals?project=greeter")
    second = await get(site, f"/api/v1/proposals?project=greeter&cursor={first['next']}")
    assert [one["id"] for one in first["items"] + second["items"]] == numbers[::-1]
    assert second["next"] is None


async def test_projects(site: Site) -> None:
    await add_proposal(site.store)
    found = await get(site, "/api/v1/projects")
    assert found["next"] is None
    greeter, remote = found["items"]
    assert set(greeter) == set(contract.PROJECT)
    assert (greeter["name"], greeter["forge"], greeter["open"]) == ("greeter", "here", 1)
    assert (remote["open"], remote["last_scan"], remote["summary"]) == (0, None, None)


async def test_history_as_a_list_and_as_lines(site: Site) -> None:
    for _ in range(3):
        await add_proposal(site.store)
    found = await get(site, "/api/v1/history?project=greeter")
    assert [one["kind"] for one in found["items"]] == ["proposal.opened"] * 3
    assert set(found["items"][0]) == set(contract.EVENT)
    async with site.reader(accept="application/jsonl") as client:
        lines = await client.get("/api/v1/history")
    assert lines.headers["content-type"].startswith("application/jsonl")
    assert [json.loads(line) for line in lines.text.splitlines()] == found["items"]
    assert "link" not in lines.headers


async def test_history_lines_name_the_next_page(site: Site) -> None:
    async with site.store.write() as tx:
        for number in range(101):
            await events.append(tx, "scan.done", f"scan {number}\nwith two lines", project="greeter")
    async with site.reader(accept="application/jsonl") as client:
        first = await client.get("/api/v1/history?project=greeter")
        following = re.fullmatch(
            r"<(/api/v1/history\?project=greeter&cursor=\S+)>; rel=next", first.headers["link"]
        )
        assert following is not None
        second = await client.get(following[1])
    assert len(first.text.splitlines()) == 100
    assert json.loads(second.text)["text"] == "scan 0\nwith two lines"


async def test_everything_said_is_redacted(site: Site) -> None:
    check = CheckResult(command=f"curl -H {CANARY}", before="fail", after="pass")
    number = await add_proposal(
        site.store,
        title=f"use {CANARY}",
        reason=f"because {CANARY}",
        codex_md_diff=f"+{CANARY}",
        checks=(check,),
        url=f"https://x:{CANARY}@example.org/1",
    )
    async with site.reader() as client:
        for path in (f"proposals/{number}", "proposals", "history", "projects"):
            answer = await client.get(f"/api/v1/{path}")
            assert answer.status_code == 200
            assert CANARY not in answer.text
