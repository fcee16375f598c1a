"""Checks as proof, in the real sandbox, and what each outcome comes to."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from pathlib import Path

import pytest

from app.core.changes import Change, Changeset, CheckResult, Verdict
from app.core.errors import Refused
from tests.worker.agent.conftest import PROJECT, Workshop
from worker.agent import shell
from worker.agent.checks import Proof, judge, prove


def _fix(head: str, **files: bytes) -> Changeset:
    changes = [Change(path=path.replace("_", "."), content=content) for path, content in files.items()]
    return Changeset(base=head).with_changes(changes)


async def _one(shop: Workshop, head: str, command: str, **settings: object) -> CheckResult:
    work = shop.work(checks=[command], **settings)
    (result,) = await prove(work, PROJECT, _fix(head, greet_py=b"print('hello')\n"))
    return result


async def test_before_and_after(shop: Workshop, head: str) -> None:
    work = shop.work(
        checks=["grep -q hello greet.py", "test -f src/two.txt", "cat greet.py; no-such-command"]
    )
    results = await prove(work, PROJECT, _fix(head, greet_py=b"print('hello')\n"))
    assert [(r.before, r.after) for r in results] == [("fail", "pass"), ("pass", "pass"), ("error", "error")]
    assert results[2].before_output.startswith("print('helo')\n")
    assert "no-such-command: not found" in results[2].after_output
    assert list(work.paths.scratch.iterdir()) == []


async def test_no_checks_no_worktree(shop: Workshop, head: str) -> None:
    work = shop.work()
    assert await prove(work, PROJECT, _fix(head)) == ()
    assert not work.paths.clone(PROJECT).exists()


async def test_each_side_has_a_worktree_of_its_own(shop: Workshop, head: str) -> None:
    result = await _one(
        shop, head, "test ! -e spoiled && touch spoiled && ! test -e /tmp/spoiled && touch /tmp/spoiled"
    )
    assert (result.before, result.after) == ("pass", "pass")


async def test_a_check_that_hangs_is_ended_with_all_that_it_started(shop: Workshop, head: str) -> None:
    mark = f"mark-{uuid.uuid4().hex}"
    started = time.monotonic()
    daemon = (
        f"(setsid sh -c 'exec sleep 300 # {mark}' &) ; setsid sh -c 'trap \"\" TERM; sleep 300; : {mark}'"
    )
    result = await _one(shop, head, daemon, check_timeout_s=0.5)
    assert (result.before, result.after) == ("timeout", "timeout")
    assert time.monotonic() - started < 20
    assert not _running(mark.encode())


async def test_a_daemon_does_not_outlive_a_check_that_ends(shop: Workshop, head: str) -> None:
    mark = f"mark-{uuid.uuid4().hex}"
    result = await _one(shop, head, f"setsid sh -c 'sleep 300; : {mark}' >/dev/null 2>&1 & exit 0")
    assert result.after == "pass"
    assert not _running(mark.encode())


async def test_a_check_that_prints_without_end_is_bounded(shop: Workshop, head: str) -> None:
    result = await _one(shop, head, "head -c 200000000 /dev/zero | tr '\\0' x; echo; echo the end")
    assert result.after == "pass"
    assert len(result.after_output) <= shell.OUTPUT_LIMIT
    assert result.after_output.endswith("x\nthe end")


async def test_output_is_fit_to_show(shop: Workshop, head: str) -> None:
    result = await _one(
        shop, head, "printf '\\033[31mred\\033[0m \\377 the-model-key-0123456789 \\342\\200\\256'"
    )
    assert result.after_output.split() == ["red", "\ufffd", "[redacted]"]


async def test_a_check_reaches_no_network_and_no_state(shop: Workshop, head: str) -> None:
    work = shop.work()
    work.paths.database.write_text("rows")
    tries = [
        f"cat {work.paths.database}",
        f"cat {work.paths.mirror(PROJECT)}/HEAD",
        f"touch {work.paths.clone(PROJECT)}/config",
        "echo x > .git",
        "git config core.fsmonitor x",
        "grep -v -e lo: /proc/net/dev | grep :",
    ]
    work = shop.work(checks=tries)
    results = await prove(work, PROJECT, _fix(head, greet_py=b"x"))
    assert [result.after for result in results] == ["fail"] * 5 + ["fail"]


async def test_words_that_sound_like_the_sandbox_are_only_words(shop: Workshop, head: str) -> None:
    result = await _one(shop, head, "echo 'bwrap: no user namespaces' >&2; exit 1")
    assert (result.before, result.after) == ("fail", "fail")


async def test_stopping_the_job_ends_its_checks(shop: Workshop, head: str) -> None:
    mark = f"mark-{uuid.uuid4().hex}"
    job = asyncio.create_task(_one(shop, head, f"sleep 300; : {mark}"))
    async with asyncio.timeout(20):
        while not _running(mark.encode()):  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)
    job.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await job
    assert not _running(mark.encode())
    assert list(shop.work().paths.scratch.iterdir()) == []


def _running(mark: bytes) -> bool:
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if mark in (entry / "cmdline").read_bytes():
                return True
    return False


def _result(before: Verdict | None, after: Verdict | None, command: str = "make test") -> CheckResult:
    return CheckResult(command=command, before=before, after=after)


PASSED, BOTH = _result("pass", "pass", "lint"), _result("fail", "pass")


@pytest.mark.parametrize(
    ("results", "proof"),
    [
        ((), Proof(proven=False, note="no checks are configured")),
        ((PASSED,), Proof(proven=False, note="no check shows the failure")),
        ((BOTH,), Proof(proven=True)),
        ((PASSED, BOTH), Proof(proven=True)),
        ((_result("timeout", "pass"),), Proof(proven=True)),
        ((_result("error", "pass"),), Proof(proven=False, note="no check shows the failure")),
    ],
)
def test_what_may_be_proposed(results: tuple[CheckResult, ...], proof: Proof) -> None:
    assert judge(results) == proof


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("pass", "fail", "breaks the check 'make test': it passed before, now it fails"),
        ("pass", "timeout", "breaks the check 'make test': it passed before, now it does not end in time"),
        ("fail", "fail", "the check 'make test' fails before and after alike"),
        ("error", "error", "the check 'make test' cannot be run before and after alike"),
        ("timeout", "fail", "the check 'make test' fails with the change"),
        ("fail", None, "the check 'make test' did not run with the change"),
    ],
)
def test_what_may_not_be_proposed(before: Verdict, after: Verdict | None, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        judge((PASSED, BOTH, _result(before, after)))
