"""What the benchmark of webhooks sends: signed payloads of GitHub's own, about proposals that are open."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.models import Kind, ProposalState
from app.store import proposals
from app.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.core.settings import Settings

PROPOSALS = 50
SECRET = "bench-secret-0123456789"
REPO = "me/greeter"
EVENTS = ("pull_request", "check_run", "status", "pull_request_review", "check_suite", "push")
EXAMPLES = Path(__file__).parents[1] / "data/webhooks/github.jsonl.gz"


async def add_proposals(settings: Settings) -> None:
    """Open the proposals that the deliveries are about."""
    async with Store.opened(settings.database_url_effective) as store, store.write() as tx:
        for number in range(1, PROPOSALS + 1):
            branch = f"pimainteno/fix/greeter.service-{number:08x}"
            made = await proposals.create(tx, project="greeter", kind=Kind.FIX, branch=branch, title="x")
            about = {"state": ProposalState.OPEN, "number": number, "head_sha": f"{number:040x}"}
            await proposals.update(tx, made.id, **about)


def deliveries() -> Iterator[tuple[str, bytes]]:
    """Yield ids and requests without end: real payloads, about our proposals in turn."""
    bodies = []
    with gzip.open(EXAMPLES, "rt", encoding="utf-8") as lines:
        examples = [json.loads(line) for line in lines]
    for number in range(1, PROPOSALS + 1):
        event = EVENTS[number % len(EVENTS)]
        payload = next(payload for name, payload in examples if name == event)
        body = json.dumps(_about(event, payload, number)).encode()
        bodies.append((event, body, hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()))
    while True:
        for event, body, signature in bodies:
            delivery = str(uuid.uuid4())
            head = (
                f"POST /webhooks/hub HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: GitHub-Hookshot/0000000\r\n"
                f"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"X-GitHub-Delivery: {delivery}\r\nX-GitHub-Event: {event}\r\nX-GitHub-Hook-ID: 1\r\n"
                f"X-Hub-Signature-256: sha256={signature}\r\n\r\n"
            )
            yield delivery, head.encode() + body


def _about(event: str, payload: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a payload about one of our proposals."""
    branch, head = f"pimainteno/fix/greeter.service-{number:08x}", f"{number:040x}"
    payload = {**payload, "repository": {**payload["repository"], "full_name": REPO}}
    if event.startswith("pull_request"):
        pull = {**payload["pull_request"], "number": number, "head": {"ref": branch, "sha": head}}
        return {**payload, "number": number, "pull_request": pull}
    if event in payload:
        return {**payload, event: {**payload[event], "head_branch": branch, "head_sha": head}}
    return {**payload, "sha": head, "ref": f"refs/heads/{branch}", "after": head}
