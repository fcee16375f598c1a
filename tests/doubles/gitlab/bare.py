"""What GitLab does in a bare repository, done with the real git."""

from __future__ import annotations

from dataclasses import dataclass

from tests.doubles.github import bare

HOOK = """#!/bin/sh
# only what comes over HTTP: the owner's own pushes to the folder are not GitLab's
[ -n "$REMOTE_USER" ] || exit 0
case "$1" in
  refs/merge-requests/*|refs/pipelines/*) echo "GitLab: You cannot push to $1" >&2; exit 1 ;;
esac
while read -r pattern; do
  case "$1" in
    refs/heads/$pattern)
      echo "GitLab: You are not allowed to push code to protected branches on this project." >&2
      exit 1 ;;
  esac
done < "$GIT_DIR/protected"
exit 0
"""


@dataclass(frozen=True)
class Bare(bare.Bare):
    """A bare repository on disk."""

    def protect(self, patterns: list[str]) -> None:
        """Refuse pushes over HTTP to branches of these patterns, and to GitLab's own references."""
        (self.path / "protected").write_text("".join(f"{each}\n" for each in patterns))
        hook = self.path / "hooks/update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK)
        hook.chmod(0o755)
