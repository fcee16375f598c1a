"""What the network sees of the double: the API, git, and what goes wrong with them."""

from __future__ import annotations

import json
import re
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.doubles import smart_http
from tests.doubles.github.faults import Faults
from tests.doubles.gitlab import api, schema
from tests.doubles.gitlab.access import Access, RefusedError, check_git
from tests.doubles.gitlab.schema import ViolationError
from tests.doubles.gitlab.state import Token, User
from tests.doubles.gitlab.webhooks import Webhooks
from tests.doubles.oauth import OAuth

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from tests.doubles.gitlab.state import Project

    Reply = tuple[int, dict[str, str], bytes]

API = "/api/v4"
JSON_KIND = {"Content-Type": "application/json"}
_GIT = re.compile(r"/(.+?)(?:\.git)?(/(?:info/refs|git-upload-pack|git-receive-pack))$")
MOVED_WRITE = "Non GET methods are not allowed for moved projects"


@dataclass
class Quota:
    """How many requests a minute GitLab still takes; tests may set it."""

    limit: int = 2000
    remaining: int = 2000
    reset_at: float = field(default_factory=lambda: time.time() + 60)

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.remaining)),
            "RateLimit-Observed": str(self.limit - self.remaining),
            "RateLimit-Reset": str(int(self.reset_at)),
        }


