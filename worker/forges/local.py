"""The `local` forge: a bare repository on this machine; its proposals are reviewed on our own page.

It keeps nothing beside the repository: a proposal's row is the request, so its number is the row's and
its address is our page's. Hooks of the repository's owner run on each push and may refuse it.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.errors import ConfigurationError
from worker.forges.base import Capabilities, Comment, NewProposal, Reaction, Remote, Standing

CAN = Capabilities(merges_here=True)
NO_HOOK = "a project on a local forge has no webhook: nothing happens there that we do not do ourselves"


@dataclass(frozen=True)
class LocalForge:
    """One project on the `local` forge."""

    clone_url: str
    public_url: str
    capabilities: Capabilities = CAN
    login: None = None
    web_url: None = None
    public: bool = False

    async def look(self) -> None:
        """Do nothing: there is nobody to ask."""

    async def find(self, branch: str) -> Remote | None:  # noqa: ARG002 - the protocol's
        """Return None: the only record of a request is our own row."""
        return None

    async def open(self, draft: NewProposal) -> Remote:
        """Return where the proposal stands on our page."""
        return Remote(number=draft.id, url=f"{self.public_url}/proposals/{draft.id}", draft=draft.draft)

    async def update(self, remote: Remote, draft: NewProposal) -> Remote:  # noqa: ARG002 - the protocol's
        """Return where the proposal stands on our page, which shows the row as it is."""
        return await self.open(draft)

    async def close(self, remote: Remote) -> None:
        """Do nothing: the row says it."""

    async def reopen(self, remote: Remote) -> None:
        """Do nothing: the row says it."""

    async def dress(self, remote: Remote, draft: NewProposal) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Do nothing: our page shows neither labels nor reviewers."""
        return ()

    async def read(self, number: int) -> Remote | None:  # noqa: ARG002 - the protocol's
        """Return None: the only record of a request is our own row."""
        return None

    async def open_requests(self) -> list[Remote]:
        """Return nothing: the only record of a request is our own row."""
        return []

    async def standing(self, remote: Remote) -> Standing:  # noqa: ARG002 - the protocol's
        """Return that nobody says anything: there is neither CI nor review."""
        return Standing()

    async def comments(self, remote: Remote, *, after: int) -> list[Comment]:  # noqa: ARG002 - the protocol's
        """Return nothing: there are no comments."""
        return []

    async def may_write(self, person: str) -> bool:  # noqa: ARG002 - the protocol's
        """Return False: nobody speaks here."""
        return False

    async def say(self, remote: Remote, topic: str, text: str) -> None:
        """Do nothing: our page says it."""

    async def react(self, remote: Remote, comment: int, reaction: Reaction) -> None:
        """Do nothing: there are no comments."""

    async def hook(self, url: str, secret: str) -> bool:  # noqa: ARG002 - the protocol's
        """Refuse: a bare repository tells nobody of anything."""
        raise ConfigurationError(NO_HOOK)

    async def unhook(self, url: str) -> bool:  # noqa: ARG002 - the protocol's
        """Refuse: a bare repository tells nobody of anything."""
        raise ConfigurationError(NO_HOOK)
