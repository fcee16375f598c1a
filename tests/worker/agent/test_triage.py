"""Unit facts that are no code bug are named; anything else goes on to the agent."""

from __future__ import annotations

import pytest

from app.core.base import now
from app.core.errors import Skipped
from app.core.models import Incident
from worker.agent.triage import judge


@pytest.mark.parametrize(
    ("facts", "advice"),
    [
        ({"result": "oom-kill"}, "memory"),
        ({"result": "resources"}, "systemctl status"),
        ({"exit_status": "200"}, "WorkingDirectory"),
        ({"exit_status": "217"}, "User does not exist"),
        ({"exit_status": "NAMESPACE"}, "namespaces"),
        ({"log": "OSError: [Errno 28] No space left on device: '/var/lib/x'"}, "disk is full"),
        ({"log": "OSError: [Errno 30] Read-only file system"}, "read-only"),
        ({"log": "OSError: [Errno 98] Address already in use"}, "port"),
        ({"log": "Error: listen EADDRINUSE: address already in use :::80"}, "port"),
        ({"log": "ssl.SSLCertVerificationError: certificate has expired (_ssl.c:1006)"}, "certificate"),
        ({"log": "accept: Too many open files"}, "LimitNOFILE"),
        ({"log": "socket.gaierror: [Errno -3] Temporary failure in name resolution"}, "DNS"),
    ],
)
def test_the_machines_own_trouble_is_named(facts: dict[str, str], advice: str) -> None:
    with pytest.raises(Skipped, match=advice):
        judge(_incident(**facts))


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"log": "IndexError: list index out of range"},
        {"log": "MemoryError"},
        {"exit_status": "1"},
        {"exit_status": "203"},  # the program could not be executed: it may well be the project's own
        {"result": "signal", "exit_status": "11"},
        {"result": "timeout"},
        {"result": "a result that a later systemd invents"},
        {"log": "No space left on device, retrying\n" + "worked\n" * 20 + "KeyError: 'name'"},
    ],
)
def test_what_may_be_a_bug_goes_on(facts: dict[str, str]) -> None:
    judge(_incident(**facts))


def _incident(result: str = "exit-code", exit_status: str = "", log: str = "") -> Incident:
    at = now()
    return Incident(
        id=1, project="p", unit="p.service", fingerprint="f" * 64, fingerprint_version=1, result=result,
        exit_status=exit_status, count=1, hosts=("h",), first_at=at, last_at=at, log=log,
    )  # fmt: skip
