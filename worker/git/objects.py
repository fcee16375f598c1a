"""Trees and commits, read and written with libgit2: no hook, filter or configuration has a say.

All functions block: call them in a thread. `repo` is a bare repository of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import ConfigLevel, FileMode, MergeFlag, ObjectType, RepositoryOpenFlag

from app.core.changes import Changeset
from app.core.errors import GitError
from worker.git import trees

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

SUMMARY = "codex.md"

for _level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL):
    pygit2.settings.search_path[_level] = ""  # the user's own configuration is none of ours
pygit2.settings.owner_validation = False  # agent and publisher may be two users; paths come from us alone


@dataclass(frozen=True)
class Rebased:
    """A changeset on another base; None where these paths conflict."""

    changeset: Changeset | None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Merged:
    """A merge commit; None where these paths conflict."""

    commit: str | None
    conflicts: tuple[str, ...] = ()


def read(repo: Path, commit: str, path: str) -> bytes | None:
    """Return the content of a regular file at a commit; None when there is none of that name."""
    tree = _commit(_open(repo), commit).tree
    try:
        entry = tree[path]
    except KeyError:
        return None
    if isinstance(entry, pygit2.Blob) and entry.filemode != FileMode.LINK:
        return entry.data
    return None


def link(repo: Path, commit: str, path: str) -> str | None:
    """Return where a symlink at a commit points; None when there is no symlink of that name."""
    tree = _commit(_open(repo), commit).tree
    try:
        entry = tree[path]
    except KeyError:
        return None
    if isinstance(entry, pygit2.Blob) and entry.filemode == FileMode.LINK:
        return entry.data.decode(errors="surrogateescape")
    return None


def has(repo: Path, commit: str) -> bool:
    """Tell whether a commit is there."""
    try:
        return _open(repo).get(commit) is not None
    except ValueError as error:
        raise GitError(f"{commit[:80]!r} is not a commit id") from error


def tree_key(repo: Path, commit: str, changeset: Changeset | None = None) -> str:
    """Return the id of a commit's tree, the changeset applied and codex.md taken out."""
    store = _open(repo)
    tree = _commit(store, commit).tree.id
    if changeset is not None:
        tree = trees.apply(store, tree, changeset.changes)
    return str(trees.without(store, tree, SUMMARY))


def write_commit(
    repo: Path, changeset: Changeset, *, message: str, name: str, email: str, at: datetime
) -> str:
    """Write the changeset as one commit on its base and return its id; the same input, the same id.

    Raises GitError when nothing would change.
    """
    store = _open(repo)
    base = _commit(store, changeset.base)
    tree = trees.apply(store, base.tree.id, changeset.changes)
    if tree == base.tree.id:
        raise GitError(f"nothing to commit: the changeset leaves {changeset.base[:12]} as it is")
    signature = pygit2.Signature(name, email, int(at.timestamp()), 0)
    return str(store.create_commit(None, signature, signature, _message(message), tree, [base.id]))


def is_made_of(repo: Path, commit: str, changeset: Changeset) -> bool:
    """Tell whether a commit is the changeset on its base, and nothing else."""
    store = _open(repo)
    found, base = _commit(store, commit), _commit(store, changeset.base)
    tree = trees.apply(store, base.tree.id, changeset.changes)
    return bool(list(found.parent_ids) == [base.id] and found.tree.id == tree)


def diff(repo: Path, changeset: Changeset, *, context: int = 3) -> str:
    """Return the changeset as a unified diff; bytes that are no UTF-8 are shown as replaced."""
    raw = _diff(repo, changeset, context)
    return b"".join(patch.data for patch in raw if patch is not None).decode(errors="replace")


def stat(repo: Path, changeset: Changeset) -> list[tuple[str, int, int, bool]]:
    """Return path, lines added, lines removed and whether it is binary, for each changed file."""
    rows: dict[str, tuple[str, int, int, bool]] = {}
    for patch in _diff(repo, changeset, 0):
        if patch is None:
            continue
        path = patch.delta.new_file.path or patch.delta.old_file.path
        _, added, removed = patch.line_stats
        _, plus, minus, _ = rows.get(path, ("", 0, 0, False))
        rows[path] = (path, plus + added, minus + removed, bool(patch.delta.is_binary))
    return list(rows.values())


