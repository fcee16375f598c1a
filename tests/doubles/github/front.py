"""What the network sees of the double: the API, git, and what goes wrong with them."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.doubles import smart_http
from tests.doubles.github import api, schema
from tests.doubles.github.access import Access, RefusedError, check
from tests.doubles.github.faults import Faults
from tests.doubles.github.quota import USED_UP, Quota
from tests.doubles.github.schema import ViolationError
from tests.doubles.github.webhooks import Webhooks
from tests.doubles.oauth import OAuth

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from tests.doubles.github.state import Repo

    Reply = tuple[int, dict[str, str], bytes]

JSON_KIND = {"Content-Type": "application/json; charset=utf-8"}
_GIT = re.compile(r"/([^/]+/[^/]+?)(?:\.git)?(/(?:info/refs|git-upload-pack|git-receive-pack))$")
_BY_ID = re.compile(r"/repositories/(\d+)$")


@dataclass(frozen=True)
class Request:
    """One request as it came; `kind` is how it signed in (basic, bearer, token, none), never with what."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    kind: str
    at: float


class Front:
    """Takes requests, answers them, and keeps what it saw."""

    def __init__(self, folder: Path, access: Access, token_lasts: timedelta) -> None:
        self.folder, self.access, self.token_lasts = folder, access, token_lasts
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.repos: dict[str, Repo] = {}
        self.moved: dict[str, Repo] = {}
        self.faults, self.quota = Faults(), Quota()
        self.oauth = OAuth(self.access.of_person, errors=200)
        self.webhooks = Webhooks(self.violations)
        self.lock, self.stopped = threading.RLock(), threading.Event()
        self.server = _Server(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def handle(self, http: BaseHTTPRequestHandler) -> None:
        """Answer one request, as GitHub does or as a fault wants it."""
        content, parts = smart_http.body_of(http), urlsplit(http.path)
        path = parts.path.removeprefix("/api/v3")
        headers = {name.lower(): value for name, value in http.headers.items()}
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        with self.lock:
            self.requests.append(_request(http.command, path, query, headers, content))
            fault = self.faults.next(http.command, path, parts.query)
        reply: Reply = (0, {}, b"")
        if fault is None or fault.after or fault.only_slow:
            if path.startswith("/login/oauth/"):
                reply = self._oauth(path, query, headers, content)
            elif match := _GIT.fullmatch(path):
                reply = self._git(http, match, query, headers, content)
            else:
                reply = self._api(http.command, path, query, headers, content)
        if fault is not None:
            self.stopped.wait(fault.slow_s)
            if fault.cuts:
                http.close_connection = True
                return
            if not fault.only_slow:
                reply = (fault.status, fault.headers, fault.body)
        common = {"x-github-request-id": secrets.token_hex(8).upper()} | self.quota.headers()
        smart_http.send(http, reply[0], common | reply[1], reply[2])

    def _oauth(self, path: str, query: dict[str, str], headers: dict[str, str], content: bytes) -> Reply:
        with self.lock:
            if path == "/login/oauth/authorize":
                return self.oauth.authorize(query)
            if path == "/login/oauth/access_token":
                return self.oauth.token(headers, content)
        return 404, {"Content-Type": "text/html"}, b"<html>404</html>"

    def _api(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], content: bytes
    ) -> Reply:
        more: dict[str, str] = {}
        try:
            if match := _BY_ID.fullmatch(path):
                path = self._path_of(match[1])
            operation, names = self._operation(method, path)
            operation.check_names(names)
            operation.check_query(query)
            body = operation.check_body(content, headers.get("content-type", ""))
            status, data, more = self._performed(method, path, operation, names, query, body, headers)
            operation.check_answer(status, data)
        except ViolationError as error:
            self.violations.append(str(error))
            status, data = 500, {"message": f"The double refuses this: {error}"}
        content = b"" if status == 204 else json.dumps(data).encode()
        if status == 200 and method == "GET":
            more["ETag"] = tag = _tag(content, headers)
            if headers.get("if-none-match") == tag:
                return 304, more, b""
        if path != "/rate_limit" and not self.quota.take():
            return 403, JSON_KIND, json.dumps(USED_UP).encode()
        return status, JSON_KIND | more, content

    def _performed(
        self,
        method: str,
        path: str,
        operation: schema.Operation,
        names: dict[str, str],
        query: dict[str, str],
        body: Any,
        headers: dict[str, str],
    ) -> tuple[int, Any, dict[str, str]]:
        with self.lock:
            try:
                token = None
                if operation.template in api.SIGNED_BY_APP:
                    self.access.check_app(headers)
                else:
                    token = self.access.of_api(headers)
                self._find(method, names)
                call = api.Call(
                    self.repos,
                    self.access,
                    self.webhooks,
                    self.url,
                    path,
                    token,
                    names,
                    query,
                    body,
                    self.token_lasts,
                )
                return *api.perform(call, method, operation.template), call.headers
            except RefusedError as error:
                return error.status, error.body, error.headers

    def _operation(self, method: str, path: str) -> tuple[schema.Operation, dict[str, str]]:
        for (their_method, template), operation in schema.operations().items():
            shape = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            if their_method == method and (match := re.fullmatch(shape, path)):
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        raise ViolationError(f"{method} {path}: unknown path")

    def _path_of(self, number: str) -> str:
        found = [repo.name for repo in self.repos.values() if str(repo.id) == number]
        return f"/repos/{found[0] if found else 'no/body'}"

    def _find(self, method: str, names: dict[str, str]) -> None:
        if "owner" not in names:
            return
        name = f"{names['owner']}/{names['repo']}".casefold()
        if moved := self.moved.get(name):
            where = {"Location": f"{self.url}/repositories/{moved.id}"}
            if method == "GET":
                raise RefusedError(301, "Moved Permanently", headers=where)
            raise RefusedError(307, "Temporary Redirect", headers=where)
        if name not in self.repos:
            raise RefusedError(404, "Not Found")

    def _git(
        self,
        http: BaseHTTPRequestHandler,
        match: re.Match[str],
        query: dict[str, str],
        headers: dict[str, str],
        content: bytes,
    ) -> Reply:
        writes = "git-receive-pack" in (query.get("service"), match[2].lstrip("/"))
        name = match[1].casefold()
        token = None
        try:
            token = self.access.of_git(headers)
            if moved := self.moved.get(name):
                return 301, {"Location": f"{moved.html_url}.git{match[2]}?{urlsplit(http.path).query}"}, b""
            repo = check(self.repos.get(name), token, writes=writes)
        except RefusedError as error:
            hidden = error.status == 401 or (error.status == 404 and token is None)
            realm = {"WWW-Authenticate": 'Basic realm="GitHub"'} if hidden else {}
            status = 401 if hidden else error.status
            return status, {"Content-Type": "text/plain"} | realm, f"{error}\n".encode()
        path = f"/{repo.id_name}.git{match[2]}"
        answer = smart_http.answer(http, content, self.folder, path=path)
        if writes and http.command == "POST":
            with self.lock:
                repo.refresh(token.login if token else "ghost")
        return answer


def _tag(content: bytes, headers: dict[str, str]) -> str:
    """Return the ETag of an answer, which on GitHub is another for each token."""
    return f'W/"{hashlib.sha256(content + headers.get("authorization", "").encode()).hexdigest()}"'


def _request(
    method: str, path: str, query: dict[str, str], headers: dict[str, str], content: bytes
) -> Request:
    body: Any = content
    if headers.get("content-type", "").startswith("application/json"):
        try:
            body = json.loads(content)
        except ValueError:
            body = content
    kind = headers.get("authorization", "none").partition(" ")[0].lower()
    told = {name: value for name, value in headers.items() if name != "authorization"}
    return Request(method, path, query, body, told, kind, time.monotonic())


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, front: Front) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 30

            def _handle(self) -> None:
                front.handle(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _handle  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay quiet."""

        self._front = front
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Keep the double's own mistakes for its end; a client may go away."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError | ssl.SSLEOFError):
            self._front.violations.append(f"the double itself failed: {error!r}")
