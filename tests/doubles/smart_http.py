"""The real `git http-backend` behind a request of the standard library's HTTP server."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """Read a request's body; git sends long ones in chunks."""
    if request.headers.get("Transfer-Encoding") == "chunked":
        return _chunks(request)
    return request.rfile.read(int(request.headers.get("Content-Length") or 0))


def answer(
    request: BaseHTTPRequestHandler, body: bytes, folder: Path, *, path: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Return git's own answer (status, headers, content) from the repositories of a folder."""
    parts = urlsplit(request.path)
    env = os.environ | {
        "GIT_PROJECT_ROOT": str(folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "PATH_INFO": path or parts.path,
        "QUERY_STRING": parts.query,
        "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "REMOTE_USER": "owner",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    return int(headers.pop("Status", "200").split()[0]), headers, content


def send(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes) -> None:
    """Send a whole answer."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


def _chunks(request: BaseHTTPRequestHandler) -> bytes:
    whole = b""
    while size := int(request.rfile.readline().strip(), 16):
        whole += request.rfile.read(size)
        request.rfile.readline()
    return whole
