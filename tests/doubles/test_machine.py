"""The machine is what the watcher's tests stand on: a real systemd, which leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from dbus_next.aio.message_bus import MessageBus
from dbus_next.message import Message

from tests.doubles.machine import CHECKOUT, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.systemd

HOLDER = """
import time
from tests.doubles.machine import Machine
with Machine() as machine:
    print(machine.pid, machine.name, flush=True)
    time.sleep(600)
"""


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def failed(machine: Machine, unit: str) -> bool:
    return machine.show(unit, "ActiveState") == "failed"


def test_it_boots_the_hosts_systemd_with_nothing_failed() -> None:
    with Machine() as fresh:
        state = fresh.run("systemctl", "list-units", "--state=failed", "--no-legend", "--plain").stdout
        assert (state, fresh.run("cat", "/proc/1/comm").stdout) == ("", "systemd\n")
        assert fresh.run("systemctl", "is-active", "dbus.service").stdout == "active\n"


def test_a_failed_units_journal_can_be_read_from_outside(machine: Machine) -> None:
    machine.fail("machine-journal.service", "echo in the journal >&2; exit 3")
    until(lambda: failed(machine, "machine-journal.service"))
    # not by invocation: under load journald comes too late to learn that of a process which ended at once
    match = "_SYSTEMD_UNIT=machine-journal.service"
    machine.run("journalctl", "--sync")

    told = subprocess.run(
        ["journalctl", "--directory", machine.journal, "-o", "json", match],
        text=True,
        capture_output=True,
        check=True,
    )

    assert machine.show("machine-journal.service", "ExecMainStatus") == "3"
    assert [json.loads(line)["MESSAGE"] for line in told.stdout.splitlines()] == ["in the journal"]


def test_units_from_a_file_run_there(machine: Machine) -> None:
    machine.unit("machine-file.service", "[Service]\nExecStart=/bin/sh -c 'kill -9 $$$$'\n")

    machine.run("systemctl", "start", "machine-file.service")

    until(lambda: failed(machine, "machine-file.service"))
    assert machine.show("machine-file.service", "Result") == "signal"


async def test_the_bus_answers_from_outside(machine: Machine) -> None:
    bus = await MessageBus(bus_address=machine.bus).connect()
    try:
        answer = await bus.call(
            Message(
                destination="org.freedesktop.systemd1",
                path="/org/freedesktop/systemd1",
                interface="org.freedesktop.systemd1.Manager",
                member="GetUnit",
                signature="s",
                body=["dbus.service"],
            )
        )
    finally:
        bus.disconnect()  # type: ignore[no-untyped-call]
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        bus._stream.close()  # dbus-next leaves both open
        bus._sock.close()

    assert answer is not None
    assert answer.body == ["/org/freedesktop/systemd1/unit/dbus_2eservice"]


def test_two_machines_do_not_meet(machine: Machine) -> None:
    machine.run("systemd-run", "--quiet", "--unit=machine-twin.service", "sleep", "600")
    with Machine() as other:
        other.run("systemd-run", "--quiet", "--unit=machine-twin.service", "sleep", "600")
        other.run("systemctl", "stop", "machine-twin.service")
        assert machine.show("machine-twin.service", "ActiveState") == "active"
        assert machine.run("cat", "/etc/machine-id").stdout != other.run("cat", "/etc/machine-id").stdout
    assert machine.show("machine-twin.service", "ActiveState") == "active"
    machine.run("systemctl", "stop", "machine-twin.service")


def test_what_it_writes_stays_inside(machine: Machine) -> None:
    mark = f"pm-mark-{os.getpid()}"
    for folder in ("/tmp", "/run", "/etc", "/var/tmp", "/dev/shm"):
        machine.run("touch", f"{folder}/{mark}")
        assert not Path(folder, mark).exists()

    kept = machine.run("touch", f"{CHECKOUT}/{mark}", check=False)

    assert "Read-only" in kept.stderr
    assert (
        machine.run("cat", f"{CHECKOUT}/pyproject.toml").stdout == (CHECKOUT / "pyproject.toml").read_text()
    )


def test_a_command_that_fails_says_so(machine: Machine) -> None:
    with pytest.raises(RuntimeError, match=r"cat.*ended with 1: .*No such file"):
        machine.run("cat", "/no/such/file")


def traces(name: str) -> list[Path]:
    return [*Path("/var/tmp").glob(name), *Path("/sys/fs/cgroup").glob(f"**/{name}")]


def test_its_end_leaves_nothing() -> None:
    with Machine() as machine:
        machine.run("systemd-run", "--quiet", "--unit=long.service", "sleep", "600")
        inside = [psutil.Process(machine.pid), *psutil.Process(machine.pid).children(recursive=True)]
        assert any(process.name() == "sleep" for process in inside)
        assert traces(machine.name)

    assert [process for process in inside if process.is_running()] == []
    assert traces(machine.name) == []
    machine.stop()


def test_a_killed_test_run_takes_its_machine_with_it() -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder.stdout:
        pid, name = holder.stdout.readline().split()
        inside = psutil.Process(int(pid))
        assert traces(name)

        holder.kill()
        holder.wait()

    until(lambda: not inside.is_running() and not traces(name))


def test_without_root_it_fails_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(RuntimeError, match="needs root"):
        Machine().__enter__()
