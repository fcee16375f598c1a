"""Signed deliveries, sent one after another, as GitHub sends them, or as a test wants them to go wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx

from tests.doubles.github import events, schema
from tests.doubles.github.schema import ViolationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.doubles.github.state import Repo


@dataclass
class Hook:
    """Where events go; without a repository it is for those of all, and no list names it."""

    url: str
    secret: str
    content_type: str = "json"
    id: int = 1
    repo: Repo | None = None
    events: frozenset[str] = frozenset(events.EVENTS)
    active: bool = True

    def wants(self, repo: Repo, event: str) -> bool:
        ours = self.repo is None or self.repo is repo
        return ours and self.active and (event in self.events or event == "ping")


@dataclass
class Delivery:
    """One event for one address; `statuses` has an answer for each time it was sent, 0 for none."""

    hook: Hook
    event: str
    payload: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    statuses: list[int] = field(default_factory=list)

    @property
    def action(self) -> str:
        return str(self.payload.get("action", ""))

    @property
    def body(self) -> bytes:
        text = json.dumps(self.payload)
        return (urlencode({"payload": text}) if self.hook.content_type == "form" else text).encode()

    @property
    def headers(self) -> dict[str, str]:
        form = self.hook.content_type == "form"
        signature = hmac.new(self.hook.secret.encode(), self.body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
            "User-Agent": "GitHub-Hookshot/0000000",
            "X-GitHub-Delivery": self.id,
            "X-GitHub-Event": self.event,
            "X-GitHub-Hook-ID": str(self.hook.id),
            "X-Hub-Signature-256": f"sha256={signature}",
        }


class Webhooks:
    """The hooks of a GitHub, a thread that sends, and what was sent."""

    def __init__(self, violations: list[str]) -> None:
        self.hooks: list[Hook] = []
        self.deliveries: list[Delivery] = []
        self.held: list[Delivery] = []
        self._violations, self._holds, self._made = violations, False, 0
        self._waiting: queue.Queue[Delivery | None] = queue.Queue()
        self._thread = threading.Thread(target=self._send_all, name="github webhooks")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def add(self, url: str, secret: str, content_type: str, repo: Repo | None, names: Iterable[str]) -> Hook:
        self._made += 1
        self.hooks.append(Hook(url, secret, content_type, self._made, repo, frozenset(names)))
        return self.hooks[-1]

    def tell(self, repo: Repo, event: str, action: str, subject: Any, user: str, **more: Any) -> None:
        """Tell whoever wants to know of an event."""
        theirs = [hook for hook in self.hooks if hook.wants(repo, event)]
        if not theirs:
            return
        payload = events.payload(repo, event, action, subject, user, **more)
        try:
            schema.check_delivery(event, action, payload)
        except ViolationError as error:
            self._violations.append(str(error))
        for hook in theirs:
            self.send(Delivery(hook, event, payload))

    def hold(self) -> None:
        """Keep deliveries in `held` from now on."""
        self._holds = True

    def release(self, these: Iterable[Delivery] | None = None) -> None:
        """Send what was held, as it came or just these in their order; what is not among them is dropped."""
        chosen = self.held if these is None else list(these)
        self._holds, self.held = False, []
        for delivery in chosen:
            self.send(delivery)

    def send(self, delivery: Delivery) -> None:
        """Send a delivery; again, under its old id, where it was sent before."""
        if not any(each is delivery for each in self.deliveries):
            self.deliveries.append(delivery)
        if self._holds:
            self.held.append(delivery)
        else:
            self._waiting.put(delivery)

    def settle(self) -> None:
        """Wait until everything was sent."""
        self._waiting.join()

    def _send_all(self) -> None:
        while delivery := self._waiting.get():
            try:
                answer = httpx.post(
                    delivery.hook.url,
                    content=delivery.body,
                    headers=delivery.headers,
                    timeout=10,
                    verify=False,  # loopback: to load the authorities takes longer than the rest
                )
                delivery.statuses.append(answer.status_code)
            except httpx.HTTPError:
                delivery.statuses.append(0)
            finally:
                self._waiting.task_done()
