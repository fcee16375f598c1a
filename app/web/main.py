"""The web process: puts the application together and serves it."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from app.core import garbage, logs
from app.core.errors import PimaintenoError
from app.core.queue import Bell
from app.core.redact import Redactor
from app.web import (
    api,
    assets,
    board_page,
    first,
    health,
    history_page,
    live,
    login,
    login_forge,
    logins,
    metrics,
    pages,
    problems,
    project_pages,
    proposal_page,
    show,
    webhooks,
)
from app.web.context import Web
from app.web.edge import Edge
from app.web.guard import GuardedRoute
from app.web.hub import Hub
from app.web.inbox import Inbox
from app.web.items import Items
from app.web.senders import Senders
from app.web.sessions import Sessions
from app.web.texts import Texts
from app.web.ways import Ways

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.core.settings import Settings, WebSettings
    from app.store.database import Store

GRACE_S = 5
BACKLOG = 1024


def create_app(
    settings: Settings,
    *,
    store: Store,
    bell: Bell,
    redactor: Redactor,
    demo: bool = False,
) -> FastAPI:
    """Return the application. `demo` gives whoever reads a page over loopback an operator's session."""
    app = FastAPI(
        title="PiMainteno",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    ways = Ways(settings, demo=demo)
    app.state.web = Web(
        settings=settings,
        store=store,
        bell=bell,
        redactor=redactor,
        ways=ways,
        sessions=Sessions(store, ways),
        senders=Senders(settings, redactor),
        inbox=Inbox(store),
        hub=Hub(store),
        demo=demo,
    )
    app.state.texts, app.state.items = Texts(redactor), Items(redactor)
    app.state.templates = show.environment(app.state.texts)
    app.state.templates.globals["may_act"] = pages.may_act
    app.router.route_class = GuardedRoute
    # routes are tried in turn: the busiest first
    if not settings.web.webhook_port:
        app.include_router(webhooks.router)
    people = (board_page, proposal_page, project_pages, history_page, pages)
    for part in (health, login, login_forge, logins, *people, api, live, assets, metrics):
        app.include_router(part.router)
    problems.install(app)
    app.add_middleware(Edge)
    return app


def create_webhook_app(web: Web) -> FastAPI:
    """Return what listens on the port of the webhooks, beside the page and with the same surroundings."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.web = web
    app.state.for_programs = True
    app.router.route_class = GuardedRoute
    app.include_router(webhooks.router)
    app.add_api_route("/healthz", health.healthz, methods=["GET", "HEAD"])
    problems.install(app)
    app.add_middleware(Edge)
    return app


async def serve(
    settings: Settings,
    *,
    demo: bool = False,
    stop: asyncio.Event | None = None,
    ready: Callable[[str], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, or until `stop` is set where the caller minds the signals.

    `ready` is told the address once it answers, `tell` what the person who starts us must see. Raises
    PimaintenoError where the port is taken, the store cannot be opened or Redis cannot be started.
    """
    from app.core import redis
    from app.store.database import Store

    redactor = Redactor(settings.secrets())
    logs.configure(redactor, process="web")
    ended = _ended_by_signal() if stop is None else stop
    async with AsyncExitStack() as held:
        listeners = [held.enter_context(each) for each in _all_listening(settings.web)]
        store = await held.enter_async_context(Store.opened(settings.database_url_effective))
        url = await held.enter_async_context(redis.running(settings))
        bell = await held.enter_async_context(Bell(url))
        app = create_app(settings, store=store, bell=bell, redactor=redactor, demo=demo)
        await webhooks.prepare(app.state.web)
        if tell is not None and not demo:
            await first.welcome(app.state.web, tell)
        garbage.freeze()
        apps = [app, create_webhook_app(app.state.web)][: len(listeners)]
        await _serve(list(zip(apps, listeners, strict=True)), ended, ready)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it raises a signal again at its end, before we have closed."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell who waits for it."""
        await super().startup(sockets)
        self._started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`."""
        yield


async def _serve(
    served: Sequence[tuple[FastAPI, socket.socket]],
    ended: asyncio.Event,
    ready: Callable[[str], None] | None,
) -> None:
    """Serve the page, and the webhooks beside it, until either ends."""
    waited_for = len(served)

    def started() -> None:
        nonlocal waited_for
        waited_for -= 1
        if waited_for:
            return
        addresses = [_address(listener) for _, listener in served]
        more = {"webhooks": addresses[1]} if len(addresses) > 1 else {}
        logs.get().info("the page answers", url=addresses[0], **more)
        if ready is not None:
            ready(addresses[0])

    servers = [_Server(_configuration(app), started) for app, _ in served]
    serving = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, (_, listener) in zip(servers, served, strict=True)
    ]
    stopping = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({*serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        served[0][0].state.web.hub.close()  # the server would wait for its streams
        for server in servers:
            server.should_exit = True
        stopping.cancel()
        await asyncio.gather(*serving)
        await served[0][0].state.web.hub.ended()


def _configuration(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        # a proxy's headers are for `auth` to see; uvicorn would believe and hide them
        proxy_headers=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
    )


def _ended_by_signal() -> asyncio.Event:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ended.set)
    return ended


def _all_listening(web: WebSettings) -> Iterator[socket.socket]:
    """Yield the page's open port, and that of the webhooks where they have one of their own."""
    yield _listening(web.host, web.port)
    if web.webhook_port:
        yield _listening(web.webhook_host or web.host, web.webhook_port)


def _listening(host: str, port: int) -> socket.socket:
    """Return the open port, taken before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise PimaintenoError(
            f"{host} port {port} cannot be opened ({error.strerror}): "
            "stop what uses it, or set host and port in [web] to others"
        ) from error
    # connections inherit it; asyncio sets it by itself only on sockets that it has opened, and without it
    # each answer on a kept connection waits 40 ms for the other side's acknowledgement
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