@dataclass(frozen=True)
class Request:
    """One request as it came; `kind` is how it signed in (private-token, basic, none), never with what."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    headers: dict[str, str]
    kind: str
    at: float


class Front:
    """Takes requests, answers them, and keeps what it saw."""

    def __init__(self, folder: Path, access: Access, at: str, tls: ssl.SSLContext | None) -> None:
        self.folder, self.access, self.at = folder, access, at
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.users: dict[str, User] = {}
        self.projects: dict[str, Project] = {}
        self.moved: dict[str, Project] = {}
        self.faults, self.quota = Faults(), Quota()
        self.oauth = OAuth(self._token_of)
        self.lock, self.stopped = threading.RLock(), threading.Event()
        self.server = _Server(self, tls)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_address[1]}{at}"
        self.webhooks = Webhooks(self.url)

    def handle(self, http: BaseHTTPRequestHandler) -> None:
        """Answer one request, as GitLab does or as a fault wants it."""
        content, parts = smart_http.body_of(http), urlsplit(http.path)
        path = parts.path.removeprefix(self.at)
        headers = {name.lower(): value for name, value in http.headers.items()}
        query = parse_qs(parts.query, keep_blank_values=True)
        with self.lock:
            self.requests.append(_request(http.command, path.removeprefix(API), query, headers, content))
            fault = self.faults.next(http.command, unquote(path.removeprefix(API)), parts.query)
        reply: Reply = (0, {}, b"")
        if not parts.path.startswith(f"{self.at}/"):
            reply = (404, {"Content-Type": "text/html"}, b"<html>nobody lives here</html>")
        elif fault is None or fault.after or fault.only_slow:
            reply = self._reply(http, path, query, headers, content)
        if fault is not None:
            self.stopped.wait(fault.slow_s)
            if fault.cuts:
                http.close_connection = True
                return
            if not fault.only_slow:
                reply = (fault.status, fault.headers, fault.body)
        common = {"x-request-id": secrets.token_hex(8).upper()} | self.quota.headers()
        smart_http.send(http, reply[0], common | reply[1], reply[2])

    def _reply(
        self,
        http: BaseHTTPRequestHandler,
        path: str,
        query: dict[str, list[str]],
        headers: dict[str, str],
        content: bytes,
    ) -> Reply:
        if path.startswith(f"{API}/"):
            with self.lock:
                self.quota.remaining -= 1
            return self._api(http.command, path.removeprefix(API), query, headers, content)
        if path.startswith("/oauth/"):
            return self._oauth(path, query, headers, content)
        if match := _GIT.fullmatch(path):
            return self._git(http, match, query, headers, content)
        return 404, {"Content-Type": "text/html"}, b"<html>404</html>"

    def _oauth(
        self, path: str, query: dict[str, list[str]], headers: dict[str, str], content: bytes
    ) -> Reply:
        with self.lock:
            if path == "/oauth/authorize":
                return self.oauth.authorize({name: values[-1] for name, values in query.items()})
            if path == "/oauth/token":
                return self.oauth.token(headers, content)
        return 404, {"Content-Type": "text/html"}, b"<html>404</html>"

    def _token_of(self, login: str, scopes: tuple[str, ...]) -> str:
        """Return a token by which an application acts for somebody."""
        secret = secrets.token_hex(32)
        self.access.tokens[secret] = Token(self.users.setdefault(login, User(login)), scopes)
        return secret

    def _api(
        self, method: str, path: str, query: dict[str, list[str]], headers: dict[str, str], content: bytes
    ) -> Reply:
        more: dict[str, str] = {}
        try:
            operation, names = self._operation(method, path)
            operation.check_names(names)
            operation.check_query(query)
            body = operation.check_body(content, headers.get("content-type", ""))
            status, data, more = self._performed(operation, names, query, body, headers)
            operation.check_answer(status, data)
        except ViolationError as error:
            self.violations.append(str(error))
            status, data = 500, {"message": f"The double refuses this: {error}"}
        if status == 204:
            return status, more, b""
        return status, JSON_KIND | more, json.dumps(data).encode()

    def _performed(
        self,
        operation: schema.Operation,
        names: dict[str, str],
        query: dict[str, list[str]],
        body: dict[str, Any],
        headers: dict[str, str],
    ) -> tuple[int, Any, dict[str, str]]:
        with self.lock:
            try:
                token = self.access.of_api(headers)
                project = self._find(operation.method, names)
                last = {name: values[-1] for name, values in query.items()}
                call = api.Call(project, self.users, self.url, token, names, last, body)
                return *api.perform(call, operation.method, operation.template), call.headers
            except RefusedError as error:
                return error.status, error.body, error.headers

    def _operation(self, method: str, path: str) -> tuple[schema.Operation, dict[str, str]]:
        for shape, operation in schema.operations():
            if operation.method == method and (match := shape.fullmatch(path)):
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        raise ViolationError(f"{method} {path}: unknown path")

    def _find(self, method: str, names: dict[str, str]) -> Project | None:
        if "id" not in names:
            return None
        name = names["id"].casefold()
        if moved := self.moved.get(name):
            if method != "GET":
                raise RefusedError(405, MOVED_WRITE)
            where = {"Location": f"{self.url}{API}/projects/{moved.id}"}
            raise RefusedError(301, "This resource has been moved permanently", where)
        by_id = (each for each in self.projects.values() if str(each.id) == name)
        return self.projects.get(name) or next(by_id, None)

    def _git(
        self,
        http: BaseHTTPRequestHandler,
        match: re.Match[str],
        query: dict[str, list[str]],
        headers: dict[str, str],
        content: bytes,
    ) -> Reply:
        writes = "git-receive-pack" in (*query.get("service", []), match[2].lstrip("/"))
        name, token = match[1].casefold(), None
        try:
            token = self.access.of_git(headers)
            if moved := self.moved.get(name):
                return 301, {"Location": f"{moved.web_url}.git{match[2]}?{urlsplit(http.path).query}"}, b""
            project = check_git(self.projects.get(name), token, writes=writes)
        except RefusedError as error:
            hidden = error.status == 401 or (error.status == 404 and token is None)
            realm = {"WWW-Authenticate": 'Basic realm="GitLab"'} if hidden else {}
            status = 401 if hidden else error.status
            return status, {"Content-Type": "text/plain"} | realm, f"{error}\n".encode()
        before = project.bare.branches() if writes and http.command == "POST" else {}
        answer = smart_http.answer(http, content, self.folder, path=f"/{project.on_disk}.git{match[2]}")
        if writes and http.command == "POST" and token is not None:
            with self.lock:
                self.pushed(project, before, token.user)
        return answer

    def pushed(self, project: Project, before: dict[str, str], user: User) -> None:
        """Tell of branches that changed, and of what that means for merge requests."""
        after, nothing = project.bare.branches(), "0" * 40
        for branch in sorted(before.keys() | after.keys()):
            old, new = before.get(branch, nothing), after.get(branch, nothing)
            if old != new:
                project.tell(project, "push", f"refs/heads/{branch}", user, before=old, after=new)
        project.refresh(user)


def _request(
    method: str, path: str, query: dict[str, list[str]], headers: dict[str, str], content: bytes
) -> Request:
    body: Any = content
    if content and headers.get("content-type", "").startswith("application/json"):
        try:
            body = json.loads(content)
        except ValueError:
            body = content
    kind = headers.get("authorization", "none").partition(" ")[0].lower()
    kind = "private-token" if "private-token" in headers else kind
    told = {name: value for name, value in headers.items() if name not in ("authorization", "private-token")}
    return Request(method, unquote(path), query, body, told, kind, time.monotonic())


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, front: Front, tls: ssl.SSLContext | None) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 30

            def _handle(self) -> None:
                front.handle(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _handle  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay quiet."""

        self._front = front
        super().__init__(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Keep the double's own mistakes for its end; a client may go away."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # an SSLError is one
            self._front.violations.append(f"the double itself failed: {error!r}")
