"""The git command line: network, worktrees and status, under one configuration of ours.

Nothing here holds state; `Git` is a value that names the configuration. A token travels to git's
question for it (`GIT_ASKPASS`), for the host of the URL alone; it is in no argument and no address.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core import process
from app.core.errors import GitError, ProcessError
from worker.git import config, failures, names
from worker.git.folders import alone, delete, there

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.core.paths import StatePaths
    from app.core.settings import Settings

ASKPASS = Path(__file__).with_name("askpass")
ALWAYS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false")
"""On the command line, not in the file: the owner's hooks in a `local` repository must still run."""

OUTPUT_LIMIT = 64 << 20
SYMREF = "symref HEAD"
"""Under this key `ls_remote` says which branch HEAD names."""


@dataclass(frozen=True)
class Login:
    """Who git says that it is, to the host of one URL."""

    user: str
    token: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, token=…)"


@dataclass(frozen=True)
class Git:
    """The git command line under our configuration; `ca_file` is for a forge with its own authority."""

    config: Path
    ca_file: Path | None = None

    async def __call__(
        self,
        *args: str,
        at: Path | None = None,
        stdin: bytes | None = None,
        timeout_s: float = 120.0,
        url: str = "",
        login: Login | None = None,
    ) -> bytes:
        """Run git with the git folder `at` (none: in no repository) and return its standard output.

        `login` is offered to the host of `url` alone. Raises GitError with git's last words and a remedy.
        """
        where = [] if at is None else [f"--git-dir={at}"]
        try:
            done = await process.run(
                ["git", *ALWAYS, *where, *args],
                env=self._environment(url, login),
                cwd=Path("/"),
                stdin=stdin,
                timeout_s=timeout_s,
                limit=OUTPUT_LIMIT,
            )
        except ProcessError as error:
            raise GitError(f"{error}; install git") from error
        what = " ".join(
            [f"git {args[0]}", *([f"with {names.shown(url)}"] if url else [f"in {at}"] if at else [])]
        )
        if done.timed_out:
            raise GitError(f"{what} took longer than {timeout_s:g} s and was ended")
        if done.returncode != 0:
            raise failures.error(what, done)
        if done.dropped:
            raise GitError(f"{what} printed more than {OUTPUT_LIMIT >> 20} MiB")
        return done.stdout

    def _environment(self, url: str, login: Login | None) -> dict[str, str]:
        more = {
            "GIT_ASKPASS": "/bin/false",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.config),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
            "GIT_TERMINAL_PROMPT": "0",
            "HOME": str(self.config.parent),
            "LC_ALL": "C",
        }
        if self.ca_file is not None:
            more["GIT_SSL_CAINFO"] = str(self.ca_file)
        if login is not None and (origin := names.origin(url)):
            more |= {
                "GIT_ASKPASS": str(ASKPASS),
                "PIMAINTENO_GIT_ORIGIN": origin,
                "PIMAINTENO_GIT_USER": login.user,
                "PIMAINTENO_GIT_TOKEN": login.token,
            }
        return process.environment(**more)


def ours(settings: Settings) -> Git:
    """Return the `Git` of these settings; its configuration is written unless it stands already."""
    paths = settings.paths
    folders: list[Path] = []
    for name, project in sorted(settings.projects.items()):
        folders += [paths.mirror(name), paths.clone(name), paths.worktree(name)]
        if project.repo.startswith("/"):
            folders.append(Path(project.repo))
    return Git(write_config(paths, safe=folders))


def write_config(paths: StatePaths, *, safe: Iterable[Path] = ()) -> Path:
    """Write our configuration with these repositories as `safe.directory`; return its path."""
    return config.write_config(paths, safe=safe)


async def ls_remote(git: Git, url: str, *patterns: str, login: Login | None = None) -> dict[str, str]:
    """Return the refs of a remote repository and their commits; {} when it has no commit.

    Under the key `SYMREF` stands the branch that HEAD names, as a full ref, where the remote says it.
    """
    out = await git(
        "ls-remote",
        "--symref",
        "--end-of-options",
        names.url(url),
        *patterns,
        url=url,
        login=login,
        timeout_s=60,
    )
    refs: dict[str, str] = {}
    for line in out.decode(errors="replace").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            refs[SYMREF] = value.removeprefix("ref: ")
        else:
            refs[name] = value
    return refs


