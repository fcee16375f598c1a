"""Failures under a real systemd: each is reported once, with its log, whatever goes wrong around it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import psutil

from app.core.redis import running
from app.core.reports import LOG_LIMIT, Failure, Recovery
from app.core.settings import load
from tests.doubles.machine import Machine
from tests.e2e import greeter
from tests.e2e.watched import (
    counted,
    failed,
    is_in,
    point,
    redis_server,
    reported,
    sent,
    stands,
    started,
    until,
    watch,
)

if TYPE_CHECKING:
    from tests.e2e.conftest import House

LEAKED = "sk-live-in-the-log-0123456789abcdef"
LEGAL = r"legal:-_.\x2d\x40-AZaz09@a:-_.\x2f"
ROUNDS = 50


async def test_a_failing_unit_becomes_an_open_proposal(house: House, machine: Machine) -> None:
    """Nothing is done by hand; and the secret in its log is nowhere."""
    house.configure(
        more=f'[web]\nport = {house.free_port()}\n[watch]\nbus = "{machine.bus}"\n'
        f'journal = "{machine.journal}"\nsettle_s = 0.2\nticks = false\n'
    )
    machine.run("mkdir", "-p", "/run/greeter")
    for name in ("greeter.py", "names.txt"):
        machine.run("tee", f"/run/greeter/{name}", input=greeter.FILES[name])
    house.start("up")
    await until(lambda: is_in("watching units", house))
    machine.fail("greeter.service", f"cd /run/greeter; echo api_key={LEAKED}; exec python3 greeter.py")
    proposal = await house.until_state("open")
    assert proposal["count"] == 1
    assert [(check["before"], check["after"]) for check in proposal["checks"]] == [("fail", "pass")]
    assert greeter.git("rev-parse", proposal["branch"], at=house.bare) == proposal["head_sha"]
    seen = await house.until_event("failure.seen")
    assert (seen["actor"], seen["data"]["unit"]) == ("watcher", "greeter.service")
    assert "exit-code, exit status 1" in seen["text"]
    assert "IndexError" in house.column("select body from proposals")
    assert "IndexError" in house.column("select log from incidents")
    house.stop()
    told = [file for file in house.at.rglob("*") if file.is_file() and LEAKED.encode() in file.read_bytes()]
    assert told == []
    assert LEAKED not in str(house.model.requests)


async def test_a_restart_loop_is_one_incident_with_its_count(house: House, machine: Machine) -> None:
    machine.unit(
        "loop-a.service",
        f"[Unit]\nStartLimitBurst={ROUNDS}\nStartLimitIntervalSec=600\n"
        "[Service]\nExecStart=/bin/sh -c 'echo boom >&2; exit 3'\nRestart=always\nRestartSec=20ms\n",
    )
    # long enough for a round on a busy host: a unit that is up when it has settled has recovered
    watch(house, machine.bus, machine.journal, "loop-*.service", settle_s=3)
    await started(house)
    house.start("worker", "--role", "publisher")
    machine.run("systemctl", "start", "loop-a.service")
    await until(lambda: counted(house, ROUNDS), house)
    machine.fail("loop-b.service")  # what comes after it has been taken in: all of the loop was
    await until(lambda: counted(house, ROUNDS + 1), house)
    assert house.column("select count(*) from incidents where unit = 'loop-a.service'") == "1"
    assert house.column("select count from incidents where unit = 'loop-a.service'") == str(ROUNDS)
    assert house.column("select count(*) from runs") == "2"


async def test_failures_before_the_watcher_came_are_reported(house: House, machine: Machine) -> None:
    """Five units failed while it was away; and again: a second start tells of nothing twice."""
    units = [f"away-{number}.service" for number in range(5)]
    for unit in units:
        machine.fail(unit, f"echo this is {unit}; exit 7")
    await until(lambda: failed(machine, *units))
    watch(house, machine.bus, machine.journal, "away-*")
    async with running(load(house.at / "pimainteno.toml", env={})):  # keeps the server in use
        watcher = await started(house)
        found = await reported(house, *units)
        for unit in units:
            report = found[unit]
            assert isinstance(report, Failure)
            assert (report.result, report.exit_status, report.project) == ("exit-code", "7", "others")
            assert f"this is {unit}" in report.log
            assert report.invocation == machine.show(unit, "InvocationID")
            assert report.systemd
        watcher.terminate()
        await asyncio.to_thread(watcher.wait, 30)
        house.start("watch")
        await until(lambda: is_in("watching units", house, times=2))
        machine.fail("away-last.service")
        await reported(house, "away-last.service")
        mine = [report.unit for report in await sent(house) if report.project == "others"]
        assert mine == [*units, "away-last.service"]


async def test_the_bus_systemd_and_the_machine_restart_under_it(house: House) -> None:
    """Each time it watches again by itself, and what failed meanwhile is not lost."""
    bus, journal = house.at / "bus", house.at / "journal"
    with Machine() as first:
        point(bus, journal, first)
        watch(house, f"unix:path={bus}", journal, "under-*")
        await started(house)
        first.fail("under-before.service")
        await reported(house, "under-before.service")
        first.run("systemctl", "stop", "dbus.service", "dbus.socket")
        first.fail("under-no-bus.service")  # systemd-run talks to systemd itself
        first.run("systemctl", "start", "dbus.socket", "dbus.service")
        await reported(house, "under-no-bus.service")
        first.run("systemctl", "daemon-reexec")
        first.fail("under-reexec.service")
        await reported(house, "under-reexec.service")
        first.run("systemctl", "daemon-reload")
        first.fail("under-reload.service")
        await reported(house, "under-reload.service")
    with Machine() as second:
        second.fail("under-boot.service")
        await until(lambda: failed(second, "under-boot.service"))
        point(bus, journal, second)
        found = await reported(house, "under-boot.service")
        second.fail("under-after.service")
        found = await reported(house, "under-after.service")
        assert len(await sent(house)) == len(found) == 6
        assert all(isinstance(report, Failure) and "boom" in report.log for report in found.values())
        house.stop()


async def test_what_recovers_in_time_or_was_stopped_is_no_failure(house: House, machine: Machine) -> None:
    """Nor is a unit of nobody's project. The history tells of the one that came back."""
    once = "[ -e /run/calm-once ] && exec sleep 1000; touch /run/calm-once; exit 3"
    machine.unit("calm-back.service", f"[Service]\nExecStart=/bin/sh -c '{once}'\nRestart=on-failure\n")
    machine.unit("calm-stop.service", "[Service]\nExecStart=/bin/sleep 1000\n")
    watch(house, machine.bus, machine.journal, "calm-*", settle_s=1.5)
    await started(house)
    machine.run("systemctl", "start", "calm-back.service", "calm-stop.service")
    machine.run("systemctl", "stop", "calm-stop.service")
    machine.fail("nobodys.service")
    machine.fail("calm-bad.service")
    found = await reported(house, "calm-bad.service", "calm-back.service")
    assert found.keys() == {"calm-bad.service", "calm-back.service"}
    back = found["calm-back.service"]
    assert isinstance(back, Recovery)
    assert 0 < back.after_s < 1.5
    house.start("worker", "--role", "publisher")
    event = await house.until_event("failure.recovered")
    assert event["data"]["unit"] == "calm-back.service"
    await until(lambda: counted(house, 1))
    assert house.column("select count(*) from proposals") == "1"
    machine.run("systemctl", "stop", "calm-back.service")


