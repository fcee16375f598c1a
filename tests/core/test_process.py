import asyncio
import os
import resource
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from app.core import process
from app.core.errors import ProcessError
from app.core.process import Tail, run

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(300)
"""
FAMILY = f"""
import subprocess, sys, time
child = subprocess.Popen(["sleep", "300"])
deaf = subprocess.Popen([sys.executable, "-c", {DEAF!r}], stdout=subprocess.PIPE)
deaf.stdout.readline()
print(child.pid, deaf.pid, flush=True)
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children() -> set[int]:
    """Return the child processes of this one; ended ones that nobody waited for are among them."""
    return {child.pid for child in psutil.Process().children()}


async def test_output_and_exit_code_come_back() -> None:
    done = await run(["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in")
    assert (done.returncode, done.stdout, done.stderr, done.dropped, done.timed_out) == (
        3,
        b"in",
        b"err\n",
        0,
        False,
    )
    merged = await run(["sh", "-c", "echo out; echo err >&2"], merge=True)
    assert (merged.stdout, merged.stderr) == (b"out\nerr\n", b"")


async def test_a_signal_is_a_negative_exit_code() -> None:
    assert (await run(["sh", "-c", "kill -KILL $$"])).returncode == -signal.SIGKILL


async def test_the_working_folder_is_set(tmp_path: Path) -> None:
    assert (await run(["pwd"], cwd=tmp_path)).stdout.decode().strip() == str(tmp_path)


@pytest.mark.parametrize(
    "argv", [["/no/such/program"], ["no-such-program-either"], ["/etc/hostname"], ["a\0b"]]
)
async def test_a_program_that_cannot_be_started_is_one_error(argv: list[str]) -> None:
    with pytest.raises(ProcessError, match="could not be started"):
        await run(argv)
    with pytest.raises(ProcessError, match="could not be started"):
        process.spawn([argv[0]])


async def test_a_folder_that_is_gone_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="could not be started"):
        await run(["true"], cwd=tmp_path / "gone")


async def test_the_environment_is_an_allow_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIMAINTENO_CODEX__API_KEY", "secret")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("TZ", "Europe/Vienna")
    own = dict(line.split("=", 1) for line in (await run(["env"])).stdout.decode().splitlines())
    assert set(own) - {"PWD", "SHLVL", "_"} <= set(process.PASSED_ON)
    assert own["TZ"] == "Europe/Vienna"
    given = (await run(["/usr/bin/env"], env={"ONLY": "this"})).stdout
    assert given == b"ONLY=this\n"
    assert process.environment(HOME="/mine")["HOME"] == "/mine"
    monkeypatch.delenv("PATH")
    assert process.environment()["PATH"] == process.SYSTEM_PATH


async def test_a_timeout_ends_the_whole_group_though_grandchildren_hold_the_pipes() -> None:
    started = time.monotonic()
    done = await run([sys.executable, "-c", FAMILY + "time.sleep(300)"], timeout_s=1)
    pids = [int(pid) for pid in done.stdout.split()]
    assert done.timed_out
    assert done.returncode == -signal.SIGTERM
    assert len(pids) == 2
    assert not [pid for pid in pids if alive(pid)]
    assert time.monotonic() - started < 4


async def test_grandchildren_left_behind_hold_nobody_up_and_are_ended() -> None:
    started = time.monotonic()
    done = await run([sys.executable, "-c", FAMILY])
    assert done.returncode == 0
    assert time.monotonic() - started < 5
    assert not [pid for pid in map(int, done.stdout.split()) if alive(pid)]


async def test_a_leader_deaf_to_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "KILL_AFTER_S", 0.2)
    done = await run(["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"], timeout_s=0.5)
    assert (done.returncode, done.timed_out, done.stdout) == (-signal.SIGKILL, True, b"deaf\n")


async def test_cancellation_leaves_no_process() -> None:
    seen: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with process.start([sys.executable, "-c", FAMILY + "time.sleep(300)"]) as running:
            assert running.stdout
            seen.set_result([running.pid, *map(int, (await running.stdout.readline()).split())])
            await process.exited(running)

    task = asyncio.create_task(work())
    pids = await seen
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [pid for pid in pids if alive(pid)]
    assert not children() & set(pids)


async def test_a_gigabyte_of_output_stays_small() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = await run(["sh", "-c", "head -c 1000000000 /dev/zero; echo the end"], limit=1000)
    assert done.stdout.endswith(b"\0the end\n")
    assert len(done.stdout) == 1000
    assert done.dropped == 1000000000 + 8 - 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


async def test_much_input_to_a_program_that_does_not_read_ends_with_it() -> None:
    done = await run(["true"], stdin=b"x" * (8 << 20), timeout_s=20)
    assert (done.returncode, done.timed_out) == (0, False)
    stuck = await run(["sleep", "300"], stdin=b"x" * (8 << 20), timeout_s=0.3)
    assert stuck.timed_out


async def test_much_input_and_output_at_once_do_not_block_each_other() -> None:
    done = await run(["cat"], stdin=b"x" * (8 << 20), limit=16 << 20, timeout_s=20)
    assert done.stdout == b"x" * (8 << 20)


async def test_a_long_line_can_be_read_whole() -> None:
    async with process.start(["sh", "-c", "head -c 2000000 /dev/zero | tr '\\0' x; echo"]) as running:
        assert running.stdout
        assert len(await running.stdout.readline()) == 2000001
        assert await process.exited(running) == 0


async def test_each_program_has_a_session_of_its_own() -> None:
    async with process.start(["sleep", "300"]) as running:
        assert os.getsid(running.pid) == running.pid
        assert os.getpgid(running.pid) == running.pid


async def test_a_hundred_runs_leave_no_zombie_and_no_open_file() -> None:
    await run(["true"])
    files, others = psutil.Process().num_fds(), children()  # what tests before this one left is not ours
    for _ in range(100):
        await run(["true"])
    assert psutil.Process().num_fds() <= files
    assert children() <= others


async def test_what_is_spawned_logs_to_a_file_and_lives_in_its_own_session(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = process.spawn(["sh", "-c", "echo out; echo err >&2; echo $GIVEN"], env={"GIVEN": "x"}, log=log)
    assert await asyncio.to_thread(child.wait, 10) == 0
    assert log.read_text() == "out\nerr\nx\n"


async def test_what_is_spawned_inherits_only_the_files_that_it_is_given(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as given, (tmp_path / "b").open("w") as kept:
        os.set_inheritable(kept.fileno(), False)
        script = f"echo x >/proc/self/fd/{given.fileno()}; echo y >/proc/self/fd/{kept.fileno()}"
        child = process.spawn(["sh", "-c", script], pass_fds=(given.fileno(),))
        assert await asyncio.to_thread(child.wait, 10) != 0
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("x\n", "")


@pytest.mark.parametrize(
    ("chunks", "held", "dropped"),
    [
        ([], b"", 0),
        ([b"abc"], b"abc", 0),
        ([b"abcd", b"ef"], b"cdef", 2),
        ([b"ab", b"cd", b"ef", b"gh"], b"efgh", 4),
        ([b"0123456789"], b"6789", 6),
    ],
)
def test_a_tail_holds_the_end(chunks: list[bytes], held: bytes, dropped: int) -> None:
    tail = Tail(4)
    for chunk in chunks:
        tail.add(chunk)
    assert tail.bytes() == held
    assert tail.dropped == dropped
