"""The publisher at home: a real store, a real bare repository of an owner, and its jobs done one by one."""

from __future__ import annotations

import asyncio
import importlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from app.core.base import now
from app.core.changes import Answer, Change, Changeset, CheckResult, Usage
from app.core.models import Kind, NewJob
from app.core.queue import Bell, Queue
from app.core.redact import Redactor
from app.core.reports import Failure, Tick
from app.core.settings import load
from app.store import actions, events, incidents, jobs, proposals, runs
from app.store.database import Store
from app.store.migrate import upgrade
from tests.doubles.origin import Origin, made
from tests.worker.publisher.there import KINDS, There, configure, double_of
from worker.context import Work
from worker.forges import pacer
from worker.jobs import HANDLERS, Desk, do
from worker.publisher import intake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.core.models import Event, Incident, Job, Proposal, Run
    from app.core.settings import Settings

SECRET = "hunter2-very-secret"
FILES: dict[str, bytes | str] = {"app.py": "one\ntwo\nthree\nfour\nfive\n", "README.md": "# greeter\n"}
FIXED = "one\ntwo\nTHREE\nfour\nfive\n"
PASSED = (CheckResult(command="pytest -q", before="fail", after="pass"),)
ANSWER = Answer(
    verdict="fixed",
    title="Count to three",
    cause="Three was not written large.",
    change="It is now.",
    risk="low",
    confidence=0.9,
)


