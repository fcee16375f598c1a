"""What every request is given: settings, the store, the bell, redaction, and the page sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from app.web.auth import Caller
from app.web.bodies import Bodies
from app.web.brake import Attempts
from app.web.items import Items

if TYPE_CHECKING:
    from app.core.queue import Bell
    from app.core.redact import Redactor
    from app.core.settings import Settings
    from app.store.database import Store
    from app.web.hub import Hub
    from app.web.inbox import Inbox
    from app.web.senders import Senders
    from app.web.sessions import Session, Sessions
    from app.web.texts import Texts
    from app.web.ways import Ways


@dataclass(frozen=True)
class Web:
    """The surroundings of all requests; `demo` hands a session to whoever reads a page over loopback."""

    settings: Settings
    store: Store
    bell: Bell
    redactor: Redactor
    ways: Ways
    sessions: Sessions
    senders: Senders
    inbox: Inbox
    hub: Hub
    attempts: Attempts = field(default_factory=Attempts)
    bodies: Bodies = field(default_factory=Bodies)
    demo: bool = False

    @property
    def cookie(self) -> str:
        """Name the session's cookie; with the port, for cookies do not tell ports of a host apart.

        Browsers take one with `__Host-` over https alone, and from no other host of the domain.
        """
        return f"{'__Host-' if self.secure else ''}pimainteno-{self.settings.web.port}"

    @property
    def oauth_cookie(self) -> str:
        """Name the cookie that waits for a browser to come back from a forge."""
        return f"{self.cookie}-oauth"

    @property
    def message_cookie(self) -> str:
        """Name the cookie that takes a message to the next page."""
        return f"{self.cookie}-message"

    @property
    def secure(self) -> bool:
        """Tell whether people reach the page over https."""
        return self.settings.public_url.startswith("https://")


def web_of(request: Request) -> Web:
    """Return the surroundings of a request."""
    return cast("Web", request.app.state.web)


def texts_of(request: Request) -> Texts:
    """Return what makes texts of others fit for a page."""
    return cast("Texts", request.app.state.texts)


def items_of(request: Request) -> Items:
    """Return what makes the items of the interface's lists."""
    return cast("Items", request.app.state.items)


def caller_of(request: Request) -> Caller:
    """Return who calls, as the guard found."""
    return cast("Caller", request.state.caller)


def session_of(request: Request) -> Session | None:
    """Return the page session of a request, as the guard found; None where no route was asked."""
    return cast("Session | None", getattr(request.state, "session", None))


TheWeb = Annotated[Web, Depends(web_of)]
TheItems = Annotated[Items, Depends(items_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
