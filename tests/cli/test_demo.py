"""The demo: a real failure, a real repair by the real Codex CLI, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from app.core.errors import ConfigurationError, PimaintenoError
from app.demo import house, project, service
from app.demo.script import FIXED, LOOK, TRY, Script
from tests.cli.conftest import PROGRAM
from tests.doubles.machine import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command
    from tests.doubles.machine import Machine

URL = re.compile(r"http://127\.0\.0\.1:\d+/proposals/1")


@pytest.fixture
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state home of whoever watches the demo; empty again at the end."""
    state = place / "state-home"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    yield state
    assert list(state.iterdir()) == []
    assert [entry for entry in Path("/proc").glob("[0-9]*/cmdline") if str(state) in _read(entry)] == []


def _read(entry: Path) -> str:
    try:
        return entry.read_text(errors="replace")
    except OSError:
        return ""


def test_the_demo_proves_its_repair_and_leaves_nothing(command: Command, home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", "--once"],
        cwd=Path(__file__).parents[2],
        env={**command.env, "PIMAINTENO_REDIS_URL": "redis://127.0.0.1:1"},  # of another installation
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "SCRIPTED" in lines[1]
    assert "ValueError: not enough values to unpack" in done.stdout
    assert "  check `python3 greeter.py visitors.csv`: fail before, pass after" in lines
    assert "  check `python3 -m unittest -q`: pass before, pass after" in lines
    assert URL.fullmatch(lines[-1])


def in_the(machine: Machine, *prefix: str) -> str:
    """Run the demo to its end on a host with a real systemd; return what it said."""
    done = machine.run("env", "HOME=/root", *prefix, "demo", "--once", check=False, timeout_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Proven: " in done.stdout
    assert "ValueError: not enough values to unpack" in done.stdout
    assert done.stdout.count(f"{project.UNIT} failed on ") == 1
    assert machine.show(project.UNIT, "LoadState") == "not-found"
    assert not Path(machine.root / "root/.local/state/pimainteno-demo").exists()
    return done.stdout


def test_where_a_systemd_answers_the_watcher_sees_the_unit_fail(machine: Machine) -> None:
    said = in_the(machine, str(PROGRAM))
    assert "runs as a transient unit of the system's systemd" in said
    assert "The watcher saw it over D-Bus" in said
    assert "reported through the queue" not in said


def test_a_watcher_without_its_bus_is_replaced_and_says_why(machine: Machine) -> None:
    """systemd itself takes the unit all the same: it talks to root over a socket of its own."""
    said = in_the(machine, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/none", str(PROGRAM))
    assert "runs as a transient unit of the system's systemd" in said
    assert "the system bus at unix:path=/run/none cannot be reached" in said
    assert "The failure is reported through the queue" in said
    assert "saw it over D-Bus" not in said


def test_a_watcher_that_takes_too_long_is_replaced_and_counts_once(machine: Machine) -> None:
    """Both report the same run of the unit, one of them first."""
    hurried = "from app import cli; from app.demo import failure; failure.REPORTED_WITHIN_S = 0; cli.main()"
    said = in_the(machine, f"PYTHONPATH={CHECKOUT}", sys.executable, "-c", hurried)
    assert "The watcher's report did not come within 0 s" in said
    assert "The failure is reported through the queue" in said


async def test_the_page_merges_and_ctrl_c_ends_it(command: Command, home: Path) -> None:
    process = command.start("demo", config=False)
    assert process.stdout is not None
    url = ""
    while not URL.fullmatch(url):
        line = await asyncio.to_thread(process.stdout.readline)
        assert line, (await command.ends(process)).err
        url = line.decode().strip()
    async with httpx.AsyncClient(headers={"accept": "text/html"}) as browser:
        page = await browser.get(url)
        token = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert token is not None
        origin = {"origin": url.removesuffix("/proposals/1")}
        merged = await browser.post(f"{url}/merge", data={"csrf": token[1]}, headers=origin)
        assert merged.status_code < 400, merged.text
    seen = b""
    while b"runs again: success" not in seen:
        line = await asyncio.to_thread(process.stdout.readline)
        assert line, seen
        seen += line
    assert b"Merged" in seen
    process.send_signal(signal.SIGINT)
    ended = await command.ends(process)
    assert ended.code == 0
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_in_the_middle_leaves_nothing(
    command: Command, home: Path, number: signal.Signals
) -> None:
    process = command.start("demo", config=False)
    assert process.stdout is not None
    while b"PiMainteno starts" not in await asyncio.to_thread(process.stdout.readline):
        assert process.poll() is None
    process.send_signal(number)
    ended = await command.ends(process)
    assert ended.code == 128 + number
    assert "Traceback" not in ended.err


async def test_a_wanted_port_that_is_taken_is_wrong_use(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await command.run("demo", "--once", "--port", str(port), config=False)
        assert (ended.code, ended.out) == (2, "")
        assert f"port {port} is in use" in ended.err
        with pytest.raises(ConfigurationError, match="in use"), house.port(port):
            pass


def test_two_demos_that_start_together_take_two_ports() -> None:
    with house.port(None) as first, house.port(None) as second:
        assert first != second


@pytest.mark.parametrize("home", ["/tmp/somewhere", "/proc/nowhere"], ids=["in /tmp", "not to be made"])
def test_a_home_of_no_use_is_replaced(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", home)
    with house.folder() as made:
        assert made.parent == Path(f"/var/tmp/pimainteno-demo-{os.getuid()}")
        assert made.stat().st_mode & 0o777 == 0o700
    assert not made.exists()
    assert not Path(home).exists()


def test_no_folder_at_all_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    monkeypatch.setattr(house, "ELSEWHERE", Path("/proc"))
    with pytest.raises(PimaintenoError, match="set XDG_STATE_HOME"), house.folder():
        raise AssertionError


async def test_live_without_a_key_is_wrong_use(command: Command) -> None:
    for given in (False, True):
        ended = await command.run("demo", "--once", "--live", config=given)
        assert (ended.code, ended.out) == (2, "")
        assert "PIMAINTENO_CODEX__API_KEY" in ended.err
        assert ended.err.count("\n") == 1


async def test_the_service_fails_for_real_and_the_repair_is_what_it_takes(tmp_path: Path) -> None:
    made = await project.make(tmp_path)
    ran = await service.run(made.checkout)
    assert ran.failed
    assert (ran.result, ran.exit_status) == ("exit-code", "1")
    assert "ValueError: not enough values to unpack (expected 2, got 1)" in ran.output
    book = made.checkout / "book.py"
    book.write_text(book.read_text().replace("for line in file]", "for line in file if line.strip()]"))
    again = await service.run(made.checkout)
    assert not again.failed
    assert "Good morning, Margaret Hamilton!" in again.output


def test_the_script_looks_mends_tries_and_believes_what_it_saw() -> None:
    def after(*outputs: str) -> str:
        given = [{"type": "function_call_output", "output": output} for output in outputs]
        (item,) = Script().reply({"input": given})
        return str(item)

    assert LOOK in str(Script().reply({"input": []}))
    assert "*** Begin Patch" in after("looked")
    assert TRY in after("looked", "patched")
    assert str(FIXED["title"]) in after("looked", "patched", "IT WORKS")
    assert "cannot_fix" in after("looked", "patched", "Traceback")
