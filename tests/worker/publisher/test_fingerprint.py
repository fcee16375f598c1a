"""Same cause, same fingerprint; another cause, another one; and never an exception."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.reports import Failure
from worker.publisher.fingerprint import VERSION, evidence, fingerprint


def failure(log: str = "", **more: str) -> Failure:
    return Failure(
        **{"project": "greeter", "unit": "greeter.service", "host": "pi", "exit_status": "1", "log": log}
        | more
    )


def hashed(log: str = "", **more: str) -> str:
    return fingerprint(failure(log, **more))[0]


PYTHON_A = """\
2026-11-23 10:00:01,120 INFO greeter: listening on 127.0.0.1:8080
2026-11-23 10:00:04,900 INFO greeter: GET /hello/ann 200 in 3 ms
Traceback (most recent call last):
  File "/home/ann/greeter/run.py", line 12, in <module>
    main()
    ~~~~^^
  File "/home/ann/greeter/greeter/app.py", line 40, in main
    greet(names[index])
          ~~~~~^^^^^^^
IndexError: list index out of range
"""
PYTHON_B = """\
Nov 24 03:12:55 pi4 greeter[9213]: 2026-11-24 03:12:55,001 INFO greeter: warming up
Nov 24 03:12:58 pi4 greeter[9213]: 2026-11-24 03:12:58,002 INFO greeter: GET /hello/bob 200 in 12.5 ms
Nov 24 03:12:58 pi4 greeter[9213]: 2026-11-24 03:12:58,003 ERROR greeter: upstream was slow
Nov 24 03:12:58 pi4 greeter[9213]: Traceback (most recent call last):
Nov 24 03:12:58 pi4 greeter[9213]:   File "/srv/greeter/releases/20261123/run.py", line 14, in <module>
Nov 24 03:12:58 pi4 greeter[9213]:     main()
Nov 24 03:12:58 pi4 greeter[9213]:   File "/srv/greeter/releases/20261123/greeter/app.py", line 47, in main
Nov 24 03:12:58 pi4 greeter[9213]:     greet(names[index])
Nov 24 03:12:58 pi4 greeter[9213]: IndexError: list index out of range
Nov 24 03:12:58 pi4 systemd[1]: greeter.service: Main process exited, code=exited, status=1/FAILURE
Nov 24 03:12:58 pi4 systemd[1]: greeter.service: Failed with result 'exit-code'.
"""

SAME = {
    "python traceback": (PYTHON_A, PYTHON_B),
    "temporary file": (
        "OSError: [Errno 28] No space left on device: '/tmp/tmpa81kq2xz'",
        "OSError: [Errno 28] No space left on device: '/tmp/tmpzz0_1kwq'",
    ),
    "socket": (
        "bind() to 0.0.0.0:8080 failed (98: Address already in use)",
        "bind() to 0.0.0.0:18080 failed (98: Address already in use)",
    ),
    "peer": (
        "error: connection to 10.0.3.17:5432 refused after 3 tries (1.5s)",
        "error: connection to [fe80::1:2:3]:5432 refused after 12 tries (950ms)",
    ),
    "core address": (
        "segmentation fault at 0x7f3a91bc ip 00007f3a9a in libfoo.so[7f3a90000000+1000]",
        "segmentation fault at 0x55d01 ip 000055d01c2b in libfoo.so[55d010000000+2000]",
    ),
    "uuid and hash": (
        "fatal: job 6f1c2a34-11aa-4bbb-8ccc-0123456789ab at 9fceb02d0ae598e95dc970b74767f19372d61af8 failed",
        "fatal: job 00000000-0000-4000-8000-00000000000f at 1a410efbd13591db07496601ebc7a059dd55cfe9 failed",
    ),
    "date forms": (
        "Mon Nov 23 10:11:12 2026 error: cannot open /var/lib/greeter/state.json",
        "Tue Dec  1 00:00:00 2026 error: cannot open /opt/greeter/state.json",
    ),
    "order of threads": (
        "error: worker 1 failed\nerror: pool is closed\n",
        "error: pool is closed\nerror: worker 2 failed\nerror: worker 3 failed\n",
    ),
    "rust": (
        "thread 'main' panicked at src/main.rs:4:5:\nno rows\nnote: run with `RUST_BACKTRACE=1`",
        "noise 17\nthread 'main' panicked at src/main.rs:90:15:\nno rows\nnote: run with `RUST_BACKTRACE=1`",
    ),
    "go": (
        "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:",
        "panic: runtime error: index out of range [9] with length 9\n\ngoroutine 17 [running]:",
    ),
    "colours": ("\x1b[31mERROR\x1b[0m db is away", "ERROR db is away"),
    "last line": ("hello\nbye 12", "hello there\nbye 13"),
    "binary": ("\x00\x01\x02", "\x00\x01"),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_the_same_failure_has_the_same_fingerprint(pair: tuple[str, str]) -> None:
    assert hashed(pair[0]) == hashed(pair[1])


DIFFERENT = {
    "exception": (PYTHON_A, PYTHON_A.replace("IndexError: list index", "KeyError: list index")),
    "message": ("KeyError: 'name'", "KeyError: 'colour'"),
    "file": (PYTHON_A, PYTHON_A.replace("greeter/app.py", "greeter/web.py")),
    "function": (PYTHON_A, PYTHON_A.replace("in main", "in serve")),
    "missing file": ("cannot open /etc/a.toml", "cannot open /etc/b.toml"),
    "after a handled traceback": (
        PYTHON_A + "fatal: out of memory\n",
        PYTHON_A + "fatal: no route to host\n",
    ),
    "one has a log": ("error: x", ""),
}


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_another_failure_has_another_fingerprint(pair: tuple[str, str]) -> None:
    assert hashed(pair[0]) != hashed(pair[1])


@pytest.mark.parametrize("more", [{"unit": "b.service"}, {"result": "signal"}, {"exit_status": "2"}])
def test_unit_result_and_exit_count(more: dict[str, str]) -> None:
    assert hashed("error: x", **more) != hashed("error: x")


def test_numbered_instances_are_one_cause_and_named_ones_are_not() -> None:
    one, twelve = (hashed("error: x", unit=f"worker@{i}.service") for i in (1, 12))
    assert one == twelve
    assert hashed("error: x", unit="worker@mail.service") != one


def test_the_hosts_own_name_does_not_split_a_fleet() -> None:
    assert hashed("error: kiln: no route", host="kiln") == hashed("error: forge: no route", host="forge")
    assert evidence("error in greeter/app.py", host="greeter", unit="greeter.service") == [
        "error in greeter/app.py"
    ]


def test_recursion_of_any_depth_is_one_cause() -> None:
    frame = '  File "/x/a.py", line 3, in walk\n    walk(n)\n'
    start, last = "Traceback (most recent call last):\n", "RecursionError: maximum recursion depth exceeded\n"
    assert hashed(start + frame * 9 + last) == hashed(start + frame * 900 + last)


def test_a_traceback_without_its_end_still_counts() -> None:
    assert evidence('Traceback (most recent call last):\n  File "/x/a.py", line 3, in walk')[0] == "a.py walk"


def test_version_and_form() -> None:
    value, version = fingerprint(failure())
    assert (len(value), version) == (64, VERSION)
    assert value == fingerprint(failure())[0]


MANAGER = [
    "Started greeter.service - The greeter.",
    "greeter.service: Main process exited, code=exited, status=1/FAILURE",
    "greeter.service: Main process exited, code=killed, status=9/KILL",
    "greeter.service: Main process exited, code=dumped, status=6/ABRT",
    "greeter.service: Failed with result 'exit-code'.",
    "greeter.service: Failed with result 'oom-kill'.",
    "greeter.service: Scheduled restart job, restart counter is at 3.",
    "greeter.service: Start request repeated too quickly.",
    "greeter.service: Consumed 25ms CPU time.",
    "greeter.service: Consumed 25ms CPU time, 3.1M memory peak.",
    "greeter.service: Consumed 1min 2.4s CPU time over 3min 1s wall clock time, 3.1M memory peak.",
    "greeter.service: A process of this unit has been killed by the OOM killer.",
    "greeter.service: Watchdog timeout (limit 3s)!",
    "greeter.service: Killing process 733 (python3) with signal SIGABRT.",
    "greeter.service: State 'stop-sigterm' timed out. Killing.",
    "greeter.service: start operation timed out. Terminating.",
    "greeter.service: Triggering OnFailure= dependencies.",
    "greeter.service: Unit process 734 (sleep) remains running after unit stopped.",
    "greeter.service: Deactivated successfully.",
    "Stopped greeter.service - The greeter.",
    "Failed to start greeter.service - The greeter.",
]


@pytest.mark.parametrize("line", MANAGER)
@pytest.mark.parametrize("head", ["", "systemd[1]: ", "Nov 24 03:12:58 pi4 systemd[1]: "])
def test_what_systemd_says_of_any_unit_does_not_count(line: str, head: str) -> None:
    log = "greeter: cannot open the database\n"
    assert hashed(f"{log}{head}{line}\n") == hashed(log) == hashed(f"{head}{line}\n{log}")
    assert evidence(f"{head}{line}") == []


def test_what_systemd_could_not_start_does_count() -> None:
    one = "(greeter)[91]: greeter.service: Failed at step EXEC spawning /usr/bin/gretter: No such file"
    assert evidence(one) != []
    assert hashed(one) != hashed(one.replace("EXEC", "CHDIR"))


@pytest.mark.parametrize(
    "result", ["exit-code", "signal", "core-dump", "oom-kill", "timeout", "watchdog", "protocol"]
)
def test_results_of_one_unit_are_told_apart(result: str) -> None:
    assert hashed("error: x", result=result) == hashed("error: x", result=result)
    assert hashed("error: x", result=result) != hashed("error: x", result="resources")


LINES = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(
            [
                "Traceback (most recent call last):",
                '  File "/a/b.py", line 1, in f',
                "ValueError: 1",
                "error 2",
            ]
        ),
    ),
    max_size=12,
)


@given(lines=LINES, host=st.text(max_size=20), unit=st.text(max_size=30))
def test_it_takes_anything(lines: list[str], host: str, unit: str) -> None:
    report = failure("\n".join(lines), host=host, unit=unit)
    assert fingerprint(report) == fingerprint(report)


@given(noise=st.lists(st.sampled_from(["GET / 200", "tick 12", "listening", "ok"]), max_size=8))
def test_chatter_before_the_errors_does_not_count(noise: list[str]) -> None:
    assert hashed("\n".join([*noise, "error: disk is gone"])) == hashed("error: disk is gone")


@pytest.mark.parametrize(
    "unit", ["a" * 65536, "1:" * 32768, "/a" * 32768, "0" * 65536, "1." * 32768, "-" * 65536]
)
def test_a_hostile_line_costs_little(unit: str) -> None:
    began = time.monotonic()
    hashed("error " + unit)
    hashed("\n".join(["error " + unit[:1900]] * 30))
    assert time.monotonic() - began < 2
