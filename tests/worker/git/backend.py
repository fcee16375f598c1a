"""The real `git http-backend` on loopback, with a user name and password, and ways to misbehave."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.doubles import smart_http

if TYPE_CHECKING:
    from pathlib import Path


class Backend:
    """Serves the bare repositories of a folder; use it as a context manager."""

    def __init__(self, folder: Path, *, user: str, token: str) -> None:
        self.folder, self.requests = folder, list[tuple[str, str | None]]()
        self.allowed = "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()
        self.redirect_to = ""
        self.cut_push_answers = False
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                backend.answer(self)

            def do_POST(self) -> None:
                backend.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Backend:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request: with git's own words, or as the test wants it."""
        self.requests.append((request.path, request.headers.get("Authorization")))
        body = smart_http.body_of(request)
        if self.redirect_to:
            smart_http.send(request, 302, {"Location": self.redirect_to + request.path}, b"")
        elif request.headers.get("Authorization") != self.allowed:
            smart_http.send(request, 401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
        else:
            self._serve(request, body)

    def _serve(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        answer = smart_http.answer(request, body, self.folder)
        pushed = request.command == "POST" and urlsplit(request.path).path.endswith("git-receive-pack")
        if self.cut_push_answers and pushed:
            request.close_connection = True
        else:
            smart_http.send(request, *answer)
