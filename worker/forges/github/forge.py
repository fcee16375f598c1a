"""One project's place on GitHub: its repository and the pull requests of our branches.

After any doubtful answer to a POST we look by head branch, in all states, before anything else, and a
POST is never repeated: what the look does not find is opened by a later try, which starts with a look.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError, ForgeWaitError
from worker.forges.answers import MOVED
from worker.forges.base import Capabilities, NewProposal, Remote
from worker.forges.github import answers, dressing, hooks, pulls, reading, saying, verdicts
from worker.forges.github.answers import Place
from worker.forges.github.hub import Hub
from worker.git.commands import Login

if TYPE_CHECKING:
    from app.core.settings import GitHubForge as GitHubSettings
    from app.core.settings import ProjectSettings
    from worker.forges.base import Comment, Reaction, Standing

CAN = Capabilities(merges_here=False, dresses=True, is_read_back=True)


class GitHubForge:
    """A repository on GitHub.com or an Enterprise Server; `look` first."""

    capabilities = CAN

    def __init__(self, hub: Hub, clone_url: str) -> None:
        self._hub = hub
        self.clone_url = clone_url
        self.login: Login | None = None
        self.web_url: str | None = None
        self.public: bool | None = None

    async def look(self) -> None:
        """Learn visibility, address and a fresh token; raises ForgeAccessError where none may push."""
        hub, place = self._hub, self._hub.place
        answer = await hub.ask("GET", hub.repo)
        if answer.status in MOVED and hub.is_ours(there := answer.headers.get("location", "")):
            answer = await hub.ask("GET", there)
        data = hub.good(answer)
        name = str(pulls.of(data, "full_name"))
        if name.casefold() != place.repo.casefold():
            raise answers.renamed(place, name)
        if pulls.of(data, "archived") is True:
            raise answers.archived(place)
        rights = pulls.of(data, "permissions")  # an installation's are all false; its token says what it may
        if not place.app_id and isinstance(rights, dict) and rights.get("push") is False:
            raise answers.not_granted(place, "Contents and Pull requests")
        private = pulls.of(data, "private")
        self.public = None if private is None else private is False
        self.web_url = pulls.of(data, "html_url")
        self.login = Login("x-access-token", await hub.token())

    async def find(self, branch: str) -> Remote | None:
        """Return the pull request of our branch: the open one, else the newest; a fork's is none of ours."""
        hub = self._hub
        owner = hub.place.repo.partition("/")[0]
        found = [
            self._remote(pull)
            async for pull in hub.pages(
                f"{hub.repo}/pulls", head=f"{owner}:{branch}", state="all", sort="created", direction="desc"
            )
            if pulls.is_at_home(hub.place, pull) and pulls.of(pull, "head", "ref") == branch
        ]
        return next((each for each in found if each.state == "open"), found[0] if found else None)

    async def open(self, draft: NewProposal) -> Remote:
        """Open a pull request, not as a draft where the repository has none; raises ForgeError."""
        try:
            return await self._opened(draft, as_draft=draft.draft)
        except ForgeRefusedError as error:
            if draft.draft and "draft" in str(error).lower():
                return await self._opened(draft, as_draft=False)
            raise

    async def update(self, remote: Remote, draft: NewProposal) -> Remote:
        """Bring title and description up to date; whether it is a draft is people's to say from now on."""
        columns = {"title": draft.title, "body": draft.body}
        if remote.base and draft.base != remote.base:
            columns["base"] = draft.base
        return await self._changed(remote, columns)

    async def close(self, remote: Remote) -> None:
        """Close a pull request without merging."""
        await self._changed(remote, {"state": "closed"})

    async def reopen(self, remote: Remote) -> None:
        """Open a closed one again; ForgeRefusedError where its branch was pushed anew meanwhile."""
        await self._changed(remote, {"state": "open"})

    async def dress(self, remote: Remote, draft: NewProposal) -> tuple[str, ...]:
        """Add labels, reviewers and assignees that are not there; return what GitHub would not take."""
        return await dressing.dress(self._hub, remote.number, draft)

    async def read(self, number: int) -> Remote | None:
        """Return a pull request as it stands now; None where there is none of that number."""
        return await reading.read(self._hub, number)

    async def open_requests(self) -> list[Remote]:
        """Return all open pull requests of branches with our names in this repository."""
        return await reading.open_requests(self._hub)

    async def standing(self, remote: Remote) -> Standing:
        """Return what check runs, statuses and reviews say."""
        return await verdicts.standing(self._hub, remote)

    async def comments(self, remote: Remote, *, after: int) -> list[Comment]:
        """Return the comments with ids above `after`, oldest first; none that stand at lines."""
        return await reading.comments(self._hub, remote.number, after)

    async def may_write(self, person: str) -> bool:
        """Tell whether a person may push to the repository."""
        return await reading.may_write(self._hub, person)

    async def say(self, remote: Remote, topic: str, text: str) -> None:
        """Write our one comment about a topic, or edit it in place where it says something else."""
        await saying.say(self._hub, remote.number, topic, text)

    async def react(self, remote: Remote, comment: int, reaction: Reaction) -> None:  # noqa: ARG002 - the protocol's
        """Put a reaction of ours under a comment, where that is still there."""
        await saying.react(self._hub, comment, reaction)

    async def hook(self, url: str, secret: str) -> bool:
        """Have events sent to `url`; ForgeAccessError where the token may not make hooks."""
        return await hooks.hook(self._hub, url, secret)

    async def unhook(self, url: str) -> bool:
        """Take away the hook that sends to `url`; False where there is none."""
        return await hooks.unhook(self._hub, url)

    async def _opened(self, draft: NewProposal, *, as_draft: bool) -> Remote:
        body = {"title": draft.title, "body": draft.body, "head": draft.branch, "base": draft.base}
        try:
            return self._remote(
                await self._hub.write("POST", f"{self._hub.repo}/pulls", body | {"draft": as_draft})
            )
        except (ForgeWaitError, ForgeAccessError):
            raise
        except ForgeError as error:
            if isinstance(error, ForgeRefusedError) and "already exists" not in str(error):
                raise _as_it_passes(error) from error
            there = await self.find(draft.branch)
            if there is None or there.state != "open":
                raise ForgeError(str(error)) from error
            return there

    async def _changed(self, remote: Remote, columns: dict[str, str]) -> Remote:
        return self._remote(
            await self._hub.write("PATCH", f"{self._hub.repo}/pulls/{remote.number}", columns)
        )

    def _remote(self, pull: Any) -> Remote:  # noqa: ANN401 - whatever JSON holds
        return pulls.remote(self._hub.place, pull)


def on_github(project: str, ours: ProjectSettings, theirs: GitHubSettings) -> GitHubForge:
    """Return a project's place on GitHub, whose token is kept from job to job; raises ConfigurationError."""
    place = Place(project, ours.forge, ours.repo, theirs.app_id)
    return GitHubForge(_hub(place, theirs), ours.clone_url or _clone_url(theirs.api_url, ours.repo))


def _as_it_passes(error: ForgeRefusedError) -> ForgeError:
    """Return an error that is tried again where GitHub has not seen yet what was just pushed."""
    return ForgeError(str(error)) if "head invalid" in str(error) else error


@lru_cache(maxsize=64)
def _hub(place: Place, theirs: GitHubSettings) -> Hub:
    return Hub(place, theirs)


def _clone_url(api_url: str, repo: str) -> str:
    site = "https://github.com" if api_url == "https://api.github.com" else api_url.removesuffix("/api/v3")
    return f"{site}/{repo}.git"
