"""What people, and CI, do on GitLab's own pages, each told to the hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.doubles.gitlab import state
from tests.doubles.gitlab.front import Front
from tests.doubles.gitlab.state import DEVELOPER, Pipeline, Status, User

if TYPE_CHECKING:
    from tests.doubles.gitlab.state import Note, Project, Request

REVIEWED = {"APPROVED": "approved", "CHANGES_REQUESTED": "requested_changes", "COMMENTED": "reviewed"}


class People(Front):
    """A GitLab on which people act; `by` is somebody's user name, made known where it is not."""

    def repo(self, name: str) -> Project:
        """Return a project, whose switches a test may set."""
        return self.projects[name.casefold()]

    def user(self, name: str, *, admin: bool = False, bot: bool = False) -> User:
        """Return a user, made where there is none of that name."""
        if name not in self.users:
            self.users[name] = User(name, admin, bot)
        return self.users[name]

    def join(self, repo: str, name: str, level: int = DEVELOPER) -> User:
        """Make somebody a member."""
        self.repo(repo).members[name] = level
        return self.user(name)

    def pulls(self, repo: str) -> list[Request]:
        """Return all merge requests, oldest first."""
        with self.lock:
            self.repo(repo).refresh(self.user("root"))
            return list(self.repo(repo).requests)

    def open(
        self, repo: str, head: str, *, base: str = "", title: str = "Mine", by: str = "octocat"
    ) -> Request:
        """Open a merge request of a branch that was pushed."""
        with self.lock:
            there = self.repo(repo)
            there.refresh(self.user(by))
            return there.open(self.user(by), head, base or there.bare.default_branch, title, "")

    def merge(self, repo: str, number: int, by: str = "octocat") -> str:
        """Merge a merge request with a real merge commit, and return that."""
        with self.lock:
            there, mr = self._there(repo, number, by)
            message = f"Merge branch '{mr.source_branch}' into '{mr.target_branch}'"
            mr.merge_commit_sha = there.bare.merge(mr.target_branch, mr.sha, message)
            there.end(mr, self.user(by), "merged")
            there.refresh(self.user(by))
            return mr.merge_commit_sha

    def close(self, repo: str, number: int, by: str = "octocat") -> None:
        with self.lock:
            there, mr = self._there(repo, number, by)
            there.end(mr, self.user(by), "closed")

    def reopen(self, repo: str, number: int, by: str = "octocat") -> None:
        with self.lock:
            there, mr = self._there(repo, number, by)
            there.reopen(mr, self.user(by))

    def edit(self, repo: str, number: int, *, title: str, by: str = "octocat") -> None:
        """Give a merge request another title, its prefix for drafts included."""
        with self.lock:
            there, mr = self._there(repo, number, by)
            mr.title = title
            self._update(there, mr, by)

    def retarget(self, repo: str, number: int, base: str, by: str = "octocat") -> None:
        """Let a merge request go into another branch."""
        with self.lock:
            there, mr = self._there(repo, number, by)
            mr.target_branch = base
            self._update(there, mr, by)

    def ready(self, repo: str, number: int, by: str = "octocat") -> None:
        """End the draft."""
        with self.lock:
            there, mr = self._there(repo, number, by)
            mr.title = mr.title.partition(" ")[2] if mr.draft else mr.title
            self._update(there, mr, by)

    def comment(self, repo: str, number: int, body: str, by: str = "octocat") -> Note:
        with self.lock:
            there, mr = self._there(repo, number, by)
            return there.say(mr, self.user(by), body)

    def system_note(self, repo: str, number: int, body: str, by: str = "octocat") -> Note:
        """Let GitLab note what somebody did."""
        with self.lock:
            there, mr = self._there(repo, number, by)
            return there.say(mr, self.user(by), body, system=True)

    def review(self, repo: str, number: int, by: str, state_: str) -> None:
        """Give a review: APPROVED, CHANGES_REQUESTED or COMMENTED; DISMISSED takes the last one back."""
        with self.lock:
            there, mr = self._there(repo, number, by)
            self.user(by)
            mr.updated_at = state.now()
            mr.reviewers[by] = REVIEWED.get(state_, "unreviewed")
            was = by in mr.approved_by
            mr.approved_by = [name for name in mr.approved_by if name != by]
            mr.approved_by += [by] if state_ == "APPROVED" else []
            action = "approved" if state_ == "APPROVED" else "unapproved" if was else "update"
            there.tell(there, "merge_requests", mr, self.user(by), action=action)

    def approve(self, repo: str, number: int, by: str = "octocat") -> None:
        self.review(repo, number, by, "APPROVED")

    def request_changes(self, repo: str, number: int, by: str = "octocat") -> None:
        self.review(repo, number, by, "CHANGES_REQUESTED")

    def status(
        self, repo: str, what: str | int, name: str, state_: str, *, allow_failure: bool = False
    ) -> Status:
        """Let a job of a commit, or of a merge request's head, come to a state; as GitLab does, a new one."""
        with self.lock:
            there = self.repo(repo)
            mr = self._there(repo, what, "root")[1] if isinstance(what, int) else None
            sha = mr.sha if mr else str(what)
            given = Status(sha, name, state_, mr.source_branch if mr else "main", allow_failure)
            there.statuses.append(given)
            there.tell(there, "pipeline", Pipeline(sha, given.ref, state_), self.user("root"), mr=mr)
            return given

    def pipeline(self, repo: str, number: int, state_: str, *, merged: bool = False) -> Pipeline:
        """Give a merge request's head, or what it would be once merged, a pipeline without jobs."""
        with self.lock:
            there, mr = self._there(repo, number, "root")
            ref = f"refs/merge-requests/{number}/merge" if merged else mr.source_branch
            mr.pipeline = Pipeline(mr.base_sha if merged else mr.sha, ref, state_)
            there.tell(there, "pipeline", mr.pipeline, self.user("root"), mr=mr)
            return mr.pipeline

    def delete_branch(self, repo: str, branch: str, by: str = "octocat") -> None:
        """Delete a branch, which closes its merge request."""
        with self.lock:
            before = self.repo(repo).bare.branches()
            self.repo(repo).bare.delete(branch)
            self.pushed(self.repo(repo), before, self.user(by))

    def rename_branch(self, repo: str, branch: str, to: str, by: str = "octocat") -> None:
        """Give a branch another name, and let what goes into it go into the new one."""
        with self.lock:
            there = self.repo(repo)
            there.bare.rename(branch, to)
            for mr in there.requests:
                if mr.state == "opened" and mr.target_branch == branch:
                    mr.target_branch = to
                    self._update(there, mr, by)
            there.refresh(self.user(by))

    def rename(self, name: str, to: str) -> None:
        """Give a project another path; the old one leads there."""
        with self.lock:
            project = self.moved[name.casefold()] = self.projects.pop(name.casefold())
            project.path = to
            self.moved.pop(to.casefold(), None)
            self.projects[to.casefold()] = project

    def archive(self, name: str) -> None:
        with self.lock:
            self.repo(name).archived = True

    def remove(self, name: str) -> None:
        """Delete a project."""
        with self.lock:
            self.projects.pop(name.casefold())

    def _update(self, there: Project, mr: Request, by: str) -> None:
        mr.updated_at = state.now()
        there.tell(there, "merge_requests", mr, self.user(by), action="update")

    def _there(self, repo: str, number: int, by: str) -> tuple[Project, Request]:
        there = self.repo(repo)
        there.refresh(self.user(by))
        mr = there.request(number)
        assert mr is not None, f"{repo} has no merge request {number}"
        return there, mr