async def test_every_kind_of_unit_and_every_legal_name(house: House, machine: Machine) -> None:
    machine.unit("kinds-one.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo one; exit 5'\n")
    machine.unit(
        "kinds-sock.socket", "[Socket]\nListenStream=192.0.2.1:7\n[Install]\nWantedBy=sockets.target\n"
    )
    machine.unit("kinds-sock.service", "[Service]\nExecStart=/bin/true\n")
    machine.unit("kinds-clock.service", "[Service]\nExecStart=/bin/true\n")
    machine.unit("kinds-clock.timer", "[Timer]\nOnActiveSec=1\nAccuracySec=1ms\n")
    machine.unit("run-kinds.mount", "[Mount]\nWhat=none\nWhere=/run/kinds\nType=nosuchfs\n")
    machine.unit("kinds-killed.service", "[Service]\nExecStart=/bin/sh -c 'kill -SEGV $$$$'\n")
    machine.unit(
        "kinds-slow.service", "[Service]\nType=notify\nTimeoutStartSec=100ms\nExecStart=/bin/sleep 99\n"
    )
    legal = f"{LEGAL}.service"
    watch(house, machine.bus, machine.journal, "kinds-*", "run-kinds.mount", "legal*")
    await started(house)
    units = ["one.service", "sock.socket", "clock.timer", "killed.service", "slow.service"]
    names = [f"kinds-{unit}" for unit in units] + ["run-kinds.mount"]
    machine.run("systemctl", "start", "--no-block", *names)
    machine.run("ln", "-sf", "/dev/null", "/etc/systemd/system/kinds-clock.service")
    machine.run("systemctl", "daemon-reload")  # the timer goes off and its service may not start
    machine.fail(legal)
    found = await reported(house, *names, legal)
    results = {unit: report.result for unit, report in found.items()}
    assert results.pop("kinds-killed.service") in {"signal", "core-dump"}
    assert results == {
        "kinds-one.service": "exit-code",
        "kinds-sock.socket": "resources",
        "kinds-clock.timer": "resources",
        "kinds-slow.service": "timeout",
        "run-kinds.mount": "exit-code",
        legal: "exit-code",
    }
    for unit, words in {"kinds-one.service": "one", legal: "boom"}.items():
        report = found[unit]
        assert isinstance(report, Failure)
        assert words in report.log


