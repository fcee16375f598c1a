"""What people, and CI, do on GitHub's own pages, each told to the hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.doubles.github import pulls, state, talk
from tests.doubles.github.front import Front
from tests.doubles.github.state import Check, Comment, Review, Status

if TYPE_CHECKING:
    from tests.doubles.github.state import Pull, Repo

CHECKER = "checker[bot]"


class People(Front):
    """A GitHub on which people act."""

    def repo(self, name: str) -> Repo:
        """Return a repository, whose switches a test may set."""
        return self.repos[name.casefold()]

    def pulls(self, repo: str) -> list[Pull]:
        """Return all pull requests, oldest first."""
        with self.lock:
            self.repo(repo).refresh("me")
            return list(self.repo(repo).pulls)

    def open(self, repo: str, head: str, *, base: str = "", title: str = "Mine", by: str = "octocat") -> Pull:
        """Open a pull request of a branch that was pushed."""
        with self.lock:
            there = self.repo(repo)
            there.refresh(by)
            return there.open(title, "", head, base or there.bare.default_branch, draft=False, user=by)

    def merge(self, repo: str, number: int, by: str = "octocat") -> str:
        """Merge a pull request with a real merge commit, and return that."""
        with self.lock:
            there, pull = self._there(repo, number)
            message = f"Merge pull request #{number} from {there.owner}/{pull.head_ref}"
            pull.merge_sha = there.bare.merge(pull.base_ref, pull.head_sha, message)
            there.end(pull, by, merged=True)
            there.refresh(by)
            return pull.merge_sha

    def close(self, repo: str, number: int, by: str = "octocat") -> None:
        with self.lock:
            there, pull = self._there(repo, number)
            there.end(pull, by)

    def reopen(self, repo: str, number: int, by: str = "octocat") -> None:
        with self.lock:
            there, pull = self._there(repo, number)
            there.reopen(pull, by)

    def edit(self, repo: str, number: int, *, title: str, by: str = "octocat") -> None:
        with self.lock:
            there, pull = self._there(repo, number)
            pulls.edit(there, pull, by, title=title)

    def retarget(self, repo: str, number: int, base: str, by: str = "octocat") -> None:
        """Let a pull request go into another branch."""
        with self.lock:
            there, pull = self._there(repo, number)
            pulls.edit(there, pull, by, base=base)

    def ready(self, repo: str, number: int, by: str = "octocat") -> None:
        """End the draft."""
        with self.lock:
            there, pull = self._there(repo, number)
            pull.draft, pull.updated_at = False, state.now()
            there.tell(there, "pull_request", "ready_for_review", pull, by)

    def comment(self, repo: str, number: int, body: str, by: str = "octocat") -> Comment:
        with self.lock:
            there, _ = self._there(repo, number)
            return talk.say(there, Comment(number, body, by))

    def review(self, repo: str, number: int, by: str, state_: str) -> Review:
        """Give a review: APPROVED, CHANGES_REQUESTED or COMMENTED; DISMISSED takes the last one back."""
        with self.lock:
            there, pull = self._there(repo, number)
            action, pull.updated_at = "submitted", state.now()
            if state_ == "DISMISSED":
                action, made = "dismissed", _last_opinion(there, number, by)
                made.state = state_
            else:
                made = Review(number, by, state_, pull.head_sha)
                there.reviews.append(made)
            there.tell(there, "pull_request_review", action, made, by)
            return made

    def check(
        self, repo: str, what: str | int, name: str, conclusion: str | None = "success", status: str = ""
    ) -> Check:
        """Let a check of a commit, or of a pull request's head, begin, go on or end."""
        with self.lock:
            there, sha = self.repo(repo), self._sha(repo, what)
            status = status or ("completed" if conclusion else "in_progress")
            conclusion = conclusion if status == "completed" else None
            old = next((each for each in there.checks if (each.sha, each.name) == (sha, name)), None)
            check = old or Check(name, sha, status, conclusion)
            check.status, check.conclusion = status, conclusion
            check.completed_at = state.now() if conclusion else None
            if old is None:
                there.checks.append(check)
            if conclusion:
                there.tell(there, "check_run", "completed", check, CHECKER)
            elif old is None:
                there.tell(there, "check_run", "created", check, CHECKER)
            if all(each.conclusion for each in there.checks if each.sha == sha):
                there.tell(there, "check_suite", "completed", sha, CHECKER)
            return check

    def status(self, repo: str, what: str | int, context: str, state_: str, by: str = "octocat") -> Status:
        """Give a commit, or a pull request's head, a status: success, failure, error or pending."""
        with self.lock:
            there, sha = self.repo(repo), self._sha(repo, what)
            given = Status(context, sha, state_)
            there.statuses = [each for each in there.statuses if (each.sha, each.context) != (sha, context)]
            there.statuses.append(given)
            there.tell(there, "status", "", given, by)
            return given

    def delete_branch(self, repo: str, branch: str, by: str = "octocat") -> None:
        """Delete a branch, which closes its pull request."""
        with self.lock:
            self.repo(repo).bare.delete(branch)
            self.repo(repo).refresh(by)

    def rename_branch(self, repo: str, branch: str, to: str, by: str = "octocat") -> None:
        """Give a branch another name; what goes into it goes into the new one."""
        with self.lock:
            there = self.repo(repo)
            there.bare.rename(branch, to)
            for pull in there.pulls:
                if pull.state == "open" and pull.base_ref == branch:
                    pulls.edit(there, pull, by, base=to)
            there.refresh(by)

    def rename(self, name: str, to: str, by: str = "octocat") -> None:
        """Give a repository another name; the old one leads there."""
        with self.lock:
            repo = self.moved[name.casefold()] = self.repos.pop(name.casefold())
            repo.name = to
            self.moved.pop(to.casefold(), None)
            self.repos[to.casefold()] = repo
            changes = {"repository": {"name": {"from": name.partition("/")[2]}}}
            repo.tell(repo, "repository", "renamed", name, by, changes=changes)

    def archive(self, name: str, by: str = "octocat") -> None:
        with self.lock:
            self.repo(name).archived = True
            self.repo(name).tell(self.repo(name), "repository", "archived", name, by)

    def remove(self, name: str, by: str = "octocat") -> None:
        """Delete a repository."""
        with self.lock:
            repo = self.repos.pop(name.casefold())
            repo.tell(repo, "repository", "deleted", name, by)

    def _there(self, repo: str, number: int) -> tuple[Repo, Pull]:
        there = self.repo(repo)
        there.refresh(there.owner)
        pull = there.pull(number)
        assert pull is not None, f"{repo} has no pull request {number}"
        return there, pull

    def _sha(self, repo: str, what: str | int) -> str:
        return self._there(repo, what)[1].head_sha if isinstance(what, int) else what


def _last_opinion(repo: Repo, number: int, by: str) -> Review:
    theirs = [each for each in repo.reviews if (each.number, each.user) == (number, by)]
    return next(each for each in reversed(theirs) if each.state in ("APPROVED", "CHANGES_REQUESTED"))
