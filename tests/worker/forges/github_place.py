"""A repository on the GitHub double with a branch of ours, as a forge, and a time of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.settings import GitHubForge as GitHubSettings
from tests.doubles.origin import Origin, made
from worker.forges.github.answers import Place
from worker.forges.github.forge import GitHubForge
from worker.forges.github.hub import Hub
from worker.forges.pacer import Pacer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doubles.github import GitHub

REPO = "me/greeter"
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
BRANCH = "pimainteno/fix/greeter.service-0a1b2c3d"


class Clock:
    """A time of its own: waits pass at once."""

    def __init__(self) -> None:
        self.now = 0.0

    async def pause(self, seconds: float) -> None:
        self.now += seconds


def mended(folder: Path) -> Origin:
    """Make a repository whose branch of ours is one commit ahead."""
    origin = made(folder)
    origin.commit({"app.py": "1\n"}, "begin")
    origin.commit({"app.py": "2\n"}, "mend", to=BRANCH)
    return origin


def forge_of(github: GitHub, clock: Clock, token: str = TOKEN) -> GitHubForge:
    """Return the repository's place as one token sees it."""
    settings = GitHubSettings(kind="github", api_url=github.url, token=token)  # type: ignore[arg-type]
    pace = Pacer(clock=lambda: clock.now, pause=clock.pause)
    return GitHubForge(Hub(Place("greeter", "hub", REPO), settings, pace), github.clone_url(REPO))
