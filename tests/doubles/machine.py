"""A real systemd with journald and the system bus, in namespaces of its own (machine.sh): the tests' host."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

CHECKOUT = Path(__file__).resolve().parents[2]  # seen inside at the same path, read-only
DEADLINE_S = 60  # booting takes about 2 s; several machines on a busy host take longer

# Units that would reach for the host's devices, consoles, clock or network, or that only cost time.
MASKED = """
console-getty.service getty.target dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount
sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount
systemd-binfmt.service systemd-firstboot.service systemd-hwdb-update.service systemd-journald-audit.socket
systemd-logind.service systemd-machine-id-commit.service systemd-modules-load.service systemd-networkd.service
systemd-networkd.socket systemd-network-generator.service systemd-random-seed.service
systemd-remount-fs.service systemd-resolved.service systemd-sysctl.service systemd-sysusers.service
systemd-timesyncd.service systemd-tmpfiles-clean.timer systemd-tmpfiles-setup-dev.service
systemd-udev-settle.service systemd-udev-trigger.service systemd-udevd-control.socket
systemd-udevd-kernel.socket systemd-udevd.service systemd-update-utmp.service
"""


class Machine:
    """A host of its own: `with Machine() as machine`, then `machine.fail("boom.service")`. Needs root."""

    def __init__(self) -> None:
        self._outer: subprocess.Popen[str] | None = None
        self.pid = 0
        self.name = ""  # of its folder under /var/tmp and of its cgroup

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise RuntimeError(
                "tests/doubles/machine.py boots a real systemd and needs root for its namespaces: "
                "run the tests as root, or leave these out with -m 'not systemd'"
            )
        try:
            self._boot()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def root(self) -> Path:
        """The machine's / as a path of the host."""
        return Path(f"/proc/{self.pid}/root")

    @property
    def bus(self) -> str:
        """The address of its system bus for a client outside."""
        return f"unix:path={self.root}/run/dbus/system_bus_socket"

    @property
    def journal(self) -> Path:
        """The folder of its journal for a reader outside."""
        return self.root / "run/log/journal"

    def run(
        self,
        *argv: str,
        input: str | None = None,  # noqa: A002 - its name in subprocess.run
        check: bool = True,
        timeout_s: float = DEADLINE_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end; with `check`, a failing one raises with what it said."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i", "-C", "-r", "-w", "--", *argv],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            input=input or "",
            text=True,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{argv} in the machine ended with {done.returncode}: {done.stderr.strip()}")
        return done

    def unit(self, name: str, text: str) -> None:
        """Install a unit file and make systemd read it."""
        self.run("mkdir", "-p", "/run/systemd/system")
        self.run("tee", f"/run/systemd/system/{name}", input=text)
        self.run("systemctl", "daemon-reload")

    def fail(self, unit: str, script: str = "echo boom >&2; exit 3") -> None:
        """Start a transient service of a shell script that is to fail; returns once it has started."""
        self.run("systemd-run", "--quiet", f"--unit={unit}", "/bin/sh", "-c", script)

    def show(self, unit: str, key: str) -> str:
        """One property of a unit, as systemctl shows it."""
        return self.run("systemctl", "show", "--value", f"--property={key}", unit).stdout.strip()

    def stop(self) -> None:
        """End it with all that runs in it; a second time does nothing."""
        if self._outer is None:
            return
        if self.pid and self._outer.poll() is None:
            _kill(self.pid)  # the namespaces go with their first process
        else:
            self._outer.terminate()
        self._outer.communicate(timeout=DEADLINE_S)
        self._outer, self.pid = None, 0

    def _boot(self) -> None:
        base = tempfile.mkdtemp(prefix="pm-machine-", dir="/var/tmp")
        self.name = Path(base).name
        unshare = ("unshare", "--mount", "--propagation", "private")
        shell = ("sh", str(Path(__file__).with_suffix(".sh")), "around", base, str(CHECKOUT), MASKED)
        self._outer = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *unshare, *shell],
            start_new_session=True,  # Ctrl-C is for the test run, which ends this
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._until(self._is_init, "its first process did not become systemd")
        self._until(
            lambda: self._ask("systemctl", "is-active", "basic.target"), "basic.target was not reached"
        )
        self.run("systemctl", "start", "dbus.service")
        self._until(lambda: self._ask("busctl", "--system", "status"), "its bus did not answer")

    def _is_init(self) -> bool:
        assert self._outer is not None
        try:
            for process in psutil.Process(self._outer.pid).children(recursive=True):
                if process.name() == "systemd" and _name(process.parent()) == "unshare":
                    self.pid = process.pid
        except psutil.NoSuchProcess:
            pass
        return bool(self.pid)

    def _ask(self, *argv: str) -> bool:
        return self.run(*argv, check=False).returncode == 0

    def _until(self, true: Callable[[], bool], otherwise: str) -> None:
        assert self._outer is not None
        deadline = time.monotonic() + DEADLINE_S
        while not true():
            if self._outer.poll() is not None:
                said, _ = self._outer.communicate()
                raise RuntimeError(f"no systemd machine: it ended with {self._outer.returncode}: {said}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"no systemd machine: {otherwise} within {DEADLINE_S} s")
            time.sleep(0.05)


def _name(process: psutil.Process | None) -> str:
    return process.name() if process else ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture(scope="session")
def booted() -> Iterator[Machine]:
    """A machine for all tests of this worker."""
    with Machine() as one:
        yield one


@pytest.fixture
def machine(booted: Machine) -> Iterator[Machine]:
    """A machine on which no unit has failed yet: give your units names of their own."""
    yield booted
    booted.run("systemctl", "reset-failed")
