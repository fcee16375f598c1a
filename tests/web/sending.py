"""Deliveries as GitHub and GitLab send them, and a site that takes them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pydantic import SecretStr

from app.core.settings import GitHubForge, GitLabForge, LocalForge, ProjectSettings
from app.core.settings_sections import signing_key
from tests.web.conftest import add_proposal, make_settings

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from app.core.models import Delivery, Job
    from app.core.settings import Settings
    from app.store.database import Store

SECRET, TOKEN = "github-secret-0123456789", "gitlab-secret-0123456789"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
REPO, GROUP = "me/greeter", "house/sub/greeter"
BRANCH, HEAD = "pimainteno/fix/greeter.service-0a1b2c3d", "b" * 40
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def settings_of(state: Path, **more: Any) -> Settings:
    """Two forges with webhooks, one with a secret missing, a local one; two projects on one repository."""
    given: dict[str, Any] = {
        "public_url": "https://bot.example.org",
        "forges": {
            "here": LocalForge(kind="local"),
            "hub": GitHubForge(kind="github", webhook_secret=SecretStr(SECRET)),
            "lab": GitLabForge(
                kind="gitlab", webhook_secret=SecretStr(TOKEN), signing_token=SecretStr(SIGNING)
            ),
            "quiet": GitHubForge(kind="github"),
        },
        "projects": {
            "greeter": ProjectSettings(forge="hub", repo=REPO),
            "second": ProjectSettings(forge="hub", repo=REPO.upper()),
            "other": ProjectSettings(forge="hub", repo="me/other"),
            "lab": ProjectSettings(forge="lab", repo=GROUP),
            "quiet": ProjectSettings(forge="quiet", repo=REPO),
        },
    }
    return make_settings(state, **(given | more))


@dataclass(frozen=True)
class Sent:
    """One delivery; `signed` says with which secret or token its forge vouches for it."""

    forge: str
    body: bytes
    headers: dict[str, str]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def but(self, **changed: Any) -> Sent:
        """Return the same delivery, changed after it was signed."""
        return replace(self, **changed)

    def without(self, *names: str) -> Sent:
        """Return the same delivery with some headers left out."""
        return replace(
            self, headers={name: value for name, value in self.headers.items() if name not in names}
        )

    async def to(self, client: httpx.AsyncClient) -> httpx.Response:
        """Send it."""
        return await client.post(f"/webhooks/{self.forge}", content=self.body, headers=self.headers)


def github(
    event: str, payload: object, *, secret: str = SECRET, form: bool = False, forge: str = "hub"
) -> Sent:
    """Return a delivery of GitHub's; a payload of bytes is sent as it is."""
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    body = urlencode({"payload": text}).encode() if form else text
    delivery = str(uuid.uuid4())
    headers = {
        "Accept": "*/*",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "Content-Type": FORM if form else JSON,
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": "292430182",
        "X-Hub-Signature": "sha1=0",
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    return Sent(forge, body, headers, delivery)


def gitlab(
    hook: str, payload: object, *, token: str = TOKEN, signing: str = "", at: float | None = None
) -> Sent:
    """Return a delivery of GitLab's, with its secret token, and signed where there is a signing token."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    delivery, stamp = str(uuid.uuid4()), str(int(time.time() if at is None else at))
    headers = {
        "User-Agent": "GitLab/18.3.0",
        "Content-Type": JSON,
        "Idempotency-Key": delivery,
        "X-Gitlab-Event": hook,
        "X-Gitlab-Event-UUID": str(uuid.uuid4()),
        "X-Gitlab-Webhook-UUID": "02affd2d-2cba-4033-917d-ec22d5dc4b38",
        "X-Gitlab-Instance": "https://gitlab.example.org",
        "webhook-id": delivery,
        "webhook-timestamp": stamp,
    }
    if token:
        headers["X-Gitlab-Token"] = token
    if signing:
        made = hmac.new(signing_key(signing), f"{delivery}.{stamp}.".encode() + body, hashlib.sha256)
        headers["webhook-signature"] = f"v1,{base64.b64encode(made.digest()).decode()}"
    return Sent("lab", body, headers, delivery)


def pull_request(action: str = "synchronize", *, repo: str = REPO, number: int = 7) -> dict[str, Any]:
    """Return as little of a pull request's payload as leads anywhere."""
    head = {"ref": BRANCH, "sha": HEAD, "repo": {"full_name": repo}}
    return {
        "action": action,
        "number": number,
        "pull_request": {"number": number, "head": head},
        "repository": {"full_name": repo, "default_branch": "main"},
    }


def merge_request(*, repo: str = GROUP, number: int = 7) -> dict[str, Any]:
    """Return as little of a merge request's payload as leads anywhere."""
    about = {
        "iid": number,
        "action": "update",
        "source_branch": BRANCH,
        "source_project_id": 5,
        "target_project_id": 5,
        "last_commit": {"id": HEAD},
    }
    return {
        "object_kind": "merge_request",
        "project": {"path_with_namespace": repo, "default_branch": "main"},
        "object_attributes": about,
    }


async def jobs_of(store: Store) -> list[Job]:
    """Return all jobs, oldest first."""
    from app.store import jobs

    found = []
    async with store.read() as tx:
        for number in range(1, 1000):
            try:
                found.append(await jobs.get(tx, number))
            except Exception:  # noqa: BLE001 - there are no more
                return found
    return found


async def row_of(store: Store, sent: Sent) -> Delivery | None:
    """Return the row of a delivery."""
    from app.store import deliveries

    async with store.read() as tx:
        return await deliveries.get(tx, sent.forge, sent.id)


async def ours(store: Store, project: str = "greeter", **columns: Any) -> int:
    """Add a proposal of ours: number 7, with the branch and the last commit of what is sent."""
    return await add_proposal(store, project=project, **{"number": 7, "branch": BRANCH, **columns})
