"""Where things lie in `state_dir`; the one place that knows the names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class StatePaths:
    """Every file and folder that the program keeps. Nothing is created here."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite database, where no `database_url` is set."""
        return self.root / "pimainteno.sqlite3"

    @property
    def redis(self) -> Path:
        """The folder of the embedded Redis: configuration, append-only file, socket."""
        return self.root / "redis"

    @property
    def redis_lock(self) -> Path:
        """Held shared by each process that uses the embedded Redis; the last one stops it."""
        return self.root / "redis.lock"

    @property
    def watch(self) -> Path:
        """Where a watcher keeps its reports while Redis is away."""
        return self.root / "watch"

    @property
    def hooks(self) -> Path:
        """The secrets of the webhooks that `pimainteno hook` has made, a file for each project."""
        return self.root / "hooks"

    @property
    def gitconfig(self) -> Path:
        """The only git configuration that our git ever reads (`GIT_CONFIG_GLOBAL`)."""
        return self.root / "gitconfig"

    def mirror(self, project: str) -> Path:
        """Return the publisher's bare repository of a project; untrusted work never writes here."""
        return self.root / "mirrors" / f"{project}.git"

    @property
    def agent(self) -> Path:
        """Everything of the agent's."""
        return self.root / "agent"

    def clone(self, project: str) -> Path:
        """Return the agent's own bare clone of a project."""
        return self.agent / f"{project}.git"

    def worktree(self, project: str) -> Path:
        """Return where a project's worktree stands: always there, so that prepared tools keep their paths."""
        return self.agent / "work" / project / "tree"

    def codex_home(self, project: str) -> Path:
        """Return `CODEX_HOME` of a project's runs."""
        return self.agent / "codex" / project

    def prepared(self, project: str) -> Path:
        """Return where what `prepare` made is kept, one folder per lock-file content."""
        return self.agent / "prepared" / project

    @property
    def scratch(self) -> Path:
        """Where each sandboxed step gets a private temporary folder and a home."""
        return self.agent / "scratch"
