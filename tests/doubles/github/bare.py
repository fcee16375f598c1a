"""What GitHub does in a bare repository, done with the real git."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HOOK = """#!/bin/sh
# only what comes over HTTP: the owner's own pushes to the folder are not GitHub's
[ -n "$REMOTE_USER" ] || exit 0
case "$1" in
  refs/pull/*) echo "error: GH003: refs/pull is read only" >&2; exit 1 ;;
esac
while read -r pattern; do
  case "$1" in
    refs/heads/$pattern)
      echo "error: GH013: Repository rule violations found for $1." >&2
      echo "Review all repository rules at http://localhost/rules" >&2
      echo "- Cannot update this protected ref." >&2
      exit 1 ;;
  esac
done < "$GIT_DIR/protected"
exit 0
"""
WHO = ["-c", "user.name=GitHub", "-c", "user.email=noreply@github.com"]


@dataclass(frozen=True)
class Bare:
    """A bare repository on disk."""

    path: Path

    def git(self, *args: str, check: bool = True) -> str:
        env = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *WHO, "-C", self.path, *args], env=env, capture_output=True, check=False, text=True
        )
        if check and done.returncode:
            raise RuntimeError(f"git {' '.join(args)}: {done.stderr}")
        return done.stdout.strip() if done.returncode == 0 else ""

    @property
    def default_branch(self) -> str:
        return (self.path / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")

    def branches(self) -> dict[str, str]:
        """Return each branch's commit."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads")
        return {name: sha for sha, _, name in (line.partition(" ") for line in lines.splitlines())}

    def sha(self, ref: str) -> str | None:
        return self.git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", check=False) or None

    def ahead(self, base: str, head: str) -> int:
        """Return how many commits of head are not in base."""
        return int(self.git("rev-list", "--count", f"{base}..{head}"))

    def size(self, base: str, head: str) -> tuple[int, int, int]:
        """Return changed files, additions and deletions between where they parted and head."""
        lines = self.git("diff", "--numstat", f"{base}...{head}").splitlines()
        counts = [[int(n) if n.isdecimal() else 0 for n in line.split("\t")[:2]] for line in lines]
        return len(lines), sum(added for added, _ in counts), sum(gone for _, gone in counts)

    def fits(self, base: str, head: str) -> bool:
        """Tell whether two commits can be merged."""
        return _fits(self, base, head)

    def commit(self, sha: str) -> tuple[str, str]:
        """Return the tree and the message of a commit."""
        tree, _, message = self.git("log", "-1", "--format=%T%n%B", sha).partition("\n")
        return tree, message.strip()

    def merge(self, base: str, head: str, message: str) -> str:
        """Make a merge commit of two commits and move the base branch to it."""
        old = self.git("rev-parse", f"refs/heads/{base}")
        tree = self.git("merge-tree", "--write-tree", old, head).splitlines()[0]
        new = self.git("commit-tree", tree, "-p", old, "-p", head, "-m", message)
        self.git("update-ref", f"refs/heads/{base}", new, old)
        return new

    def point(self, ref: str, sha: str) -> None:
        self.git("update-ref", ref, sha)

    def delete(self, branch: str) -> None:
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def protect(self, patterns: list[str]) -> None:
        """Refuse pushes over HTTP to branches of these patterns, and to GitHub's own references."""
        (self.path / "protected").write_text("".join(f"{each}\n" for each in patterns))
        hook = self.path / "hooks/update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK)
        hook.chmod(0o755)

    def rename(self, branch: str, to: str) -> None:
        """Give a branch another name, the default branch as well."""
        default = self.default_branch
        self.git("branch", "-m", branch, to)
        if default == branch:
            self.git("symbolic-ref", "HEAD", f"refs/heads/{to}")


@cache
def _fits(bare: Bare, base: str, head: str) -> bool:
    return bool(bare.git("merge-tree", "--write-tree", base, head, check=False))
