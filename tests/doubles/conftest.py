"""Doubles of GitHub and GitLab with one repository, whose branch `fix` is one commit ahead."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.doubles import gitlab as lab
from tests.doubles.github import TOKEN, GitHub
from tests.doubles.origin import Origin, made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "me/greeter"
REPO = f"/repos/{NAME}"
DRAFT = {"title": "Fix it", "body": "Why", "head": "fix", "base": "main", "draft": True}


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder to copy: making it takes many processes."""
    origin = made(tmp_path_factory.mktemp("pattern") / "owner")
    origin.commit({"a.txt": "1\n"})
    origin.commit({"a.txt": "2\n"}, to="fix")
    return origin.bare.parent


@pytest.fixture
def origin(place: Path, pattern: Path) -> Origin:
    there = shutil.copytree(pattern, place / "owner")
    origin = Origin(there / "project.git", there / "work")
    origin.git("remote", "set-url", "origin", str(origin.bare))
    return origin


@pytest.fixture
def github(place: Path, origin: Origin) -> Iterator[GitHub]:
    with GitHub(place / "hub", repos={NAME: origin.bare}) as github:
        yield github


@pytest.fixture
def gitlab(place: Path, origin: Origin) -> Iterator[lab.GitLab]:
    with lab.GitLab(place / "lab", repos={NAME: origin.bare}) as gitlab:
        yield gitlab


@pytest.fixture
def web(github: GitHub) -> Iterator[httpx.Client]:
    with client(github) as web:
        yield web


def client(github: GitHub, token: str = TOKEN) -> httpx.Client:
    """Return a client of the API, with a token or none."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=github.url, headers=headers, timeout=10, verify=False)


def gitlab_client(gitlab: lab.GitLab, token: str = lab.TOKEN) -> httpx.Client:
    """Return a client of GitLab's API, with a token or none."""
    headers = {"PRIVATE-TOKEN": token} if token else {}
    return httpx.Client(base_url=f"{gitlab.url}/api/v4", headers=headers, timeout=10, verify=False)


@contextmanager
def listener() -> Iterator[tuple[str, list[tuple[httpx.Headers, bytes]]]]:
    """Take deliveries on loopback; give the address, and what came."""
    taken: list[tuple[httpx.Headers, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((httpx.Headers(self.headers.items()), body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", taken
    server.shutdown()
    thread.join()
    server.server_close()
