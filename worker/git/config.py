"""The one git configuration that our git reads, and the layout of the repositories that we make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.git.folders import replace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.core.paths import StatePaths

OURS = """\
# Written by PiMainteno; the only configuration that its git reads.
[core]
	askPass =
	attributesFile = /dev/null
	excludesFile = /dev/null
	autocrlf = false
	fsmonitor = false
	editor = false
	pager = cat
	quotePath = false
	protectHFS = true
	protectNTFS = true
[credential]
	helper =
[protocol]
	allow = never
[protocol "https"]
	allow = always
[protocol "http"]
	allow = always
[protocol "ssh"]
	allow = always
[protocol "file"]
	allow = always
[http]
	followRedirects = false
	lowSpeedLimit = 1000
	lowSpeedTime = 60
[gc]
	auto = 0
[maintenance]
	auto = false
[submodule]
	recurse = false
[fetch]
	recurseSubmodules = false
[checkout]
	workers = 0
[uploadpack]
	allowAnySHA1InWant = true
[advice]
	detachedHead = false
[init]
	defaultBranch = main
"""
REPOSITORY = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
ATTRIBUTES = "* -text -ident !filter !working-tree-encoding\n"
"""Over each .gitattributes of the project: the bytes on disk are those of the blobs."""


def write_config(paths: StatePaths, *, safe: Iterable[Path] = ()) -> Path:
    """Write our configuration, unless it stands already, and return its path.

    `safe` names repositories that may belong to another user: bare repositories of the `local`
    forge, and the mirrors where agent and publisher run as two users.
    """
    text = OURS + "[safe]\n" + "".join(f"\tdirectory = {_quoted(path)}\n" for path in safe)
    replace(paths.gitconfig, text)
    return paths.gitconfig


def settle(repo: Path) -> None:
    """Put the files of one of our bare repositories that steer git back to what we want of them."""
    replace(repo / "config", REPOSITORY)
    (repo / "info").mkdir(exist_ok=True)
    replace(repo / "info" / "attributes", ATTRIBUTES)
    replace(repo / "info" / "exclude", "")


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
