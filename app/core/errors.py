"""The error tree: what happened, where, and what to do about it.

Library errors are translated into these once, at the boundary where the library is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.changes import Usage


class PimaintenoError(Exception):
    """Base of every error that this program raises on purpose; its text is fit for a person."""


class ConfigurationError(PimaintenoError):
    """The configuration or the command line is wrong; the command ends with exit code 2."""


class NotFoundError(PimaintenoError):
    """A project, proposal or run of that name does not exist."""


class ConflictError(PimaintenoError):
    """What was asked for does not fit the present state, for instance a merge of a closed proposal."""


class BadRequestError(PimaintenoError):
    """What was asked for cannot be read, for instance a page cursor that is not one of ours."""


class StoreError(PimaintenoError):
    """The database cannot be used: away, full, locked for too long, or of another version."""


class QueueError(PimaintenoError):
    """Redis cannot be reached or did not take the message."""


class ProcessError(PimaintenoError):
    """A program could not be started, or ended in a way that its caller cannot use."""


class GitError(PimaintenoError):
    """A git operation failed; the text carries git's own last words, without secrets."""


class PushRejectedError(GitError):
    """The other side refused a push: a stale lease, a hook of its owner, or a protected branch."""


class WatchError(PimaintenoError):
    """The bus or the journal of this host cannot be used; the text says what to start or whom to add."""


class ForgeError(PimaintenoError):
    """A forge could not be reached or understood, which may pass; it names project, forge and remedy."""


class ForgeWaitError(ForgeError):
    """A forge asks us to wait `after_s` seconds: a rate limit."""

    def __init__(self, reason: str, *, after_s: float) -> None:
        super().__init__(reason)
        self.after_s = after_s


class ForgeAccessError(ForgeError):
    """A token, a right or a name is wrong: it works again as soon as a person has mended that."""


class ForgeRefusedError(ForgeError):
    """A forge refused this very request, and would again."""


class SandboxError(PimaintenoError):
    """The sandbox cannot be built on this machine, so no untrusted code may run."""


class LeaseLostError(PimaintenoError):
    """Another worker took the job over: stop at once and write nothing."""


class StopWork(PimaintenoError):  # noqa: N818 - an outcome, not a fault
    """Base of the ways in which a job ends without being done; `worker.jobs` alone handles them."""

    usage: Usage | None = None
    """What the model took until the work stopped, where any was asked."""


class Skipped(StopWork):
    """There is nothing to do, and here is why; for instance the failure is not a code bug."""


class Refused(StopWork):
    """The work was done but must not be proposed; what was made is kept for people to see."""


class RetryLater(StopWork):
    """The work can go on after `after_s` seconds; the reason is shown while it waits.

    `pause` stops every run until a person resumes (a wrong key, no quota left, a broken sandbox).
    `counts` is false where waiting is no failed try, for instance at a limit.
    """

    def __init__(self, reason: str, *, after_s: float, pause: bool = False, counts: bool = True) -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.pause = pause
        self.counts = counts


class Failed(StopWork):
    """The work failed for good; a person has to act."""