def rebase(repo: Path, changeset: Changeset, onto: str) -> Rebased:
    """Merge a changeset three-way onto another commit; what is there already falls out of it."""
    store = _open(repo)
    if changeset.base == onto:
        return Rebased(changeset)
    base, target = _commit(store, changeset.base), _commit(store, onto)
    theirs = trees.apply(store, base.tree.id, changeset.changes)
    index = store.merge_trees(base.tree.id, target.tree.id, theirs, flags=MergeFlag.FIND_RENAMES)
    if conflicts := _conflicts(index):
        return Rebased(None, conflicts)
    changes = trees.differences(store, target.tree.id, index.write_tree(store))
    return Rebased(Changeset(base=onto).with_changes(changes))


def merge(repo: Path, ours: str, theirs: str, *, message: str, name: str, email: str, at: datetime) -> Merged:
    """Write a merge commit of two commits, also where a fast-forward would do.

    Returns `ours` itself when it holds `theirs` already.
    """
    if is_ancestor(repo, theirs, ours):
        return Merged(ours)
    store = _open(repo)
    left, right = _commit(store, ours), _commit(store, theirs)
    if store.merge_base(left.id, right.id) is None:
        raise GitError(f"{ours[:12]} and {theirs[:12]} have no commit in common, so they cannot be merged")
    index = store.merge_commits(left, right)
    if conflicts := _conflicts(index):
        return Merged(None, conflicts)
    signature = pygit2.Signature(name, email, int(at.timestamp()), 0)
    tree = index.write_tree(store)
    parents = [left.id, right.id]
    return Merged(str(store.create_commit(None, signature, signature, _message(message), tree, parents)))


def is_ancestor(repo: Path, ancestor: str, commit: str) -> bool:
    """Tell whether a commit is another one, or an ancestor of it."""
    store = _open(repo)
    first, second = _commit(store, ancestor).id, _commit(store, commit).id
    return first == second or store.descendant_of(second, first)


def changed_between(repo: Path, one: str, other: str, paths: Iterable[str]) -> list[str]:
    """Return those of the paths that are not the same at two commits."""
    store = _open(repo)
    first, second = _commit(store, one).tree, _commit(store, other).tree
    return [path for path in paths if _id(first, path) != _id(second, path)]


def _id(tree: pygit2.Tree, path: str) -> pygit2.Oid | None:
    try:
        return tree[path].id
    except KeyError:
        return None


def _open(repo: Path) -> pygit2.Repository:
    try:
        return pygit2.Repository(repo, RepositoryOpenFlag.NO_SEARCH | RepositoryOpenFlag.BARE)
    except pygit2.GitError as error:
        raise GitError(f"{repo} is not a git repository that can be read: {error}") from error


def _commit(store: pygit2.Repository, commit: str) -> pygit2.Commit:
    try:
        found = store.get(commit)
    except (ValueError, pygit2.GitError) as error:
        raise GitError(f"{commit[:80]!r} cannot be read in {store.path}: {error}") from error
    if found is None or found.type != ObjectType.COMMIT:
        raise GitError(f"the commit {commit[:80]} is not in {store.path}: fetch it first")
    return found.peel(pygit2.Commit)


def _diff(repo: Path, changeset: Changeset, context: int) -> pygit2.Diff:
    store = _open(repo)
    base = _commit(store, changeset.base).tree
    tree = trees.apply(store, base.id, changeset.changes)
    return base.diff_to_tree(store[tree].peel(pygit2.Tree), context_lines=context)


def _conflicts(index: pygit2.Index) -> tuple[str, ...]:
    sides = [side for entry in index.conflicts or () for side in entry if side is not None]
    return tuple(sorted({side.path for side in sides}))


def _message(text: str) -> str:
    return text.rstrip() + "\n"
