"""schemathesis reads the document of a served page and calls all of it, as written and against the rules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.core import process
from app.core.models import ProposalState
from app.store import events
from tests.web.conftest import TOKENS, add_proposal
from tests.web.test_serve import UNREACHABLE, served

if TYPE_CHECKING:
    from app.core.settings import Settings
    from app.store.database import Store

PROGRAM = Path(sys.executable).with_name("schemathesis")
OPTIONS = ("--phases=examples,coverage,fuzzing", "--seed=1", "--generation-deterministic", "--no-color")
LONGEST_S = 240
CONFIGURATION = """\
[checks.positive_data_acceptance]
# 400 is a cursor that is none of ours, or a length of time beyond a year: no schema can say either
expected-statuses = ["2xx", 400, 404, 409]
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"redis_url": UNREACHABLE})


async def seed(store: Store) -> None:
    """Add more than a page of proposals and of history, in every state."""
    for number in range(56):
        state = list(ProposalState)[number % len(ProposalState)]
        await add_proposal(store, state=state, project=("greeter", "remote")[number % 2])
    async with store.write() as tx:
        for number in range(60):
            await events.append(tx, "scan.done", f"scan {number}", project="greeter", data={"items": number})


@pytest.mark.timeout(LONGEST_S + 30)  # some 20 s where nothing else runs
async def test_it_finds_nothing_that_the_document_does_not_say(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    await seed(store)
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    async with served(settings) as client:
        headers = {
            "Authorization": f"Bearer {TOKENS['operator']}",
            "X-Forwarded-For": "192.0.2.7",  # as from elsewhere: nothing may be read without the token
        }
        ended = await process.run(
            [
                *(str(PROGRAM), "run", f"{client.base_url}/api/v1/openapi.json", f"--url={client.base_url}"),
                *(f"--header={name}:{value}" for name, value in headers.items()),
                *("--max-examples=10", *OPTIONS),
            ],
            cwd=tmp_path,
            timeout_s=LONGEST_S,
        )
    assert ended.returncode == 0, ended.stdout.decode() + ended.stderr.decode()
