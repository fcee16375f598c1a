"""What untrusted work made of a worktree, as a changeset.

Read from outside the sandbox: git is told where its own folder is, runs no filter, hook, monitor or
submodule, and only names what differs; the bytes are read here, through no link.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core import guards
from app.core.changes import Change, Changeset
from app.core.errors import Refused
from worker.agent import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.core.guards import Limits
    from worker.agent.worktree import Tree

SUMMARY = "codex.md"
TIMEOUT_S = 60.0
STATUS = (
    "status",
    "--porcelain=v2",
    "-z",
    "--untracked-files=all",
    "--no-renames",
    "--ignore-submodules=all",
)
DROPPINGS = frozenset(
    {
        "__pycache__", "__pypackages__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox",
        ".nox", ".venv", ".eggs", ".coverage", "htmlcov", "node_modules", ".npm", ".yarn", ".cache",
        ".gradle", ".DS_Store",
    }
)  # fmt: skip
"""Files and folders that tools leave behind, by name; left out where the project does not keep them."""

DROPPED = re.compile(r".*(\.py[co]|\.orig|\.rej|\.sw[op]|~|\.egg-info|\$py\.class)")
CLOSED = frozenset(
    {
        ".agents", ".aws", ".azure", ".bash_profile", ".bashrc", ".claude", ".codex", ".config", ".cursor",
        ".docker", ".gcloud", ".git-credentials", ".gitconfig", ".gitmodules", ".gnupg", ".idea", ".kube",
        ".mcp.json", ".netrc", ".npmrc", ".profile", ".pypirc", ".ripgreprc", ".ssh", ".vscode", ".zprofile",
        ".zshrc",
    }
)  # fmt: skip
"""Names that the Codex sandbox keeps closed, and may leave behind empty."""


@dataclass(frozen=True)
class _Entry:
    path: str
    blob: str = ""
    """The tracked content's id; "" for a file that git does not track."""
    mode: str = ""


async def take(tree: Tree, limits: Limits) -> Changeset:
    """Return what differs from the tree's commit: edits, new files, links, modes and deletions.

    Left out: codex.md (the program writes it), what .gitignore names, droppings of tools, and empty
    files that the sandbox leaves. Raises Refused for what cannot be proposed: a nested repository, a
    pipe or device, a name that is not UTF-8, more than `limits` before it is read.
    """
    out = await tree.git(f"--work-tree={tree.path}", *STATUS, at=tree.git_dir, timeout_s=TIMEOUT_S)
    entries = [entry for entry in _entries(out) if _wanted(entry)]
    guards.count(len(entries), limits)
    return await asyncio.to_thread(_read, tree, entries, limits)


def _entries(out: bytes) -> Iterator[_Entry]:
    for record in out.split(b"\0"):
        kind, _, rest = record.partition(b" ")
        if kind == b"?":
            yield _Entry(_name(rest))
        elif kind == b"1":
            _, _, mode, _, _, blob, _, path = rest.split(b" ", 7)
            yield _Entry(_name(path), blob.decode(), mode.decode())
        elif kind:
            raise Refused(f"the worktree is in a state that cannot be proposed: {record[:200]!r}")


def _name(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Refused(f"the name {raw[:200]!r} is not UTF-8") from None


def _wanted(entry: _Entry) -> bool:
    if entry.path == SUMMARY:
        return False
    names = entry.path.rstrip("/").split("/")
    return bool(entry.blob) or not any(name in DROPPINGS or DROPPED.fullmatch(name) for name in names)


def _read(tree: Tree, entries: list[_Entry], limits: Limits) -> Changeset:
    left, changes = limits.max_patch_bytes, []
    for entry in entries:
        if entry.path.endswith("/"):
            raise Refused(f"{entry.path!r} is a git repository of its own, which cannot be proposed")
        if entry.mode == "160000":
            raise Refused(f"{entry.path!r} is a submodule, which cannot be changed")
        change = files.take(tree.path, entry.path, limit=left)
        if change is None:
            if entry.blob:
                changes.append(Change(path=entry.path, content=None))
            continue
        if _same(entry, change) or (not entry.blob and _placeholder(change)):
            continue
        left -= len(change.content or b"")
        changes.append(change)
    return Changeset(base=tree.commit).with_changes(changes)


def _same(entry: _Entry, change: Change) -> bool:
    content = change.content or b""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return entry.mode == change.mode and blob.hexdigest() == entry.blob


def _placeholder(change: Change) -> bool:
    if change.content or change.mode == "120000":
        return False
    return change.path.split("/")[0] in CLOSED or guards.protected(change) is not None