async def clone_bare(
    git: Git,
    url: str,
    path: Path,
    refspecs: Iterable[str] = ("+refs/heads/*:refs/heads/*",),
    *,
    login: Login | None = None,
) -> None:
    """Make a bare repository with these refs of another, aside and renamed; nothing when it is there."""
    async with alone(path.with_name(f".{path.name}.lock")):
        if there(path):
            return
        await make_bare(git, path, url, refspecs, login=login)


async def make_bare(
    git: Git, path: Path, url: str, refspecs: Iterable[str], *, login: Login | None = None
) -> None:
    """Make a bare repository whole or not at all; what a crash left half-made goes first."""
    for half in path.parent.glob(f".{path.name}.new-*"):
        await delete(half)
    aside = path.with_name(f".{path.name}.new-{secrets.token_hex(4)}")
    try:
        await git("init", "--quiet", "--bare", "--template=", "--end-of-options", str(aside))
        config.settle(aside)
        await _fetch(git, url, aside, refspecs, login)
        aside.replace(path)
    except OSError as error:
        raise GitError(f"{path} cannot be made: {error.strerror or error}") from error
    finally:
        await delete(aside)


async def fetch(
    git: Git, url: str, path: Path, refspecs: Iterable[str], *, login: Login | None = None
) -> None:
    """Fetch refs into a bare repository of ours; with a `*`, refs that are gone over there go here too."""
    async with alone(path / "fetch.lock"):
        config.settle(path)
        await _fetch(git, url, path, refspecs, login)


async def _fetch(git: Git, url: str, path: Path, refspecs: Iterable[str], login: Login | None) -> None:
    specs = [names.refspec(spec) for spec in refspecs]
    prune = ["--prune"] if any("*" in spec for spec in specs) else []
    command = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", *prune]
    await git(
        *command, "--end-of-options", names.url(url), *specs, at=path, url=url, login=login, timeout_s=900
    )


async def push(
    git: Git, path: Path, url: str, sha: str, ref: str, *, expect: str | None, login: Login | None = None
) -> None:
    """Push a commit to a ref. `expect` is the lease: what stands there now, "" for nothing.

    With None, for no lease, only a fast-forward is taken. Succeeds when the ref holds that commit
    afterwards, whatever git said: a connection may drop after the push was taken. Raises
    PushRejectedError when the other side refused, GitError for the rest.
    """
    lease = [] if expect is None else [f"--force-with-lease={names.ref(ref)}:{expect and names.sha(expect)}"]
    update = f"{names.sha(sha)}:{names.ref(ref)}"
    command = ["push", "--quiet", "--porcelain", "--no-verify", "--recurse-submodules=no", *lease]
    try:
        await git(
            *command, "--end-of-options", names.url(url), update, at=path, url=url, login=login, timeout_s=300
        )
    except GitError:
        with contextlib.suppress(GitError):
            if (await ls_remote(git, url, ref, login=login)).get(ref) == sha:
                return
        raise


async def add_worktree(git: Git, repo: Path, path: Path, commit: str) -> None:
    """Check a commit out into a new worktree at `path`; what is there is put aside, to be deleted."""
    put_aside(repo, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    config.settle(repo)
    await git(
        "worktree", "add", "--quiet", "--force", "--detach", "--end-of-options", str(path), names.sha(commit),
        at=repo, timeout_s=600,
    )  # fmt: skip


async def remove_worktree(repo: Path, path: Path) -> None:
    """Remove a worktree and git's record of it, also one that a crash left half-made."""
    await delete(*put_aside(repo, path), *leftovers(path))


def put_aside(repo: Path, path: Path) -> list[Path]:
    """Take a worktree out of the way at once and return the folders that are to be deleted.

    No git process: git's record of a worktree is one folder.
    """
    moved = []
    for folder in (repo / "worktrees" / path.name, path):
        aside = path.with_name(f".{path.name}.gone-{secrets.token_hex(4)}")
        with contextlib.suppress(FileNotFoundError):
            folder.rename(aside)
            moved.append(aside)
    return moved


def leftovers(path: Path) -> set[Path]:
    """Return what was put aside in the place of a worktree and is not deleted yet."""
    return set(path.parent.glob(f".{path.name}.gone-*"))
