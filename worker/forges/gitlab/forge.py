"""One project's place on GitLab: its repository and the merge requests of our branches.

After any doubtful answer to a POST we look by source branch, in all states, before anything else, and a
POST is never repeated: what the look does not find is opened by a later try, which starts with a look.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError, ForgeWaitError
from worker.forges.answers import MOVED
from worker.forges.base import Capabilities, Comment, NewProposal, Reaction, Remote, Standing
from worker.forges.gitlab import answers, dressing, hooks, reading, talk
from worker.forges.gitlab.answers import DEVELOPER, Place
from worker.forges.gitlab.lab import Lab
from worker.forges.gitlab.reading import of, tame
from worker.git.commands import Login

if TYPE_CHECKING:
    from app.core.settings import GitLabForge as GitLabSettings
    from app.core.settings import ProjectSettings

CAN = Capabilities(
    merges_here=False, dresses=True, is_read_back=True, asks_code_owners=False, body_limit=1_000_000
)
"""GitLab takes 1,048,576 characters of a description."""

OUR_BRANCHES = "pimainteno/"
_UNSEEN = re.compile(r"source.branch.*(?:not exist|not found|invalid)", re.IGNORECASE)


class GitLabForge:
    """A project on gitlab.com or an instance of one's own; `look` first."""

    capabilities = CAN

    def __init__(self, lab: Lab, clone_url: str) -> None:
        self._lab = lab
        self.clone_url = clone_url
        self.login: Login | None = None
        self.web_url: str | None = None
        self.public: bool | None = None

    async def look(self) -> None:
        """Learn visibility, address and our rights; raises ForgeAccessError where none may push."""
        lab, place = self._lab, self._lab.place
        me = await lab.me()
        answer = await lab.ask("GET", lab.project)
        if answer.status in MOVED and (path := lab.path_to(answer.headers.get("location", ""))):
            answer = await lab.ask("GET", path)
        data = lab.good(answer)
        path = str(of(data, "path_with_namespace"))
        if path.casefold() != place.repo.casefold():
            raise answers.renamed(place, path)
        if of(data, "archived") is True:
            raise answers.archived(place)
        if of(data, "merge_requests_access_level") == "disabled":
            raise answers.without_requests(place)
        if not await self._may_push(data, me):
            raise answers.not_granted(place)
        # "internal" is for all who have an account, so not known to be private
        self.public = {"public": True, "private": False}.get(str(of(data, "visibility")))
        self.web_url = of(data, "web_url")
        self.login = Login("oauth2", lab.token)

    async def find(self, branch: str) -> Remote | None:
        """Return the merge request of our branch: the open one, else the newest; a fork's is none of ours."""
        requests = self._lab.pages(
            self._requests, source_branch=branch, state="all", order_by="created_at", sort="desc"
        )
        ours = [each async for each in requests if reading.is_ours(each)]
        found = [self._remote(each) for each in ours if of(each, "source_branch") == branch]
        return next((each for each in found if each.state == "open"), found[0] if found else None)

    async def open(self, draft: NewProposal) -> Remote:
        """Open a merge request; raises ForgeError."""
        body = {
            "source_branch": draft.branch,
            "target_branch": draft.base,
            "title": reading.titled(draft.title, draft=draft.draft),
            "description": tame(draft.body),
        }
        try:
            return self._remote(await self._lab.write("POST", self._requests, body))
        except (ForgeWaitError, ForgeAccessError):
            raise
        except ForgeError as error:
            if isinstance(error, ForgeRefusedError) and "already exists" not in str(error):
                raise _as_it_passes(error) from error
            there = await self.find(draft.branch)
            if there is None or there.state != "open":
                raise ForgeError(str(error)) from error
            return there

    async def update(self, remote: Remote, draft: NewProposal) -> Remote:
        """Bring title and description up to date; whether it is a draft is people's to say from now on."""
        there = self._remote(await self._lab.read(self._request(remote)))
        title = reading.titled(draft.title, draft=there.draft)
        columns = {"title": title, "description": tame(draft.body)}
        if there.base and draft.base != there.base:
            columns["target_branch"] = draft.base
        return await self._changed(remote, columns)

    async def close(self, remote: Remote) -> None:
        """Close a merge request without merging."""
        await self._changed(remote, {"state_event": "close"})

    async def reopen(self, remote: Remote) -> None:
        """Open a closed one again; ForgeRefusedError where GitLab leaves it closed, its branch being gone."""
        there = await self._changed(remote, {"state_event": "reopen"})
        if there.state != "open":
            raise ForgeRefusedError(
                f"{self._lab.place}: GitLab left !{remote.number} {there.state}: a merged one, or one whose "
                "branch is gone, is not opened again"
            )

    async def dress(self, remote: Remote, draft: NewProposal) -> tuple[str, ...]:
        """Add labels, reviewers and assignees that are not there; return what GitLab would not take."""
        return await dressing.dress(self._lab, self._request(remote), draft)

    async def read(self, number: int) -> Remote | None:
        """Return a merge request as it stands now; None where GitLab has none of that number."""
        answer = await self._lab.ask("GET", f"{self._requests}/{number}")
        return None if answer.lacks_a_part else self._remote(self._lab.good(answer))

    async def open_requests(self) -> list[Remote]:
        """Return all open merge requests of branches with our names in this project, whoever made them."""
        requests = [each async for each in self._lab.pages(self._requests, state="opened")]
        found = [self._remote(each) for each in requests if reading.is_ours(each)]
        return [each for each in found if each.branch.startswith(OUR_BRANCHES)]

    async def standing(self, remote: Remote) -> Standing:
        """Return what jobs, external statuses and pipelines say of the head, and what reviewers say."""
        lab, path = self._lab, self._request(remote)
        of_head = f"{lab.project}/repository/commits/{remote.head}/statuses"
        statuses = [] if not remote.head else [status async for status in lab.pages(of_head)]
        request = {} if statuses else await lab.read(path)
        return reading.standing(
            statuses,
            request,
            await self._if_any(f"{path}/approvals"),
            await self._if_any(f"{path}/reviewers"),
        )

    async def comments(self, remote: Remote, *, after: int) -> list[Comment]:
        """Return the notes with ids above `after`, oldest first, without GitLab's own."""
        return await talk.comments(self._lab, self._request(remote), after=after)

    async def may_write(self, person: str) -> bool:
        """Tell whether a person may push to the project, so that their word counts."""
        return await talk.may_write(self._lab, person)

    async def say(self, remote: Remote, topic: str, text: str) -> None:
        """Write our one note about a topic, or edit it in place where it says something else."""
        await talk.say(self._lab, self._request(remote), topic, text)

    async def react(self, remote: Remote, comment: int, reaction: Reaction) -> None:
        """Put a reaction of ours under a note; one that is there already is enough."""
        await talk.react(self._lab, self._request(remote), comment, reaction)

    async def hook(self, url: str, secret: str) -> bool:
        """Have events sent to `url` with `secret`; False where there was one, now up to date."""
        return await hooks.hook(self._lab, url, secret)

    async def unhook(self, url: str) -> bool:
        """Take away the hook that sends to `url`; False where there is none."""
        return await hooks.unhook(self._lab, url)

    @property
    def _requests(self) -> str:
        return f"{self._lab.project}/merge_requests"

    def _request(self, remote: Remote) -> str:
        return f"{self._requests}/{remote.number}"

    async def _changed(self, remote: Remote, columns: dict[str, str]) -> Remote:
        return self._remote(await self._lab.write("PUT", self._request(remote), columns))

    async def _if_any(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return what an instance says that may be too old, or of too small a tier, to say it."""
        answer = await self._lab.ask("GET", path)
        return None if answer.lacks_a_part else self._lab.good(answer)

    async def _may_push(self, project: Any, me: int) -> bool:  # noqa: ANN401 - whatever JSON holds
        """Tell whether we may push; the project itself does not count what a group was invited to."""
        rights = of(project, "permissions")
        levels = [of(of(rights, f"{kind}_access"), "access_level") for kind in ("project", "group")]
        if any(isinstance(level, int) and level >= DEVELOPER for level in levels):
            return True
        if await talk.has_role(self._lab, me):
            return True
        return of(await self._lab.read("/user"), "is_admin") is True

    def _remote(self, request: Any) -> Remote:  # noqa: ANN401 - whatever JSON holds
        if remote := reading.remote(request):
            return remote
        raise ForgeError(f"{self._lab.place}: GitLab answered with something that is no merge request")


def on_gitlab(project: str, ours: ProjectSettings, theirs: GitLabSettings) -> GitLabForge:
    """Return a project's place on GitLab, whose connection is kept; raises ConfigurationError."""
    lab = _lab(Place(project, ours.forge, ours.repo), theirs)
    return GitLabForge(lab, ours.clone_url or f"{theirs.url}/{ours.repo}.git")


def _as_it_passes(error: ForgeRefusedError) -> ForgeError:
    """Return an error that is tried again where GitLab has not seen yet what was just pushed."""
    return ForgeError(str(error)) if _UNSEEN.search(str(error)) else error


@lru_cache(maxsize=64)
def _lab(place: Place, theirs: GitLabSettings) -> Lab:
    return Lab(place, theirs)
