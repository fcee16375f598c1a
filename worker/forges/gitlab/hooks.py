"""The one webhook of a project that sends to us; GitLab lets Maintainers alone have any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.forges.gitlab.answers import RIGHTS_FOR_HOOKS
from worker.forges.gitlab.reading import of

if TYPE_CHECKING:
    from worker.forges.gitlab.lab import Lab

EVENTS = {
    "merge_requests_events": True,
    "note_events": True,
    "pipeline_events": True,
    "push_events": True,
    "job_events": False,
    "tag_push_events": False,
    "issues_events": False,
}


async def hook(lab: Lab, url: str, secret: str) -> bool:
    """Make the webhook, or bring it up to date, and return False then: GitLab does not tell its secret."""
    body = EVENTS | {"url": url, "token": secret, "enable_ssl_verification": True}
    found = await _found(lab, url)
    path = f"{lab.project}/hooks"
    if found:
        await lab.write("PUT", f"{path}/{found[0]}", body, rights=RIGHTS_FOR_HOOKS)
    else:
        await lab.write("POST", path, body, rights=RIGHTS_FOR_HOOKS)
    return not found


async def unhook(lab: Lab, url: str) -> bool:
    """Take away whatever sends to an address; False where nothing does."""
    found = await _found(lab, url)
    for id_ in found:
        answer = await lab.ask("DELETE", f"{lab.project}/hooks/{id_}")
        if not answer.lacks_a_part:  # somebody was quicker
            lab.good(answer, RIGHTS_FOR_HOOKS)
    return bool(found)


async def _found(lab: Lab, url: str) -> list[int]:
    hooks = [hook async for hook in lab.pages(f"{lab.project}/hooks", rights=RIGHTS_FOR_HOOKS)]
    return [id_ for hook in hooks if of(hook, "url") == url and isinstance(id_ := of(hook, "id"), int)]
