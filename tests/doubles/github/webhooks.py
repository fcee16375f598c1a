"""Signed deliveries, sent one after another, as GitHub sends them."""

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

from tests.doubles.github import shapes

if TYPE_CHECKING:
    from tests.doubles.github.state import Pull, Repo


@dataclass
class Hook:
    url: str
    secret: str
    content_type: str = "json"
    id: int = 1


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
        return str(self.payload["action"])

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

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.deliveries: list[Delivery] = []
        self._waiting: queue.Queue[Delivery | None] = queue.Queue()
        self._thread = threading.Thread(target=self._send_all, name="github webhooks")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def tell(self, repo: Repo, action: str, pull: Pull, user: str) -> None:
        """Tell all hooks what happened to a pull request."""
        if not self.hooks:
            return
        payload = {
            "action": action,
            "number": pull.number,
            "pull_request": shapes.pull_full(repo, pull),
            "repository": shapes.repository(repo),
            "sender": shapes.user(user, repo.url),
        }
        for hook in self.hooks:
            self.send(Delivery(hook, "pull_request", payload))

    def send(self, delivery: Delivery) -> None:
        """Send a delivery; again, under its old id, where it was sent before."""
        if not any(each is delivery for each in self.deliveries):
            self.deliveries.append(delivery)
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
