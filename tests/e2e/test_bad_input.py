"""What goes wrong outside ends in a clear line that says what to do, and no report is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e import greeter
from tests.e2e.test_redis import Gate, Held

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import House

MIB = 1 << 20


def _emptied(house: House) -> None:
    shutil.rmtree(house.bare)
    greeter.git("init", "--quiet", "--bare", str(house.bare), at=house.at)


async def test_an_unknown_project_is_wrong_use(house: House) -> None:
    code, _, err = await house.run("fix", "greeting", "--unit", "greeter.service")
    assert code == 2
    assert "greeting" in err
    assert "greeter" in err
    assert len(err.splitlines()) == 1


async def test_a_unit_of_no_project_is_wrong_use(house: House) -> None:
    code, _, err = await house.run("fix", "greeter", "--unit", "mail.service")
    assert code == 2
    assert "mail.service" in err
    assert "greeter.service" in err


async def test_an_unreadable_log_is_wrong_use(house: House) -> None:
    code, _, err = await house.run("fix", "greeter", "--unit", "greeter.service", "--log", "/nowhere/x.log")
    assert code == 2
    assert "/nowhere/x.log" in err


@pytest.mark.parametrize("log", ["", "\0\x1b[31m\xff\xfe" * 500], ids=["empty", "binary"])
async def test_a_strange_log_does_not_stop_the_repair(house: House, log: str) -> None:
    house.start("worker")
    code, _, err = await house.fail("--wait", log=log)
    assert code == 0, err + house.logs()


async def test_a_line_of_a_gigabyte_stays_small(house: House) -> None:
    huge = house.at / "huge.log"
    with huge.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b" IndexError: list index out of range")
    house.start("worker")
    code, _, err = await house.run(
        "fix", "greeter", "--unit", "greeter.service", "--log", str(huge), "--wait"
    )
    assert code == 0, err + house.logs()
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 256 * 1024 * 4  # of all children so far
    assert psutil.Process(house.processes[0].pid).memory_info().rss < 256 * MIB


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda house: shutil.rmtree(house.bare), ["greeter.git"]),
        (_emptied, ["empty"]),
        (lambda house: house.configure(project='branch = "release"'), ["release"]),
    ],
    ids=["no repository", "empty repository", "no such branch"],
)
async def test_a_repository_that_cannot_be_used_is_named(
    house: House, harm: Callable[[House], None], words: list[str]
) -> None:
    harm(house)
    house.start("worker")
    code, _, _ = await house.fail()
    assert code == 0
    proposal = await house.until_state("failed", "waiting")
    for word in [*words, "greeter"]:
        assert word in proposal["reason"]
    assert any(proposal["reason"] in event["text"] for event in await house.history())
    assert house.model.requests == []


async def test_a_base_that_moved_elsewhere_is_followed_without_the_model(house: House) -> None:
    gate = await _repairing(house)
    moved = greeter.commit(house.checkout, {"README.md": "Greets.\n"}, "Add a readme")
    gate.open.set()
    proposal = await house.until_state("open")
    assert proposal["base_sha"] == moved
    assert greeter.git("rev-parse", f"{proposal['branch']}^", at=house.bare) == moved
    assert [(c["before"], c["after"]) for c in proposal["checks"]] == [("fail", "pass")]
    assert house.script.kinds.count("fix") == 1


async def test_a_base_that_was_force_pushed_is_followed(house: House) -> None:
    gate = await _repairing(house)
    greeter.git("commit", "--quiet", "--amend", "-m", "Greet everybody, again", at=house.checkout)
    greeter.git("push", "--quiet", "--force", "origin", "HEAD:main", at=house.checkout)
    gate.open.set()
    proposal = await house.until_state("open")
    assert greeter.git("rev-parse", f"{proposal['branch']}^", at=house.bare) == house.branches()["main"]
    assert house.script.kinds.count("fix") == 1


async def test_a_base_that_conflicts_starts_the_agent_again(house: House) -> None:
    gate = await _repairing(house)
    changed = greeter.FILES["greeter.py"].replace("Hello, ", "Good day, ")
    checks = greeter.FILES["check.py"].replace("Hello, ", "Good day, ")
    greeter.commit(house.checkout, {"greeter.py": changed, "check.py": checks}, "Be polite")
    house.script.fix = greeter.FIX.replace("Hello, ", "Good day, ")
    gate.open.set()
    proposal = await house.until_state("open")
    assert "Good day" in greeter.git("show", f"{proposal['branch']}:greeter.py", at=house.bare)
    assert house.script.kinds.count("fix") == 2


@pytest.mark.parametrize(
    ("check", "verdict"),
    [("no-such-program --quiet", "error"), ("sleep 60", "timeout"), ("head -c 1G /dev/zero; exit 1", "fail")],
    ids=["missing", "hanging", "a gigabyte"],
)
async def test_a_bad_check_is_refused_by_name(house: House, check: str, verdict: str) -> None:
    timeout_s = 2 if verdict == "timeout" else 60
    house.configure(checks=("python3 check.py", check), project=f"check_timeout_s = {timeout_s}")
    worker = house.start("worker")
    code, _, err = await house.fail("--wait")
    assert code == 1
    assert check.partition(";")[0] in err
    (proposal,) = await house.proposals()
    assert proposal["state"] == "refused"
    assert [(c["before"], c["after"]) for c in proposal["checks"]] == [("fail", "pass"), (verdict, verdict)]
    assert psutil.Process(worker.pid).memory_info().rss < 256 * MIB


async def _repairing(house: House) -> Gate:
    gate = Gate()
    house.model.script = Held(house.script, gate, summarise=True)
    house.start("worker")
    await house.fail()
    async with asyncio.timeout(60):
        await gate.reached.wait()
    return gate
