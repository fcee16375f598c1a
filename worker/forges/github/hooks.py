"""Our own webhook on a repository: one for each address, made, brought up to date, or taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.core.errors import ForgeAccessError, ForgeError, ForgeWaitError
from worker.forges.github import pulls

if TYPE_CHECKING:
    from worker.forges.github.hub import Hub

RIGHTS = "Webhooks: read and write (of a classic token: admin:repo_hook)"
EVENTS = (
    "check_run",
    "check_suite",
    "delete",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "push",
    "repository",
    "status",
)


async def hook(hub: Hub, url: str, secret: str) -> bool:
    """Have our events sent to an address; False where they were already. Raises ForgeError."""
    config = {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
    wanted: dict[str, Any] = {"config": config, "active": True, "events": list(EVENTS)}
    there = await _ids(hub, url)
    if not there:
        try:
            await hub.write("POST", f"{hub.repo}/hooks", {"name": "web"} | wanted, rights=RIGHTS)
        except (ForgeWaitError, ForgeAccessError):
            raise
        except ForgeError:  # it may have been made, or somebody else was quicker
            there = await _ids(hub, url)
            if not there:
                raise
    for number in there[:1]:
        await hub.write("PATCH", f"{hub.repo}/hooks/{number}", wanted, rights=RIGHTS)
    for number in there[1:]:
        await _remove(hub, number)
    return not there


async def unhook(hub: Hub, url: str) -> bool:
    """Take away whatever sends to an address; False where nothing does."""
    there = await _ids(hub, url)
    for number in there:
        await _remove(hub, number)
    return bool(there)


async def _ids(hub: Hub, url: str) -> list[int]:
    return [
        number
        async for each in hub.pages(f"{hub.repo}/hooks", rights=RIGHTS)
        if pulls.of(each, "config", "url") == url and isinstance(number := pulls.of(each, "id"), int)
    ]


async def _remove(hub: Hub, number: int) -> None:
    answer = await hub.ask("DELETE", f"{hub.repo}/hooks/{number}", paced=True)
    if answer.status not in (204, 404):
        hub.good(answer, RIGHTS)