@dataclass
class House:
    """Everything that a test of the publisher touches."""

    at: Path
    origin: Origin
    store: Store
    forge: str = 'kind = "local"'
    repo: str = ""

    def configure(self, *, project: str = 'checks = ["pytest -q"]', more: str = "") -> None:
        """Write the configuration anew."""
        file = self.at / "pimainteno.toml"
        file.write_text(
            f'state_dir = "{self.at}/state"\npublic_url = "https://pm.example"\n'
            f'[codex]\napi_key = "{SECRET}"\n[forges.here]\n{self.forge}\n{more}\n'
            f'[projects.greeter]\nforge = "here"\nrepo = "{self.repo or self.origin.bare}"\n'
            f'units = ["greeter.service", "greeter@*.service"]\n{project}\n'
        )
        self._settings = load(file, env={})

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def desk(self) -> Desk:
        bell, owner = Bell("unix:///nowhere"), "me"
        redactor = Redactor(self.settings.secrets())
        return Desk(self.settings, self.store, bell, redactor, owner, asyncio.Semaphore(1), frozenset())

    async def fail(self, **fields: Any) -> list[Job]:
        """Report a failure; without fields always the same one, on one host."""
        report = {"project": "greeter", "unit": "greeter.service", "host": "pi", "log": "error: no three"}
        given = Failure.model_validate(report | fields)
        return await intake.failures(self.settings, self.store, self.desk.redactor, [given])

    async def tick(self, **fields: Any) -> list[Job]:
        """Report a tick."""
        return await intake.tick(
            self.settings, self.store, Tick.model_validate({"project": "greeter"} | fields)
        )

    async def do(self, job: Job) -> list[Job]:
        """Do a job as a worker does, the ladder included; return the jobs that follow."""
        return await do(self.desk, job.id)

    async def call(self, job: Job) -> tuple[NewJob, ...]:
        """Call a job's handler without the ladder: what it raises is raised."""
        async with self.store.write() as tx:
            taken = await jobs.take(tx, job.id, owner="me", lease_s=30)
        assert taken is not None
        desk = self.desk
        work = Work(desk.settings, desk.settings.paths, self.store, desk.redactor, taken[1])
        module, _, name = HANDLERS[job.queue, job.name].partition(":")
        try:
            following: tuple[NewJob, ...] = await getattr(importlib.import_module(module), name)(
                work, **job.args
            )
        except BaseException:
            async with self.store.write() as tx:
                await jobs.release(tx, taken[1])
            raise
        async with self.store.write() as tx:
            await jobs.done(tx, taken[1])
        return following

    async def again(self, job: Job) -> Job:
        """Return a job to do the same once more, whatever came of this one."""
        async with self.store.write() as tx:
            return await jobs.add(tx, NewJob(queue=job.queue, name=job.name, args=job.args))

    async def ask(self, action: actions.Action, proposal_id: int = 1, **more: Any) -> Job:
        """Ask for an action as a person does."""
        async with self.store.write() as tx:
            return await actions.request(tx, action, proposal_id, actor="ann", local=True, **more)

    async def made(self, run_id: int = 1, files: dict[str, str | None] | None = None, **columns: Any) -> Job:
        """Write what the agent would have made of a run; return the publish job."""
        files = {"app.py": FIXED} if files is None else files
        async with self.store.write() as tx:
            run = await runs.get(tx, run_id)
            assert run.base_sha is not None
            changes = [
                Change(path=path, content=None if text is None else text.encode())
                for path, text in files.items()
            ]
            given: dict[str, Any] = {
                "state": "done",
                "stage": "summarise",
                "changeset": Changeset(base=run.base_sha).with_changes(changes),
                "answer": ANSWER if run.kind is Kind.FIX else None,
                "checks": PASSED if run.kind is Kind.FIX else (),
                "model": "gpt-5.5",
                "usage": Usage(input=10, output=2),
                "started_at": run.started_at or now(),
                "finished_at": now(),
            }
            await runs.update(tx, run_id, **given | columns)
            return await jobs.add(tx, NewJob(queue=Queue.PUBLISHER, name="publish", args={"run_id": run_id}))

    async def ready(self, files: dict[str, str | None] | None = None, **columns: Any) -> Job:
        """Return the publish job of a first failure's run."""
        (job,) = await self.fail()
        await self.do(job)
        return await self.made(files=files, **columns)

    async def opened(self, files: dict[str, str | None] | None = None, **fields: Any) -> Proposal:
        """Take one failure all the way to an open proposal."""
        (job,) = await self.fail(**fields)
        await self.do(job)
        await self.do(await self.made(job.args["run_id"], files))
        return await self.proposal((await self.run(job.args["run_id"])).proposal_id)

    async def proposal(self, proposal_id: int = 1) -> Proposal:
        async with self.store.read() as tx:
            return await proposals.get(tx, proposal_id)

    async def run(self, run_id: int = 1) -> Run:
        async with self.store.read() as tx:
            return await runs.get(tx, run_id)

    async def incident(self, incident_id: int = 1) -> Incident:
        async with self.store.read() as tx:
            return await incidents.get(tx, incident_id)

    async def events(self, *kinds: str) -> list[Event]:
        """Return the history, oldest first; of these kinds, or all."""
        async with self.store.read() as tx:
            found, _ = await events.page(tx, newest_first=False, limit=1000)
        return [event for event in found if not kinds or event.kind in kinds]

    async def set_proposal(self, proposal_id: int = 1, **columns: Any) -> None:
        async with self.store.write() as tx:
            await proposals.update(tx, proposal_id, **columns)

    async def set_run(self, run_id: int = 1, **columns: Any) -> None:
        async with self.store.write() as tx:
            await runs.update(tx, run_id, **columns)

    def branches(self) -> dict[str, str]:
        """Return what stands in the owner's repository."""
        lines = self.origin.git("ls-remote", "--heads", str(self.origin.bare)).splitlines()
        return {name.removeprefix("refs/heads/"): sha for sha, name in (line.split("\t") for line in lines)}

    def show(self, what: str) -> str:
        """Return `git show` of the owner's repository."""
        return self.origin.git(f"--git-dir={self.origin.bare}", "show", what)

    def hook(self, name: str, script: str) -> None:
        """Give the owner's repository a hook."""
        hook = self.origin.bare / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
async def house(template: Path, tmp_path: Path) -> AsyncIterator[House]:
    origin = made(tmp_path / "owner")
    origin.commit(FILES, "begin")
    path = tmp_path / "pimainteno.sqlite3"
    shutil.copyfile(template, path)
    async with Store.opened(f"sqlite+aiosqlite:///{path}") as store:
        here = House(tmp_path, origin, store)
        here.configure()
        yield here


@pytest.fixture(params=KINDS)
async def there(
    request: pytest.FixtureRequest, house: House, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[There]:
    """A proposal that is open, and the forge that has it."""
    monkeypatch.setattr(pacer, "PACE_S", 0.0)
    async with double_of(house, request.param) as double:
        configure(house, double, request.param)
        await house.opened()
        made = There(house, double, request.param)
        await made.settle()
        yield made
