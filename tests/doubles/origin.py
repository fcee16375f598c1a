"""The owner's own repository, driven by the real git, apart from ours."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """A bare repository of an owner, with a working folder to commit from."""

    bare: Path
    work: Path

    @property
    def url(self) -> str:
        return f"file://{self.bare}"

    def git(self, *args: str) -> str:
        """Run git as the owner does, apart from the machine's own configuration."""
        env = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        who = ["-c", "user.name=Owner", "-c", "user.email=owner@localhost"]
        done = subprocess.run(["git", *who, "-C", self.work, *args], env=env, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def write(self, path: str, content: bytes | str, *, executable: bool = False) -> None:
        """Write one file of the working folder."""
        file = self.work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(0o755 if executable else 0o644)

    def commit(
        self, files: dict[str, bytes | str] | None = None, message: str = "change", *, to: str = "main"
    ) -> str:
        """Commit these files, or what stands in the folder, push it, and return the commit."""
        for path, content in (files or {}).items():
            self.write(path, content)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        self.git("push", "--quiet", "origin", f"HEAD:refs/heads/{to}")
        return self.git("rev-parse", "HEAD")


def made(folder: Path) -> Origin:
    """Make an empty repository with a working folder beside it."""
    origin = Origin(folder / "project.git", folder / "work")
    origin.work.mkdir(parents=True)
    origin.git("init", "--quiet", "--bare", "--initial-branch=main", str(origin.bare))
    origin.git("init", "--quiet", "--initial-branch=main")
    origin.git("remote", "add", "origin", str(origin.bare))
    return origin
