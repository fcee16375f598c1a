"""What a failed git becomes: an error with git's last words and, for the known ones, what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.core.errors import GitError, PushRejectedError

if TYPE_CHECKING:
    from app.core.process import Finished

REMEDIES = (
    ("No space left|Disk quota|unable to write", "make room on that disk"),
    (
        "Authentication failed|could not read (Username|Password)|returned error: 40[13]|Permission denied",
        "check the token of this forge and what it may do in the repository",
    ),
    (
        "Could not resolve host|Failed to connect|Connection (refused|reset|timed out)|early EOF|timed out",
        "check the network and the address",
    ),
    ("from redirection|returned error: 30", "the address moved: configure the new one"),
    ("certificate", "check `ca_file` of this forge"),
    ("dubious ownership", "give the repository to the user that runs the worker"),
    (
        "not a git repository|not appear to be a git repository|not found|does not exist|returned error: 404",
        "check `repo` and `clone_url` of this project",
    ),
    (
        "not our ref",
        "the commit is gone from the mirror: run `pimainteno retry` to start from the present one",
    ),
    ("couldn't find remote ref", "check `branch` of this project"),
)
REFUSALS = (
    (
        "GH006|GH013|protected branch|rule violations",
        "leave `pimainteno/*` out of the branch protection or ruleset, or let the token's owner bypass it",
    ),
    (
        "without `?workflows?`? (scope|permission)",
        "give the token Workflows: read and write, or close those files",
    ),
)
"""What the other side's words of a refused push ask a person to do."""
_REFUSED = re.compile(rb"^!\t[^\t]*\t(.*)$", re.MULTILINE)


def error(what: str, done: Finished) -> GitError:
    """Return the error for a git that failed; a PushRejectedError where the other side refused a ref."""
    text = done.stderr.decode(errors="replace").strip()
    lines = [line.strip() for line in text.splitlines() if not line.startswith("hint:")]
    words = "; ".join(line for line in lines if line)[-2000:] or f"exit code {done.returncode}"
    if what.startswith("git push") and (refused := _REFUSED.search(done.stdout)):
        said = f"{refused[1].decode(errors='replace')}; {words}"
        return PushRejectedError(f"{what} was rejected: {said}{_advice(REFUSALS, said)}")
    return GitError(f"{what} failed: {words}{_advice(REMEDIES, text)}")


def _advice(table: tuple[tuple[str, str], ...], text: str) -> str:
    remedy = next((advice for pattern, advice in table if re.search(pattern, text)), "")
    return f". What to do: {remedy}" if remedy else ""
