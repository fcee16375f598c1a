"""What the publisher needs of a forge, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from worker.git.commands import Login


@dataclass(frozen=True)
class NewProposal:
    """What is to stand on the forge: `head` is pushed to `branch` already and shall go into `base`."""

    id: int
    branch: str
    base: str
    head: str
    title: str
    body: str
    draft: bool
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remote:
    """A pull or merge request as the forge has it."""

    number: int
    url: str
    state: Literal["open", "closed", "merged"] = "open"
    draft: bool = False
    head: str = ""
    """The last commit in it; "" where the forge does not say."""


@dataclass(frozen=True)
class Capabilities:
    """What a forge can do; what it cannot is ours to do, or is left out."""

    merges_here: bool
    """A merge is a push of ours, asked for by a person; else it happens on the forge."""
    keeps_branch_when_closed: bool = True
    dresses: bool = False
    """There are labels, reviewers and assignees to set."""


class Forge(Protocol):
    """One project's place on a forge. Calls raise ForgeError, with project, forge and remedy.

    `look` comes before all else. The default branch is no call: git says it with the refs.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this forge can do."""

    @property
    def clone_url(self) -> str:
        """Where git fetches from and pushes to; no token is in it."""

    @property
    def login(self) -> Login | None:
        """Who git says that it is there, to the host of `clone_url` alone."""

    @property
    def web_url(self) -> str | None:
        """Where people look at the repository."""

    @property
    def public(self) -> bool | None:
        """Whether everybody can read it; None where that is not known."""

    async def look(self) -> None:
        """Learn what only the forge knows; call it before `login`, `public` and `web_url` are read."""

    async def find(self, branch: str) -> Remote | None:
        """Return the request of our branch in our repository: the open one, else the newest in any state."""

    async def open(self, draft: NewProposal) -> Remote:
        """Open a request, without draft state where there is none; call it only after `find`."""

    async def update(self, remote: Remote, draft: NewProposal) -> Remote:
        """Bring title and description up to date."""

    async def close(self, remote: Remote) -> None:
        """Close a request without merging."""

    async def reopen(self, remote: Remote) -> None:
        """Open a closed request again."""

    async def dress(self, remote: Remote, draft: NewProposal) -> tuple[str, ...]:
        """Add labels, reviewers and assignees; return what the forge would not take, in its words."""
