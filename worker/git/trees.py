"""A changeset's files as git trees, and the difference of two trees as a changeset's files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pygit2
from pygit2.enums import FileMode

from app.core.changes import Change
from app.core.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MODES: dict[str, FileMode] = {
    "100644": FileMode.BLOB,
    "100755": FileMode.BLOB_EXECUTABLE,
    "120000": FileMode.LINK,
}
Mode = Literal["100644", "100755", "120000"]
Nodes = dict[str, "Change | Nodes"]


def apply(store: pygit2.Repository, tree: pygit2.Oid, changes: Iterable[Change]) -> pygit2.Oid:
    """Write the tree that a changeset makes of a tree, and return its id.

    A changeset names each file that goes: a file never silently takes the place of a folder, nor a
    folder that of a file. Raises GitError for that, and for names that git does not take.
    """
    listed = list(changes)
    gone = _nest(change for change in listed if change.content is None)
    made = _nest(change for change in listed if change.content is not None)
    try:
        bare = _removed(store, tree, gone) or store.TreeBuilder().write()
        return _added(store, bare, made)
    except (ValueError, pygit2.GitError) as error:
        raise GitError(f"the changeset cannot be written to {store.path}: {error}") from error


def without(store: pygit2.Repository, tree: pygit2.Oid, name: str) -> pygit2.Oid:
    """Return the tree without one entry of its top level."""
    found = _tree(store, tree)
    if name not in found:
        return tree
    builder = store.TreeBuilder(found)
    builder.remove(name)
    return builder.write()


def differences(store: pygit2.Repository, old: pygit2.Oid, new: pygit2.Oid) -> list[Change]:
    """Return the files that differ between two trees, as changes of the old one; gitlinks apart."""
    return list(_compare(store, _entries(_tree(store, old)), _entries(_tree(store, new)), ""))


def _nest(changes: Iterable[Change]) -> Nodes:
    top: Nodes = {}
    for change in changes:
        *folders, name = change.path.split("/")
        at = top
        for folder in folders:
            below = at.setdefault(folder, {})
            if isinstance(below, Change):
                raise GitError(f"the changeset has {below.path} as a file and as a folder")
            at = below
        if name in at:
            raise GitError(f"the changeset has {change.path} twice")
        at[name] = change
    return top


def _removed(store: pygit2.Repository, tree: pygit2.Oid, nodes: Nodes) -> pygit2.Oid | None:
    """Return the tree without these files, None when nothing is left; what is not there is gone already."""
    if not nodes:
        return tree
    found = _tree(store, tree)
    builder = store.TreeBuilder(found)
    for name, node in nodes.items():
        if name not in found:
            continue
        entry = found[name]
        if isinstance(node, Change):
            if not isinstance(entry, pygit2.Tree):
                builder.remove(name)
        elif isinstance(entry, pygit2.Tree):
            left = _removed(store, entry.id, node)
            if left is None:
                builder.remove(name)
            elif left != entry.id:
                builder.insert(name, left, FileMode.TREE)
    return builder.write() if len(builder) else None


def _added(store: pygit2.Repository, tree: pygit2.Oid | None, nodes: Nodes) -> pygit2.Oid:
    found = {} if tree is None else _entries(_tree(store, tree))
    builder = store.TreeBuilder() if tree is None else store.TreeBuilder(_tree(store, tree))
    for name, node in nodes.items():
        entry = found.get(name)
        folder = isinstance(entry, pygit2.Tree)
        if isinstance(node, Change):
            if folder:
                raise GitError(f"{node.path} would take the place of a folder that is not empty")
            builder.insert(name, store.create_blob(node.content or b""), MODES[node.mode])
            continue
        if entry is not None and not folder:
            raise GitError(f"{name}/ would take the place of a file")
        builder.insert(name, _added(store, entry.id if entry is not None else None, node), FileMode.TREE)
    return builder.write()


def _compare(
    store: pygit2.Repository,
    old: Mapping[str, pygit2.Object],
    new: Mapping[str, pygit2.Object],
    prefix: str,
) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if (
            before is not None
            and after is not None
            and (before.id, before.filemode) == (after.id, after.filemode)
        ):
            continue
        path = f"{prefix}{name}"
        old_tree, new_tree = isinstance(before, pygit2.Tree), isinstance(after, pygit2.Tree)
        if old_tree or new_tree:
            yield from _compare(
                store,
                _entries(before) if isinstance(before, pygit2.Tree) else {},
                _entries(after) if isinstance(after, pygit2.Tree) else {},
                f"{path}/",
            )
        if isinstance(after, pygit2.Blob):
            yield Change(path=path, mode=_mode(after), content=after.data)
        elif isinstance(before, pygit2.Blob):
            yield Change(path=path, content=None)


def _mode(blob: pygit2.Blob) -> Mode:
    if blob.filemode == FileMode.LINK:
        return "120000"
    if blob.filemode == FileMode.BLOB_EXECUTABLE:
        return "100755"
    return "100644"


def _entries(tree: pygit2.Tree) -> dict[str, pygit2.Object]:
    return {entry.name: entry for entry in tree if entry.name is not None}


def _tree(store: pygit2.Repository, tree: pygit2.Oid) -> pygit2.Tree:
    return store[tree].peel(pygit2.Tree)
