"""Single files of a worktree that untrusted code wrote to: no link on the way is ever followed."""

from __future__ import annotations

import contextlib
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.core.changes import Change
from app.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
KINDS = {
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def apply(root: Path, changes: Iterable[Change]) -> None:
    """Write, link and delete these files; deletions first, so that a folder can replace a file."""
    listed = sorted(changes, key=lambda change: change.content is not None)
    for change in listed:
        if change.content is None:
            drop(root, change.path)
        else:
            put(root, change)


def put(root: Path, change: Change) -> None:
    """Write one file or link in the place of whatever file is there."""
    content = change.content or b""
    with _parent(root, change.path, make=True) as (folder, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        if change.mode == "120000":
            os.symlink(content, name.encode(), dir_fd=folder)
            return
        mode = 0o755 if change.mode == "100755" else 0o644
        with os.fdopen(os.open(name, _WRITE, mode, dir_fd=folder), "wb") as file:
            file.write(content)


def drop(root: Path, path: str) -> None:
    """Delete one file, and the folders that it leaves empty."""
    missing = contextlib.suppress(FileNotFoundError, NotADirectoryError)
    with missing, _parent(root, path) as (folder, name):
        os.unlink(name, dir_fd=folder)
    above = path.rpartition("/")[0]
    while above:
        try:
            with _parent(root, above) as (folder, name):
                os.rmdir(name, dir_fd=folder)
        except OSError:  # not empty, or gone already
            return
        above = above.rpartition("/")[0]


def take(root: Path, path: str, *, limit: int) -> Change | None:
    """Return a file or link as it stands, None when it is not there or a folder took its place.

    Raises Refused for anything else than a file or link, and for more than `limit` bytes.
    """
    try:
        with _parent(root, path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                return None
            if stat.S_ISLNK(found.st_mode):
                target = os.readlink(name.encode(), dir_fd=folder)
                return Change(path=path, mode="120000", content=target)
            _regular(found, path, limit)
            with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
                found = os.fstat(file.fileno())
                _regular(found, path, limit)
                content = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Refused(f"{path!r} cannot be read: {error.strerror or error}") from error
    if len(content) > limit:
        raise _too_big(path, limit)
    return Change(path=path, mode="100755" if found.st_mode & stat.S_IXUSR else "100644", content=content)


def _regular(found: os.stat_result, path: str, limit: int) -> None:
    for is_kind, what in KINDS.items():
        if is_kind(found.st_mode):
            raise Refused(f"{path!r} is {what}, which cannot be proposed")
    if found.st_size > limit:
        raise _too_big(path, limit)


def _too_big(path: str, limit: int) -> Refused:
    return Refused(
        f"{path!r} takes the change past its limit, {limit} bytes were left (`limits.max_patch_bytes`)"
    )


@contextmanager
def _parent(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """Open the folder of a path step by step from the root, and give it with the path's last name."""
    *folders, name = path.split("/")
    at = os.open(root, _FOLDER)
    try:
        for part in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=at)
            below = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        yield at, name
    finally:
        os.close(at)
