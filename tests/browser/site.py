"""The real web process over a store that was filled before, as people reach it: by an address."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.settings import load
from app.store.database import Store
from app.web.auth import Role
from tests.browser.week.case import FORGES, REPOS
from tests.browser.week.telling import CASES, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.core.settings import Settings

CHROMIUM = "/usr/bin/chromium"
OURS = "http://127.0.0.1:8300"
"""Where the week's proposals say that our page is; the page is read over loopback on any port."""
TOKENS = {role.name.lower(): f"{role.name.lower()}-token-of-the-week-0123456789" for role in Role}
NO_REDIS = "redis://127.0.0.1:1"
"""Nobody answers there: what is asked for waits as a row, which is all that the page needs."""
START_S = 120.0
TRIES = 5


@dataclass
class Site:
    """A web process, its address and its store's settings."""

    address: str
    configuration: Path
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """Return its settings, as every other process of the installation has them."""
        return load(self.configuration)

    def stop(self) -> None:
        """End it as systemd does, and wait."""
        self.process.terminate()
        assert self.process.wait(timeout=15) == 0, self.said


def configure(
    folder: Path, port: int, *, web: str = "", more: str = "", known: Callable[[str], str] | None = None
) -> Path:
    """Write the week's configuration; `web` is more of its section `[web]`, `more` more tables.

    With `known` our address is the one that the browser reaches us at; it returns tables that name it.
    """
    ours = f"http://127.0.0.1:{port}" if known else OURS
    more += known(ours) if known else ""
    tokens = "".join(
        f'[web.tokens.{role}]\ntoken = "{token}"\nrole = "{role}"\n' for role, token in TOKENS.items()
    )
    units: dict[str, list[str]] = {}
    for case in CASES:
        if case.unit and case.unit not in units.setdefault(case.project, []):
            units[case.project].append(case.unit)
    checks = {
        case.project: [check.command for check in case.checks] for case in reversed(CASES) if case.checks
    }
    projects = "".join(
        f'[projects.{name}]\nforge = "{forge}"\nrepo = "{REPOS[name]}"\nunits = {units.get(name, [])}\n'
        f"checks = {checks.get(name, [])}\n"
        for name, forge in FORGES.items()
    )
    path = folder / "pimainteno.toml"
    path.write_text(
        f'state_dir = "{folder / "state"}"\nredis_url = "{NO_REDIS}"\n'
        f'public_url = "{ours}"\n[web]\nport = {port}\n{web}{tokens}'
        f'[forges.here]\nkind = "local"\n[forges.hub]\nkind = "github"\n[forges.lab]\nkind = "gitlab"\n'
        f'[prices."gpt-5.5"]\ninput = 1.25\ncached = 0.125\noutput = 10.0\n'
        f"{projects}{more}",
        "utf-8",
    )
    return path


@cache
def filled(*, paused: bool = True) -> tuple[Path, dict[str, int]]:
    """Return the file of a week's store, and its proposals by title; made once for each process."""
    import atexit
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="pm-week-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "week.sqlite3"

    async def fill() -> dict[str, int]:
        async with Store.opened(f"sqlite+aiosqlite:///{path}") as store:
            return await tell(store, paused=paused)

    return path, asyncio.run(fill())


def place_store(configuration: Path, store: Path) -> None:
    """Give an installation a copy of a store."""
    paths = load(configuration).paths
    paths.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(store, paths.database)


@contextmanager
def served(
    folder: Path,
    *,
    store: Path | None = None,
    web: str = "",
    more: str = "",
    known: Callable[[str], str] | None = None,
    zone: str = "",
) -> Iterator[Site]:
    """Serve a copy of a store, the week's by default, until the block ends; `zone` is the host's."""
    for attempt in range(TRIES):
        port = free_port()
        configuration = configure(folder, port, web=web, more=more, known=known)
        place_store(configuration, store or filled()[0])
        site = start(configuration, port, zone)
        if site is not None:
            break
        assert attempt < TRIES - 1, "no port stayed free"
    assert site is not None
    try:
        yield site
    finally:
        if site.process.poll() is None:
            site.stop()


def start(configuration: Path, port: int, zone: str = "") -> Site | None:
    """Start the web process; None where another program took its port meanwhile."""
    argv = [sys.executable, "-m", "app.cli", "--config", str(configuration), "web"]
    process = subprocess.Popen(
        argv,
        cwd=configuration.parent,
        env={**os.environ, "TZ": zone} if zone else None,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    site = Site(f"http://127.0.0.1:{port}", configuration, process)
    assert process.stderr is not None
    threading.Thread(target=_listen, args=(site,), daemon=True).start()
    if _answers(site):
        return site
    said = "\n".join(site.said)
    assert "cannot be opened" in said, said
    return None


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _listen(site: Site) -> None:
    assert site.process.stderr is not None
    with site.process.stderr as lines:
        site.said.extend(line.rstrip() for line in lines)


def _answers(site: Site) -> bool:
    import time

    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if site.process.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"{site.address}/healthz", timeout=5):
                return True
        except urllib.error.URLError:
            time.sleep(0.05)  # until it listens
    site.process.kill()
    raise AssertionError(f"it does not answer: {site.said}")