async def test_logs_that_are_secret_binary_or_endless(house: House, machine: Machine) -> None:
    watch(house, machine.bus, machine.journal, "logs-*")
    watcher = await started(house)
    machine.fail("logs-secret.service", f"echo token={LEAKED}; echo the end; exit 3")
    binary = r"printf '\000\033[31m\377\376 bell\007\n'; echo the end; exit 3"
    machine.fail("logs-binary.service", binary)
    endless = "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 3"
    machine.fail("logs-endless.service", endless)
    found = await reported(house, "logs-secret.service", "logs-binary.service", "logs-endless.service")
    for report in found.values():
        assert isinstance(report, Failure)
        assert "the end" in report.log
        assert LEAKED not in report.log
        assert len(report.log.encode()) <= LOG_LIMIT
        assert all(sign.isprintable() or sign == "\n" for sign in report.log)
    assert psutil.Process(watcher.pid).memory_info().rss < 80e6
    assert "bell" in found["logs-binary.service"].log  # type: ignore[union-attr]


async def test_without_rights_on_the_journal_the_failure_is_reported(house: House, machine: Machine) -> None:
    """Root without the rights of root over files is like any user; the log says which group to join."""
    closed = house.at / "journal"
    closed.mkdir()
    machine.fail("closed-one.service")
    await until(lambda: failed(machine, "closed-one.service"))
    for file in machine.journal.rglob("*.journal"):
        folder = closed / file.parent.name
        folder.mkdir(exist_ok=True)
        (folder / file.name).write_bytes(file.read_bytes())
        (folder / file.name).chmod(0o600)
        os.chown(folder / file.name, 65534, 65534)
    watch(house, machine.bus, closed, "closed-*")
    less = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *house.argv()]
    await started(house, program=less)
    report = (await reported(house, "closed-one.service"))["closed-one.service"]
    assert isinstance(report, Failure)
    assert "boom" not in report.log
    assert "systemd-journal" in report.log
    assert "systemd-journal" in house.logs()


async def test_reports_wait_while_redis_is_away(house: House, machine: Machine) -> None:
    """Also over the watcher's own end by SIGKILL: no report is lost, and none comes twice."""
    folder = house.at / "redis"
    url = f"unix://{folder}/redis.sock"
    watch(house, machine.bus, machine.journal, "waits-*", more=f'redis_url = "{url}"')
    with redis_server(folder):
        watcher = await started(house)
        machine.fail("waits-0.service")
        await reported(house, "waits-0.service", url=url)
    machine.fail("waits-1.service")
    machine.fail("waits-2.service")
    spool = house.state / "watch"
    await until(lambda: asyncio.to_thread(lambda: len(list(spool.rglob("*.json"))) >= 2))
    watcher.kill()
    watcher.wait()
    machine.run("systemctl", "reset-failed", "waits-1.service")  # systemd itself has forgotten it
    house.start("watch")
    await until(lambda: is_in("watching units", house, times=2))
    machine.fail("waits-3.service")
    await until(lambda: asyncio.to_thread(lambda: len(list(spool.rglob("*.json"))) >= 3))
    with redis_server(folder):
        units = [f"waits-{number}.service" for number in range(4)]
        await reported(house, *units, url=url)
        found = await sent(house, url)
        assert sorted(report.unit for report in found) == units
        assert all(isinstance(report, Failure) and "boom" in report.log for report in found)


async def test_how_a_unit_stands_is_known_while_it_fails_and_once_it_is_repaired(
    house: House, machine: Machine
) -> None:
    """A unit that nobody wrote is missing; none of it is a line of the history."""
    machine.unit("stands.service", "[Service]\nExecStart=/bin/sh -c 'exit 3'\n")
    watch(house, machine.bus, machine.journal, "stands.service", "never-written.service", settle_s=60)
    house.start("worker", "--role", "publisher")
    await until(lambda: is_in("worker ready", house))
    await started(house)
    await until(lambda: stands(house, "stands.service", "loaded|inactive|dead|"), house)
    await until(lambda: stands(house, "never-written.service", "not-found|inactive|dead|"), house)
    machine.run("systemctl", "start", "stands.service")
    await until(lambda: stands(house, "stands.service", "loaded|failed|failed|exit-code"), house)
    failed_at = float(house.column("select since from units where unit = 'stands.service'"))
    machine.unit("stands.service", "[Service]\nExecStart=/bin/sleep 600\n")  # reloads systemd too
    machine.run("systemctl", "restart", "stands.service")
    await until(lambda: stands(house, "stands.service", "loaded|active|running|"), house)
    assert float(house.column("select since from units where unit = 'stands.service'")) > failed_at
    assert house.column("select count(*) from watchers") == "1"
    assert house.column("select count(*) from events where kind like 'failure%'") == "0"
    machine.run("systemctl", "stop", "stands.service")
