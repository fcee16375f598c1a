"""Deliveries, sent one after another, as GitLab sends them, or as a test wants them to go wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from tests.doubles.gitlab import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.doubles.gitlab.state import Hook, Project, User


@dataclass
class Delivery:
    """One event for one address; `statuses` has an answer for each time it was sent, 0 for none."""

    hook: Hook
    event: str
    payload: dict[str, Any]
    instance: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    at: float = field(default_factory=time.time)
    statuses: list[int] = field(default_factory=list)

    @property
    def action(self) -> str:
        told = self.payload.get("object_attributes", {})
        return str(told.get("action") or told.get("status") or "")

    @property
    def body(self) -> bytes:
        return json.dumps(self.payload).encode()

    def headers(self) -> dict[str, str]:
        """Return the headers of one sending: its time is now, its id that of the first."""
        stamp = str(int(self.at))
        told = {
            "Content-Type": "application/json",
            "User-Agent": "GitLab/18.0.0",
            "Idempotency-Key": self.id,
            "X-Gitlab-Event": events.TITLES[self.event],
            "X-Gitlab-Instance": self.instance,
            "X-Gitlab-Webhook-UUID": str(uuid.uuid4()),
            "X-Gitlab-Event-UUID": str(uuid.uuid4()),
            "webhook-id": self.id,
            "webhook-timestamp": stamp,
        }
        if self.hook.token:
            told["X-Gitlab-Token"] = self.hook.token
        if self.hook.signing_token:
            key = base64.b64decode(self.hook.signing_token.removeprefix("whsec_"))
            signed = f"{self.id}.{stamp}.".encode() + self.body
            digest = hmac.new(key, signed, hashlib.sha256).digest()
            told["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        return told


class Webhooks:
    """A thread that sends to the hooks of a GitLab's projects, and what was sent."""

    def __init__(self, instance: str) -> None:
        self.deliveries: list[Delivery] = []
        self.held: list[Delivery] = []
        self._instance, self._holds = instance, False
        self._waiting: queue.Queue[Delivery | None] = queue.Queue()
        self._thread = threading.Thread(target=self._send_all, name="gitlab webhooks")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def tell(self, project: Project, event: str, subject: Any, user: User, **more: Any) -> None:
        """Tell whoever wants to know of an event."""
        theirs = [hook for hook in project.hooks if hook.wants(event)]
        if theirs:
            payload = events.payload(project, event, subject, user, **more)
            for hook in theirs:
                self.send(Delivery(hook, event, payload, self._instance))

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
        """Send a delivery; again, under its old id and with a new time, where it was sent before."""
        if not any(each is delivery for each in self.deliveries):
            self.deliveries.append(delivery)
        delivery.at = time.time()
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
                    headers=delivery.headers(),
                    timeout=10,
                    verify=False,  # loopback: to load the authorities takes longer than the rest
                )
                delivery.statuses.append(answer.status_code)
            except httpx.HTTPError:
                delivery.statuses.append(0)
            finally:
                self._waiting.task_done()
