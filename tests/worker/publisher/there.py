"""A project on a forge, whichever it is: what people do there, and all jobs of ours worked off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.core.queue import Queue
from app.store import jobs
from tests.doubles.github import GitHub
from tests.doubles.gitlab import GitLab

if TYPE_CHECKING:
    from app.core.models import Job
    from tests.worker.publisher.conftest import House

REPO = "me/greeter"
TOKENS = {"github": "ghp_0123456789abcdefghijklmnopqrstuvwxyz", "gitlab": "glpat-0123456789abcdefghij"}
KINDS = tuple(TOKENS)
ROUNDS = 50
GITLABS = {
    "head_ref": "source_branch",
    "base_ref": "target_branch",
    "head_sha": "sha",
    "body": "description",
}
AFTER_THE_AGENT = ("summarise", "commit", "push", "open")


@dataclass
class There:
    """The greeter on a double; `house` is ours."""

    house: House
    double: GitHub | GitLab
    kind: str

    @property
    def request(self) -> Any:
        """The newest pull or merge request."""
        return self.double.pulls(REPO)[-1]

    def now(self, what: str) -> Any:
        """Return something of the newest request by GitHub's name for it."""
        there = self.request
        return getattr(there, what if isinstance(self.double, GitHub) else GITLABS.get(what, what))

    def do(self, what: str, *args: Any, **more: Any) -> Any:
        """Let a person do something with the newest request."""
        return getattr(self.double, what)(REPO, self.request.number, *args, **more)

    def do_with_repo(self, what: str, *args: Any, **more: Any) -> Any:
        """Let a person do something with the repository."""
        return getattr(self.double, what)(REPO, *args, **more)

    def push(self, text: str = "theirs\n") -> str:
        """Push a commit of somebody else's to the request's branch."""
        origin, branch = self.house.origin, self.now("head_ref")
        origin.git("fetch", "--quiet", "origin", branch)
        origin.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
        sha = origin.commit({"theirs.txt": text}, "mine", to=branch)
        origin.git("checkout", "--quiet", "main")
        return sha

    def said(self) -> list[str]:
        """Return our own comments on the newest request."""
        return [body for body in self.bodies() if "<!-- pimainteno:" in body]

    def bodies(self) -> list[str]:
        """Return all comments on the newest request."""
        return [each.body for each in self.comments()]

    def comments(self) -> list[Any]:
        """Return the comments on the newest request as the double keeps them."""
        if isinstance(self.double, GitHub):
            number = self.request.number
            return [each for each in self.double.repo(REPO).comments if each.number == number]
        return [note for note in self.request.notes if not note.system]

    async def reconcile(self) -> None:
        """Look at proposal 1 and do all that follows."""
        async with self.house.store.write() as tx:
            await jobs.reconcile(tx, (await self.house.proposal()).id)
        await self.settle()

    async def poll(self) -> None:
        """Look at the whole project, as happens now and then, and do all that follows."""
        async with self.house.store.write() as tx:
            await jobs.poll(tx, "greeter")
        await self.settle()

    async def settle(self) -> None:
        """Do every job that is due; the agent's are answered with a repair as before."""
        for _ in range(ROUNDS):
            async with self.house.store.write() as tx:
                due = [await jobs.get(tx, each.id) for each in await jobs.due(tx, ring_again_s=0)]
            if not due:
                return
            for job in due:
                await self._one(job)
        raise AssertionError("there is always more to do")

    async def _one(self, job: Job) -> None:
        if job.queue == Queue.PUBLISHER:
            await self.house.do(job)
            return
        async with self.house.store.write() as tx:
            taken = await jobs.take(tx, job.id, owner="agent", lease_s=30)
            if taken is not None:
                await jobs.done(tx, taken[1])
        if (await self.house.run(job.args["run_id"])).stage not in AFTER_THE_AGENT:
            await self.house.made(job.args["run_id"])


def double_of(house: House, kind: str, *, private: bool = True) -> GitHub | GitLab:
    """Return a forge that has the greeter, not yet started."""
    if kind == "github":
        return GitHub(house.at / "hub", repos={REPO: house.origin.bare}, token=TOKENS[kind], private=private)
    visibility = "private" if private else "public"
    return GitLab(
        house.at / "lab", repos={REPO: house.origin.bare}, token=TOKENS[kind], visibility=visibility
    )


def configure(house: House, double: GitHub | GitLab, kind: str, *, secret: str = "") -> None:
    """Point the house to the forge."""
    house.repo = REPO
    url = "api_url" if kind == "github" else "url"
    house.forge = f'kind = "{kind}"\n{url} = "{double.url}"\ntoken = "{TOKENS[kind]}"'
    house.forge += f'\nwebhook_secret = "{secret}"' if secret else ""
    house.configure()


async def kinds(there: There) -> list[str]:
    """Return the kinds of what the history says of proposals."""
    return [event.kind for event in await there.house.events() if event.kind.startswith("proposal.")]
