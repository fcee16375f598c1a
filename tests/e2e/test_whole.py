"""All of it: a unit fails under a real systemd, a request is opened, people act on it, our page says so."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.doubles.github import GitHub
from tests.doubles.gitlab import GitLab
from tests.e2e import greeter
from tests.e2e.conftest import WAIT_S, a_house
from tests.e2e.watched import is_in, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.doubles.machine import Machine
    from tests.doubles.postgres import Postgres
    from tests.e2e.conftest import House

REPO = "me/greeter"
SECRET = "It is a Secret to Everybody"
TOKENS = {"github": "ghp_0123456789abcdefghijklmnopqrstuvwxyz", "gitlab": "glpat-0123456789abcdefghij"}


@dataclass
class There:
    """The house, its forge, and where the page answers."""

    house: House
    double: GitHub | GitLab
    page: str
    hears: bool

    def request(self) -> Any:
        (one,) = self.double.pulls(REPO)
        return one


@asynccontextmanager
async def installed(
    place: Path, machine: Machine, kind: str, database: str, *, hears: bool
) -> AsyncIterator[There]:
    """A running installation on a forge whose webhooks reach it, or get lost: then it looks each second."""
    async with a_house(place) as house:
        double = (
            GitHub(place / "hub", repos={REPO: house.bare}, token=TOKENS[kind])
            if kind == "github"
            else GitLab(place / "lab", repos={REPO: house.bare}, token=TOKENS[kind])
        )
        async with double:
            port = house.free_port()
            house.repo, house.database = REPO, database
            url = "api_url" if kind == "github" else "url"
            house.forge = f'kind = "{kind}"\n{url} = "{double.url}"\ntoken = "{TOKENS[kind]}"'
            house.forge += f'\nwebhook_secret = "{SECRET}"' if hears else ""
            house.configure(
                more=f'[web]\nport = {port}\n[web.tokens.look]\ntoken = "{SECRET}"\n'
                f'[watch]\nbus = "{machine.bus}"\njournal = "{machine.journal}"\n'
                "settle_s = 0.2\nticks = false\n"
            )
            text = (place / "pimainteno.toml").read_text()
            poll_s = 1000 if hears else 1
            (place / "pimainteno.toml").write_text(text.replace("[worker]", f"[worker]\npoll_s = {poll_s}"))
            page = f"http://127.0.0.1:{port}"
            if hears and isinstance(double, GitHub):
                double.webhook(f"{page}/webhooks/here", SECRET)
            elif hears:
                double.webhook(REPO, f"{page}/webhooks/here", SECRET)
            house.start("up")
            await until(lambda: is_in("watching units", house), house)
            yield There(house, double, page, hears)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the rows stand: "" is the file of its own."""
    if request.param == "sqlite":
        yield ""
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.empty()
    yield postgres.url(name)
    postgres.drop(name)


async def fail(machine: Machine) -> None:
    """Let the greeter's unit fail as it does on its host."""
    machine.run("mkdir", "-p", "/run/greeter")
    for name in ("greeter.py", "names.txt"):
        machine.run("tee", f"/run/greeter/{name}", input=greeter.FILES[name])
    machine.fail("greeter.service", "cd /run/greeter; exec python3 greeter.py")


async def is_so(there: There, **columns: Any) -> None:
    """Wait until our proposal has these values."""
    deadline = time.monotonic() + WAIT_S
    while True:
        (proposal,) = await there.house.proposals()
        if {key: proposal[key] for key in columns} == columns:
            return
        assert time.monotonic() < deadline, f"{proposal}\n{there.house.logs()}"
        await asyncio.sleep(0.05)


async def whole(there: There, machine: Machine) -> list[tuple[str, str]]:
    """Go all the way, from the failure to the merge; return what the history says of the forge's doings."""
    kind = "github" if isinstance(there.double, GitHub) else "gitlab"
    await fail(machine)
    proposal = await there.house.until_state("open")
    assert [(check["before"], check["after"]) for check in proposal["checks"]] == [("fail", "pass")]
    request = there.request()
    assert (proposal["number"], proposal["draft"]) == (request.number, True)
    do = there.double
    do.status(REPO, request.number, "build", "failure" if kind == "github" else "failed")
    await is_so(there, ci="failure")
    do.status(REPO, request.number, "build", "success")
    await is_so(there, ci="success")
    do.review(REPO, request.number, "octocat", "APPROVED")
    await is_so(there, review="approved")
    do.edit(REPO, request.number, title="Greet everybody")
    do.ready(REPO, request.number)
    await is_so(there, title="Greet everybody", draft=False)
    do.close(REPO, request.number)
    await is_so(there, state="closed")
    do.reopen(REPO, request.number)
    await is_so(there, state="open")
    do.merge(REPO, request.number)
    await is_so(there, state="merged")
    may_look = {"authorization": f"Bearer {SECRET}"}
    async with httpx.AsyncClient(base_url=there.page, headers=may_look) as client:
        shown = (await client.get(f"/proposals/{proposal['id']}")).text
        listed = (await client.get("/api/v1/proposals", params={"state": "all"})).json()["items"]
    assert "Greet everybody" in shown
    assert [one["state"] for one in listed] == ["merged"]
    told = ("proposal.ci", "proposal.review", "proposal.closed", "proposal.reopened", "proposal.merged")
    history = await there.house.history()
    return [(event["kind"], event["text"]) for event in history if event["kind"] in told]


TOLD = [
    ("proposal.ci", "CI: failure (build)"),
    ("proposal.ci", "CI: success"),
    ("proposal.review", "Review: approved by octocat"),
    ("proposal.closed", "Closed by octocat on the forge"),
    ("proposal.reopened", "Open again on the forge"),
    ("proposal.merged", "Merged by octocat on the forge"),
]


async def test_from_systemd_to_a_merge_on_github(place: Path, machine: Machine, database: str) -> None:
    async with installed(place, machine, "github", database, hears=True) as there:
        assert await whole(there, machine) == TOLD


async def test_from_systemd_to_a_merge_on_gitlab(place: Path, machine: Machine) -> None:
    async with installed(place, machine, "gitlab", "", hears=True) as there:
        assert await whole(there, machine) == TOLD


@pytest.mark.parametrize("kind", TOKENS)
async def test_lost_webhooks_change_nothing_but_the_delay(place: Path, machine: Machine, kind: str) -> None:
    async with installed(place, machine, kind, "", hears=False) as there:
        assert await whole(there, machine) == TOLD
