"""What may not be proposed, whoever made it: checked by the agent, and again by the publisher.

Pure: a changeset and limits in, flags out, Refused with the reason otherwise.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Protocol

from app.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.core.changes import Change, Changeset
    from app.core.redact import Redactor

PATH_LIMIT, NAME_LIMIT, HOPS = 1024, 255, 40
PROTECTED_NAMES = frozenset(
    {".gitmodules", ".gitattributes", "codeowners", "agents.md", "agents.override.md"}
)
PROTECTED_AT_TOP = frozenset({".gitlab-ci.yml", ".github", ".gitlab"})
HOOK_FOLDERS = frozenset({".githooks", ".git-hooks", "githooks", ".husky"})
PLACEHOLDERS = frozenset({".agents", ".aws", ".codex"})
"""What the Codex sandbox leaves in a worktree, empty, to keep commands away from such places."""

HOOKS = re.compile(
    r"(applypatch-msg|pre-applypatch|post-applypatch|pre-commit|pre-merge-commit|prepare-commit-msg|commit-msg"
    r"|post-commit|pre-rebase|post-checkout|post-merge|pre-push|pre-receive|update|proc-receive|post-receive"
    r"|post-update|reference-transaction|push-to-checkout|pre-auto-gc|post-rewrite|fsmonitor-watchman)(\.sample)?"
)
LOCK_FILES = re.compile(
    r"(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.ya?ml|bun\.lockb?|deno\.lock|cargo\.lock|go\.sum"
    r"|poetry\.lock|uv\.lock|pdm\.lock|pylock(\..+)?\.toml|pipfile\.lock|gemfile\.lock|composer\.lock|mix\.lock"
    r"|flake\.lock|pubspec\.lock|packages\.lock\.json|gradle\.lockfile|.+\.lock)"
)
MANIFESTS = re.compile(
    r"((.+[-_.])?(requirements|constraints)([-_.].+)?\.(txt|in)|pyproject\.toml|setup\.(py|cfg)|pipfile|environment\.ya?ml"
    r"|package\.json|deno\.jsonc?|cargo\.toml|go\.(mod|work)|gemfile|.+\.gemspec|composer\.json|mix\.exs|flake\.nix"
    r"|pubspec\.yaml|pom\.xml|(build|settings)\.gradle(\.kts)?|.+\.(cs|fs|vb)proj|directory\.packages\.props)"
)
DOT_GIT = re.compile(r"(\.git|git~[0-9]+)[ .]*(:.*)?", re.IGNORECASE)


class Limits(Protocol):
    """The part of `[limits]` that a changeset is held to."""

    @property
    def max_files(self) -> int: ...  # noqa: D102
    @property
    def max_patch_bytes(self) -> int: ...  # noqa: D102


def check(
    changeset: Changeset,
    limits: Limits,
    redactor: Redactor,
    *,
    base_links: Callable[[str], str | None] | None = None,
    base_text: Callable[[str], bytes | None] | None = None,
) -> tuple[str, ...]:
    """Return what the proposal has to point out; raise Refused when it must not be made at all.

    `base_links` tells where a symlink of the base points, None for anything else; `base_text` gives a
    file of the base, so that a secret that stands there already does not block an edit beside it.
    """
    size(changeset, limits)
    for change in changeset.changes:
        path(change.path)
        if (why := protected(change)) is not None:
            raise Refused(f"{_shown(change.path)} is protected: {why}")
    _apart(changeset.changes)
    _links(changeset.changes, base_links)
    for change in changeset.changes:
        _no_secrets(change, redactor, base_text)
    return tuple(
        f"It changes the {what} {change.path}."
        for change in changeset.changes
        if (what := dependency_file(change.path)) is not None
    )


def size(changeset: Changeset, limits: Limits) -> None:
    """Refuse too many files and too many bytes."""
    count(len(changeset.changes), limits)
    total = sum(len(change.content or b"") for change in changeset.changes)
    if total > limits.max_patch_bytes:
        allowed = limits.max_patch_bytes
        raise Refused(f"the change has {total} bytes; {allowed} are allowed (`limits.max_patch_bytes`)")


def count(files: int, limits: Limits) -> None:
    """Refuse too many files."""
    if files > limits.max_files:
        raise Refused(
            f"the change touches {files} files; {limits.max_files} are allowed (`limits.max_files`)"
        )


def path(value: str) -> None:
    """Refuse a path that is not a plain one below the root, on any system that may check it out."""
    names = value.split("/")
    if len(value) > PATH_LIMIT or any(len(name.encode(errors="replace")) > NAME_LIMIT for name in names):
        raise Refused(f"the path {_shown(value[:80])}… is too long")
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") for letter in value):
        raise Refused(f"the path {_shown(value)} has control characters in it")
    if "\\" in value or any(name in ("", ".", "..") for name in names):
        raise Refused(f"the path {_shown(value)} does not stay in the tree")
    if any(DOT_GIT.fullmatch(name) for name in names):
        raise Refused(f"the path {_shown(value)} leads into git's own folder")


def protected(change: Change) -> str | None:
    """Return why a file may not be changed, None where it may."""
    names = change.path.casefold().split("/")
    *folders, name = names
    if name in PROTECTED_NAMES:
        return "it steers the forge, git or an agent"
    if names[0] in PLACEHOLDERS and not change.content:
        return "the sandbox left it behind"
    if names[0].startswith(".") and folders:
        return "it lies in a dot folder at the top"
    if names[0] in PROTECTED_AT_TOP or (names[0].startswith(".") and change.mode == "120000"):
        return "it would stand where a dot folder at the top does"
    if HOOK_FOLDERS.intersection(names) or _is_hook(folders, name):
        return "it is a git hook"
    return None


def dependency_file(value: str) -> str | None:
    """Return "lock file" or "manifest" where a path is one by its name."""
    name = value.rpartition("/")[2].casefold()
    if LOCK_FILES.fullmatch(name):
        return "lock file"
    return "manifest" if MANIFESTS.fullmatch(name) else None


def _is_hook(folders: list[str], name: str) -> bool:
    if "hooks" not in folders:
        return False
    above = folders[: folders.index("hooks")]
    return HOOKS.fullmatch(name) is not None or (bool(above) and above[-1].endswith(".git"))


def _apart(changes: Iterable[Change]) -> None:
    """Refuse paths that stand twice, or as a file and as a folder, also where case does not count."""
    made: dict[str, str] = {}
    seen: set[str] = set()
    for change in changes:
        if change.path in seen:
            raise Refused(f"the change has {_shown(change.path)} twice")
        seen.add(change.path)
        if (
            change.content is not None
            and (other := made.setdefault(_folded(change.path), change.path)) != change.path
        ):
            raise Refused(f"{_shown(change.path)} and {_shown(other)} are one file where case does not count")
    for folded, shown in made.items():
        for above in _above(folded):
            if above in made:
                raise Refused(f"the change has {_shown(made[above])} as a file and {_shown(shown)} in it")


def _links(changes: Iterable[Change], base_links: Callable[[str], str | None] | None) -> None:
    """Refuse a link that leads out of the tree, and a file behind a link."""
    listed = list(changes)
    touched = {change.path: change for change in listed}

    def target(of: str) -> str | None:
        if (change := touched.get(of)) is not None:
            linked = change.mode == "120000" and change.content is not None
            return _target(change) if linked else None
        return base_links(of) if base_links is not None else None

    for change in listed:
        if change.content is None:
            continue
        for above in _above(change.path):
            if target(above) is not None:
                raise Refused(f"{_shown(change.path)} lies behind the symlink {_shown(above)}")
        if change.mode == "120000":
            _stays(change.path, target)


def _target(change: Change) -> str:
    text = (change.content or b"").decode(errors="replace")
    if not text or text.startswith("/") or "\\" in text or "\0" in text or "\ufffd" in text:
        raise Refused(f"the symlink {_shown(change.path)} leaves the tree: it points to {_shown(text)}")
    return text


def _stays(link: str, target: Callable[[str], str | None]) -> None:
    """Walk a link's target as the system would; refuse it when that leaves the tree or never ends."""
    at, hops = link.split("/")[:-1], 0
    ahead = (target(link) or "").split("/")
    while ahead:
        name, ahead = ahead[0], ahead[1:]
        if name in ("", "."):
            continue
        if name == "..":
            if not at:
                raise Refused(f"the symlink {_shown(link)} leaves the tree")
            at.pop()
            continue
        if DOT_GIT.fullmatch(name):
            raise Refused(f"the symlink {_shown(link)} leads into git's own folder")
        at.append(name)
        if (further := target("/".join(at))) is not None:
            hops += 1
            if hops > HOPS or further.startswith("/"):
                raise Refused(f"the symlink {_shown(link)} leaves the tree or goes in circles")
            at.pop()
            ahead = [*further.split("/"), *ahead]


def _no_secrets(change: Change, redactor: Redactor, base_text: Callable[[str], bytes | None] | None) -> None:
    if found := redactor.findings(change.path):
        raise Refused(f"the name of a file looks like a secret ({', '.join(found)})")
    if change.content is None:
        return
    text = change.content.decode(errors="replace")
    found = redactor.findings(text)
    if found and base_text is not None and (before := base_text(change.path)) is not None:
        old = before.decode(errors="replace")
        known, lines = set(old.splitlines()), text.splitlines()
        added = redactor.findings("\n".join(line for line in lines if line not in known))
        found = sorted({*added, *found} - ({*redactor.findings(old)} - {*added}))
    if found:
        raise Refused(f"{_shown(change.path)} holds what looks like a secret ({', '.join(found)})")


def _above(value: str) -> list[str]:
    names = value.split("/")
    return ["/".join(names[:depth]) for depth in range(1, len(names))]


def _folded(value: str) -> str:
    return unicodedata.normalize("NFC", value).casefold()


def _shown(value: str) -> str:
    """Return a path for a message: in quotes, with everything unseen escaped."""
    return repr(value[:200])
