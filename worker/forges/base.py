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
    """A pull or merge request as the forge has it; "" and None stand for what it does not say."""

    number: int
    url: str
    state: Literal["open", "closed", "merged"] = "open"
    draft: bool = False
    head: str = ""
    """The last commit in it."""
    branch: str = ""
    base: str = ""
    """The branch that it goes into."""
    title: str = ""
    ended_by: str = ""
    """Who merged or closed it."""
    merge_commit: str = ""
    """The commit by which it came into the base."""
    conflicts: bool | None = None
    """Whether it conflicts with its base; None where the forge has not found out yet."""
    changed: str = ""
    """The forge's own time of its last change. CI can change without it; all else changes it."""


@dataclass(frozen=True)
class Standing:
    """What CI and people say of the last commit of a request."""

    ci: Literal["none", "pending", "success", "failure"] = "none"
    failing: tuple[str, ...] = ()
    """The names of what failed."""
    review: Literal["none", "approved", "changes_requested"] = "none"
    reviewers: tuple[str, ...] = ()
    """Whose reviews make it so."""


@dataclass(frozen=True)
class Comment:
    """A comment on a request; ids grow with time. `ours` was written by the identity that we are there."""

    id: int
    author: str
    body: str
    ours: bool = False


Reaction = Literal["+1", "-1", "eyes", "confused"]


@dataclass(frozen=True)
class Capabilities:
    """What a forge can do; what it cannot is ours to do, or is left out."""

    merges_here: bool
    """A merge is a push of ours, asked for by a person; else it happens on the forge."""
    keeps_branch_when_closed: bool = True
    dresses: bool = False
    """There are labels, reviewers and assignees to set."""
    is_read_back: bool = False
    """People act on requests there, so what became of them is read; else our row alone says it."""
    asks_code_owners: bool = True
    """The forge asks those in CODEOWNERS for a review by itself, or there is nobody to ask."""
    body_limit: int = 65_536
    """Characters of a description."""


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
        """Bring title, description and the branch that it goes into up to date."""

    async def close(self, remote: Remote) -> None:
        """Close a request without merging."""

    async def reopen(self, remote: Remote) -> None:
        """Open a closed request again."""

    async def dress(self, remote: Remote, draft: NewProposal) -> tuple[str, ...]:
        """Add labels, reviewers and assignees; return what the forge would not take, in its words."""

    async def read(self, number: int) -> Remote | None:
        """Return a request as it stands now; None where the forge has none of that number."""

    async def open_requests(self) -> list[Remote]:
        """Return all open requests of branches with our names in this repository, whoever made them."""

    async def standing(self, remote: Remote) -> Standing:
        """Return what CI says of the request's head, and what reviewers say."""

    async def comments(self, remote: Remote, *, after: int) -> list[Comment]:
        """Return the comments with ids above `after`, oldest first."""

    async def may_write(self, person: str) -> bool:
        """Tell whether a person may push to the repository, so that their word counts."""

    async def say(self, remote: Remote, topic: str, text: str) -> None:
        """Write our one comment about a topic, or edit it in place where it says something else.

        `topic` is a word of ours that stands in it, unseen; a comment of others with that word is not ours.
        """

    async def react(self, remote: Remote, comment: int, reaction: Reaction) -> None:
        """Put a reaction of ours under a comment; one that is there already is enough."""

    async def hook(self, url: str, secret: str) -> bool:
        """Have events sent to `url`, signed with `secret`; False where there was one, now up to date."""

    async def unhook(self, url: str) -> bool:
        """Take away the hook that sends to `url`; False where there is none."""
