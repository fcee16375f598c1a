"""The application with a real store, reached from any peer, and data that looks like a real week."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from app.core.base import now
from app.core.changes import Answer, CheckResult, Usage
from app.core.models import Kind, ProposalState
from app.core.queue import Bell
from app.core.redact import Redactor
from app.core.reports import Failure
from app.core.settings import GitHubForge, LocalForge, ProjectSettings, Settings, WebSettings, WebToken
from app.store import events, incidents, projects, proposals, runs
from app.store.database import Store
from app.web.main import create_app
from tests.web import described

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

CANARY = "canary-4f2e9b7c1d8a6e30"
HOSTILE = "<script>alert(1)</script>"
TOKENS = {role: f"{role}-token-0123456789" for role in ("viewer", "operator", "administrator")}
DIFF = """diff --git a/greet.py b/greet.py
--- a/greet.py
+++ b/greet.py
@@ -1,3 +1,3 @@
 def greet(name):
-    return "Hello " + nmae
+    return "Hello " + name
"""
CODEX_DIFF = "--- a/codex.md\n+++ b/codex.md\n@@ -1 +1,2 @@\n # greeter\n+It greets people.\n"


def make_settings(state: Path, **more: Any) -> Settings:
    web = WebSettings(
        port=0,
        tokens={role: WebToken(token=SecretStr(token), role=role) for role, token in TOKENS.items()},  # type: ignore[arg-type]
    )
    given: dict[str, Any] = {
        "state_dir": state,
        "web": web,
        "forges": {
            "here": LocalForge(kind="local"),
            "hub": GitHubForge(kind="github", token=SecretStr(CANARY)),
        },
        "projects": {
            "greeter": ProjectSettings(
                forge="here", repo="/srv/git/greeter.git", units=("greeter.service",), checks=("pytest -q",)
            ),
            "remote": ProjectSettings(forge="hub", repo="me/remote", units=("remote.service",)),
        },
    }
    return Settings(**(given | more))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "state")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One migrated database for all tests: each gets a copy."""
    path = tmp_path_factory.mktemp("database") / "empty.sqlite3"

    async def make() -> None:
        async with Store.opened(f"sqlite+aiosqlite:///{path}") as made:
            await made.ping()

    asyncio.run(make())
    return path


@pytest.fixture
async def store(settings: Settings, empty_database: Path) -> AsyncIterator[Store]:
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_database, settings.paths.database)
    async with Store.opened(settings.database_url_effective) as opened:
        yield opened


@dataclass(frozen=True)
class Site:
    """The application and ways to call it."""

    app: FastAPI
    store: Store
    settings: Settings

    def client(
        self,
        *,
        peer: str = "127.0.0.1",
        token: str = "",
        base: str = "http://127.0.0.1:8300",
        html: bool = False,
        **headers: str,
    ) -> httpx.AsyncClient:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            given["authorization"] = f"Bearer {token}"
        if html:
            given["accept"] = "text/html,*/*;q=0.8"
        transport = httpx.ASGITransport(app=self.app, client=(peer, 40000))
        hooks = {"response": [described.hold]}
        return httpx.AsyncClient(transport=transport, base_url=base, headers=given, event_hooks=hooks)

    def reader(self, **given: Any) -> httpx.AsyncClient:
        """A client that may read; `given` is passed on to `client`."""
        return self.client(**({"token": TOKENS["viewer"]} | given))

    @asynccontextmanager
    async def login(self, role: str = "viewer", **given: Any) -> AsyncIterator[httpx.AsyncClient]:
        """A browser with a page session of that role; `given` is passed on to `client`."""
        async with self.client(**({"html": True} | given)) as client:
            origin = {"origin": str(client.base_url).rstrip("/")}
            answer = await client.post("/login", data={"token": TOKENS[role]}, headers=origin)
            assert answer.status_code == 303, answer.text
            yield client


Make = Callable[..., Site]


@pytest.fixture
async def make_site(settings: Settings, store: Store, tmp_path: Path) -> AsyncIterator[Make]:
    bell = Bell(f"unix://{tmp_path}/nobody.sock")

    def make(changed: Settings | None = None, *, demo: bool = False) -> Site:
        chosen = changed or settings
        app = create_app(chosen, store=store, bell=bell, redactor=Redactor(chosen.secrets()), demo=demo)
        return Site(app, store, chosen)

    async with bell:
        yield make


@pytest.fixture
def site(make_site: Make) -> Site:
    return make_site()


async def add_proposal(
    store: Store,
    *,
    project: str = "greeter",
    state: ProposalState = ProposalState.OPEN,
    title: str = "Spell the name right",
    log: str = "NameError: name 'nmae' is not defined",
    **columns: Any,
) -> int:
    """Add a proposal as the worker leaves it: incident, run, checks, diff, history."""
    check = CheckResult(
        command="pytest -q", before="fail", after="pass", before_output="1 failed", after_output="1 passed"
    )
    answer = Answer(
        verdict="fixed",
        title=title,
        cause="The argument is misspelled.",
        change="Uses the argument's name.",
        risk="low",
        confidence=0.9,
    )
    async with store.write() as tx:
        branch = await proposals.free_branch(tx, project, "pimainteno/fix/greeter.service-0a1b2c3d")
        failure = Failure(project=project, unit=f"{project}.service", host="pi-1", exit_status="1", log=log)
        incident = await incidents.record(tx, failure, fingerprint=branch, version=1, log=log)
        made = await proposals.create(
            tx, project=project, kind=Kind.FIX, branch=branch, title=title, incident=incident
        )
        run = await runs.create(tx, made)
        await runs.update(
            tx,
            run.id,
            state="done",
            stage="open",
            answer=answer,
            checks=(check,),
            diff=DIFF,
            codex_md_diff=CODEX_DIFF,
            model="scripted",
            usage=Usage(input=1200, cached=200, output=300),
            started_at=now(),
            finished_at=now(),
        )
        values: dict[str, Any] = {
            "head_sha": "b" * 40,
            "base_sha": "a" * 40,
            "url": f"http://127.0.0.1:8300/proposals/{made.id}",
        }
        values |= {
            "checks": (check,),
            "codex_md_diff": CODEX_DIFF,
            "number": made.id,
            "body": "## What failed\n",
        }
        await proposals.update(tx, made.id, state=state, **(values | columns))
        await projects.saw(tx, project, last_commit="a" * 40)
        await events.append(
            tx,
            "proposal.opened",
            f"opened {title}",
            project=project,
            proposal=made.id,
            run=run.id,
            host="pi-1",
        )
        return made.id
