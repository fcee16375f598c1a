"""A forge on a GitHub of which each test says what it answers, route by route."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

from app.core.settings import GitHubForge as GitHubSettings
from worker.forges.base import NewProposal, Remote
from worker.forges.github.answers import Place
from worker.forges.github.forge import GitHubForge
from worker.forges.github.hub import Hub
from worker.forges.pacer import Pacer

if TYPE_CHECKING:
    import respx

API = "https://ghe.example/api/v3"
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
REMOTE = Remote(3, "https://ghe.example/me/greeter/pull/3")
DRAFT = NewProposal(
    id=7,
    branch="pimainteno/fix/greeter.service-0a1b2c3d",
    base="main",
    head="1" * 40,
    title="Greet an empty line",
    body="## What failed\n",
    draft=True,
    labels=("pimainteno",),
    reviewers=("octocat", "me/crew"),
    assignees=("hubot",),
)
REPO: dict[str, Any] = {
    "full_name": "Me/greeter",
    "html_url": "https://ghe.example/me/greeter",
    "private": True,
    "archived": False,
    "permissions": {"push": True},
}
NOT_FOUND = {"message": "Not Found"}


def pull(number: int = 3, **more: Any) -> dict[str, Any]:
    head = {"ref": DRAFT.branch, "sha": DRAFT.head, "repo": {"full_name": "me/greeter"}}
    url = f"https://ghe.example/me/greeter/pull/{number}"
    return {"number": number, "html_url": url, "state": "open", "draft": True, "head": head, **more}


def invalid(*errors: object) -> httpx.Response:
    return httpx.Response(422, json={"message": "Validation Failed", "errors": list(errors)})


async def at_once(_: float) -> None:
    """Wait for nobody."""


def make(**settings: Any) -> GitHubForge:
    given = GitHubSettings.model_validate({"kind": "github", "api_url": API, "token": TOKEN, **settings})
    place = Place("greeter", "hub", "me/greeter", given.app_id)
    return GitHubForge(Hub(place, given, Pacer(pause=at_once)), "https://ghe.example/me/greeter.git")


def sent(route: respx.Route) -> list[Any]:
    return [json.loads(call.request.content) for call in route.calls]
