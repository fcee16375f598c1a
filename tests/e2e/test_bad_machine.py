"""A machine that lacks something, or does two things at once: each is named, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.doubles.model import Status
from tests.e2e import greeter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.e2e.conftest import House

T = TypeVar("T")


async def test_no_codex_is_named(house: House) -> None:
    text = (house.at / "pimainteno.toml").read_text()
    (house.at / "pimainteno.toml").write_text(text.replace("[codex]", '[codex]\ncommand = "/nowhere/codex"'))
    house.start("worker")
    await house.fail()
    proposal = await house.until_state("waiting", "failed")
    assert "/nowhere/codex" in proposal["reason"]


async def test_no_user_namespaces_stop_all_runs_until_a_person_resumes(house: House) -> None:
    """In a user namespace of its own the worker may make none below it, as on a host that forbids them."""
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    house.start(
        "worker", program=["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "-", *house.argv()]
    )
    await house.fail()
    proposal = await house.until_state("waiting")
    assert "namespaces" in proposal["reason"]
    assert "operator.pause" in [event["kind"] for event in await house.history()]
    assert house.model.requests == []
    await asyncio.to_thread(house.stop)
    assert (await house.run("resume"))[0] == 0
    house.start("worker")
    await house.until_state("open")


@pytest.mark.parametrize("shell", ["/bin/sh", "/usr/sbin/nologin"])
async def test_any_login_shell_will_do(house: House, shell: str) -> None:
    """A service's user has none, or a plain one: the model's commands must run all the same."""
    passwd = house.at / "passwd"
    passwd.write_text(f"root:x:0:0:root:/root:{shell}\nnobody:x:65534:65534:nobody:/nonexistent:{shell}\n")
    disguised = f'mount --bind {passwd} /etc/passwd && exec "$@"'
    unshared = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", disguised, "-", *house.argv()]
    house.start("worker", program=unshared)
    code, _, err = await house.fail("--wait")
    assert code == 0, err
    said = json.dumps(house.model.requests[1]["input"])
    assert "exited with code 0" in said
    assert "def greet" in said


async def test_a_wrong_key_stops_all_runs_until_a_person_resumes(house: House) -> None:
    good, house.model.script = house.model.script, _Always(Status(401, "Incorrect API key provided"))
    house.start("worker")
    await house.fail()
    proposal = await house.until_state("waiting")
    assert "key" in proposal["reason"]
    asked = len(house.model.requests)
    await asyncio.sleep(2)  # several sweeps: a paused run asks nothing
    assert len(house.model.requests) == asked
    house.model.script = good
    assert (await house.run("resume"))[0] == 0
    await house.until_state("open")


async def test_redis_away_queues_nothing_and_says_so(house: House) -> None:
    port = house.free_port()
    house.configure(more=f'redis_url = "redis://127.0.0.1:{port}"')
    worker = house.start("worker")
    code, out, err = await house.fail()
    assert code == 1
    assert f"127.0.0.1:{port}" in err
    assert "queued" not in out
    server = _redis_server(port, house.at)
    try:
        assert await _eventually(lambda: house.fail("--wait"), lambda result: result[0] == 0), house.logs()
        assert worker.poll() is None
    finally:
        server.terminate()
        server.wait()


async def test_a_database_of_a_later_version_is_left_alone(house: House) -> None:
    assert (await house.run("proposals"))[0] == 0
    file = house.state / "pimainteno.sqlite3"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("update alembic_version set version_num = '9999'")
    code, _, err = await house.run("proposals")
    assert code == 1
    assert "9999" in err
    assert len(err.strip().splitlines()) == 1


async def test_two_workers_make_one_proposal(house: House) -> None:
    house.start("worker")
    house.start("worker")
    await asyncio.gather(*(house.fail("--host", f"h{i}") for i in range(4)))
    proposal = await house.until_state("open")
    await _eventually(house.proposals, lambda listed: listed[0]["count"] == 4)
    assert (await house.proposals())[0]["count"] == 4
    assert house.script.kinds == ["fix", "summarise"]
    assert sorted(house.branches()) == ["main", proposal["branch"]]


async def test_a_second_up_says_that_one_runs_already(house: House) -> None:
    house.configure(more=f"[web]\nport = {house.free_port()}")
    house.start("up")
    await _eventually(lambda: asyncio.to_thread(house.logs), lambda logs: "worker ready" in logs)
    code, _, err = await house.run("up")
    assert code == 1
    assert "another" in err
    assert (await house.fail("--wait"))[0] == 0


async def test_a_full_disk_is_named_and_recovered_from(house: House) -> None:
    """On a file system of its own that fills up while the worker works, and has room again later."""
    script = (
        "mount -t tmpfs -o size=24m none {state} && {worker} & "
        "while ! [ -e {state}/redis/redis.sock ]; do sleep 0.05; done; "
        "dd if=/dev/zero of={state}/ballast bs=64k 2>/dev/null; "
        "{fix}; sleep 4; {proposals} > {at}/full.json; rm {state}/ballast; "
        "{fix} --wait; echo $? > {at}/code; {proposals} > {at}/after.json; kill $!; wait"
    )
    house.state.mkdir()
    line = " ".join(house.argv())
    (house.at / "failure.log").write_text(greeter.LOG)
    report = f"{line} fix greeter --unit greeter.service --log {house.at}/failure.log"
    inside = script.format(
        state=house.state,
        at=house.at,
        worker=f"{line} worker",
        fix=report,
        proposals=f"{line} proposals --all --json",
    )
    process = house.start(
        "unshare", program=["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, "-"]
    )
    await asyncio.to_thread(process.wait, 90)
    assert (house.at / "code").read_text().strip() == "0", house.logs()
    assert "space" in house.logs()
    (proposal,) = json.loads((house.at / "after.json").read_text())
    assert proposal["state"] == "open"


class _Always:
    def __init__(self, reply: Status) -> None:
        self._reply = reply

    def reply(self, _request: object) -> Status:
        return self._reply


def _redis_server(port: int, at: Path) -> subprocess.Popen[bytes]:
    from app.core.redis import server_binary

    argv = [str(server_binary()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(at)]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=sys.stderr)


async def _eventually(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if holds(await ask()):
            return True
        await asyncio.sleep(0.1)
    return False
