"""The calls that docs/api.md describes, made word for word against a served page."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import httpx

from app.core.models import ProposalState
from app.store.database import Store
from tests.e2e.conftest import WAIT_S
from tests.e2e.guides import at_home, blocks, page
from tests.web.conftest import add_proposal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.guides import Person

GUIDE = "docs/api.md"
ADDRESS = "http://127.0.0.1:8300"
GREETER = '[forges.here]\nkind = "local"\n[projects.greeter]\nforge = "here"\nrepo = "/nowhere/greeter.git"\n'


async def test_every_call_of_the_guide_is_answered(place: Path) -> None:
    (_, make_token), (_, token), (_, begin) = blocks(GUIDE, "A token")
    assert ADDRESS in begin
    *define, first = begin.replace(ADDRESS, "{page}").rstrip().splitlines()
    async with at_home(place) as person:

        async def called(*calls: str) -> int:
            script = "\n".join([*define, *calls]).replace("{page}", page(person))
            return len(answers(await person.types(script)))

        await person.types("bash deploy/setup.sh")
        await person.types(make_token)
        (person.clone / "pimainteno.toml").write_text(f'state_dir = "{place}/state"\n{token}\n{GREETER}')
        person.starts(".venv/bin/pimainteno web")
        await until_served(person)
        await seed(place)
        (_, read), (_, lines) = blocks(GUIDE, "Read")
        ((_, decide),) = blocks(GUIDE, "Decide")
        assert await called(first) == 1
        assert await called(read) == 6
        assert await called(lines) == 0
        assert await called(decide) == 4
        assert await called(lines) == 4  # what the token did


def answers(lines: list[str]) -> list[object]:
    """Return the answers that were printed one after the other; curl ends none of them with a new line."""
    text, found, decoder = "\n".join(lines), [], json.JSONDecoder()
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


async def until_served(person: Person) -> None:
    deadline = time.monotonic() + WAIT_S
    async with httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"{page(person)}/healthz")
            except httpx.TransportError:
                assert time.monotonic() < deadline, person.log()
            else:
                return


async def seed(place: Path) -> None:
    """Add what the guide decides on: proposals 1 to 4, of which the third failed."""
    async with Store.opened(f"sqlite+aiosqlite:///{place}/state/pimainteno.sqlite3") as store:
        for number in range(1, 5):
            state = ProposalState.FAILED if number == 3 else ProposalState.OPEN
            assert await add_proposal(store, state=state) == number
