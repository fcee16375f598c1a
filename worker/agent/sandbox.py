"""The box that untrusted work runs in: what it sees, what it may write, and that it ends.

Bubblewrap builds the view, for Codex as for `prepare` and checks. Inside it the Codex CLI puts each
command of the model into a second sandbox of its own, which also takes the network away; see
docs/decisions/0002-two-sandboxes.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.core import logs, process
from app.core.errors import GitError, SandboxError
from worker.agent import program
from worker.git.folders import delete

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from app.core.settings import Settings
    from worker.context import Work

HIDDEN = ("/root", "/home", "/run", "/var/run", "/var/mail", "/var/spool/mail")
HIDDEN_FILES = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-")
NEVER_HIDDEN = frozenset(map(Path, ("/", "/usr", "/bin", "/lib", "/lib64", "/etc", "/dev", "/proc", "/sys")))
TMP = "/tmp"  # noqa: S108 - in the box it is the box's own
MEMORY_LIMIT = 256 << 20
"""Bytes that a box may keep in each of /dev/shm and /var/tmp, which are held in memory."""

NOBODY = "65534"
APART = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
REMEDY = (
    "the sandbox cannot be built here, so nothing untrusted will run; it needs user namespaces: "
    "allow them with `sysctl kernel.unprivileged_userns_clone=1` (Debian), "
    "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu), or run the container with a "
    "seccomp profile that permits them; in a chroot the kernel permits none"
)

_sound: set[tuple[Path, Path]] = set()


class Place(Protocol):
    """What the sandbox asks of a worktree: its folder, and the git folder behind it."""

    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def clone(self) -> Path: ...  # noqa: D102


@dataclass(frozen=True)
class Box:
    """One step's private temporary folder, seen as /tmp, and its private home."""

    root: Path

    @property
    def tmp(self) -> Path:
        """The folder that stands at /tmp."""
        return self.root / "tmp"

    @property
    def home(self) -> Path:
        """The folder that HOME names."""
        return self.root / "home"

    def made(self) -> Box:
        """Make the folders, closed to other users."""
        for folder in (self.root, self.tmp, self.home):
            folder.mkdir(mode=0o700, parents=True)
        return self

    def apart(self) -> Box:
        """Return a new box within this one, with nothing in it that an earlier step may have left."""
        return Box(self.root / f"apart-{secrets.token_hex(4)}").made()


@asynccontextmanager
async def box(work: Work, project: str) -> AsyncIterator[Box]:
    """Make a private temporary folder and home for one step, and remove both afterwards."""
    made = Box(work.paths.scratch / f"{project}-{secrets.token_hex(6)}").made()
    try:
        yield made
    finally:
        await asyncio.shield(remove(made.root))


async def remove(folder: Path) -> None:
    """Remove a folder that untrusted work wrote to, of any depth and permissions; what resists stays."""
    try:
        await delete(folder)
    except GitError as error:
        logs.get().warning("a private folder stays", error=str(error)[:500])


def environment(box: Box) -> dict[str, str]:
    """Return the whole environment of a command in the box: no name or value of ours gets in."""
    language = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
    return {
        "LANG": "C.UTF-8",
        **language,
        "PATH": process.SYSTEM_PATH,
        "HOME": str(box.home),
        "TMPDIR": TMP,
    }


def command(
    work: Work,
    box: Box,
    argv: Sequence[str],
    *,
    tree: Place,
    network: bool,
    writable: bool = True,
    codex_home: Path | None = None,
) -> list[str]:
    """Return the bubblewrap command that runs `argv` in the box, in the worktree's root.

    With `codex_home` it is the Codex CLI that runs: it keeps the network (for the model server) and
    the right to build its own sandbox, and sees its package and that folder. Run it through
    `app.core.process`, with `environment(box)`: bubblewrap passes its own environment on.
    """
    hidden = sorted(_hidden(work.settings), key=lambda path: len(path.parts))
    folders = [path for path in _outermost(hidden) if path.is_dir()]
    files = [path for path in _outermost(hidden) if not path.is_dir()]
    view = [*_ground(box), *_masks(folders, files)]
    view += _bind("--bind", box.tmp) + _bind("--bind", box.home)
    view += _bind("--bind" if writable else "--ro-bind", tree.path) + _bind("--ro-bind", tree.path / ".git")
    view += _bind("--ro-bind", tree.clone)
    if network or codex_home is not None:
        view += _resolver()
    if codex_home is not None:
        view += _for_codex(work.settings, codex_home)
    for folder in folders:
        view += ["--remount-ro", str(folder)]
    return [
        *_start(codex=codex_home is not None, network=network),
        *view,
        "--chdir",
        str(tree.path),
        "--",
        *argv,
    ]


async def preflight(work: Work, *, anew: bool = False) -> None:
    """Make sure that both sandboxes can be built; once per process, unless asked for `anew`.

    Raises SandboxError with the remedy when either cannot.
    """
    codex, bubblewrap = program.codex(work.settings), program.bubblewrap()
    if (codex.binary, bubblewrap) in _sound and not anew:
        return
    async with box(work, "preflight") as scratch:
        place, home = _Nowhere(scratch.root / "tree", scratch.root / "clone"), scratch.root / "codex"
        for folder in (place.path, place.clone, home):
            folder.mkdir()
        inner = [str(codex.binary), "sandbox", "-P", ":workspace", "-C", str(place.path), "--", "/bin/true"]
        outer = command(work, scratch, ["/bin/true"], tree=place, network=False)
        nested = command(work, scratch, inner, tree=place, network=True, codex_home=home)
        env = environment(scratch) | {"CODEX_HOME": str(home)}
        for argv in (outer, nested):
            done = await process.run(argv, env=env, timeout_s=30, merge=True)
            if done.returncode != 0:
                words = done.stdout.decode(errors="replace").strip().splitlines()[-1:] or ["no word of why"]
                raise SandboxError(f"{words[0]}: {REMEDY}")
    _sound.add((codex.binary, bubblewrap))


@dataclass(frozen=True)
class _Nowhere:
    path: Path
    clone: Path


def _start(*, codex: bool, network: bool) -> list[str]:
    """Return the beginning: everything apart, and gone with its parent.

    Its own process namespace matters for Codex too: bubblewraps of the CLI whose parent dies while they
    set up would wait for ever, and they end with the namespace.
    """
    argv = [str(program.bubblewrap()), "--die-with-parent", "--cap-drop", "ALL", *APART]
    if os.getuid() == 0:  # a root inside could not map itself into Codex's sandbox; files still are its own
        argv += ["--uid", NOBODY, "--gid", NOBODY]
    if codex:
        return argv
    return [*argv, "--disable-userns", *([] if network else ["--unshare-net"])]


def _ground(box: Box) -> list[str]:
    """Return the whole disk read-only with /dev, /proc and temporary folders of the box's own."""
    ground = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for folder in ("/dev/shm", "/var/tmp"):  # noqa: S108 - the box's own, not the machine's
        ground += ["--size", str(MEMORY_LIMIT), "--tmpfs", folder]
    return [*ground, "--bind", str(box.tmp), TMP]


def _masks(folders: Sequence[Path], files: Sequence[Path]) -> list[str]:
    masks: list[str] = []
    for folder in folders:
        masks += ["--tmpfs", str(folder)]
    for file in files:
        masks += ["--ro-bind", "/dev/null", str(file)]
    return masks


def _for_codex(settings: Settings, home: Path) -> list[str]:
    """Return what the CLI sees beyond the others: its package and its home.

    Its own sandbox gives each command a fresh /proc. The kernel allows that only where a /proc without
    covers is in view (root's has covers here), so the machine's stands in a corner of the home, which
    is closed to those commands.
    """
    view = _bind("--ro-bind", program.codex(settings).folder) + _bind("--bind", home)
    return [*view, "--bind", "/proc", str(home / "proc")]


def _bind(kind: str, path: Path) -> list[str]:
    """Return the arguments that show a path in the box, if it exists."""
    return [kind, str(path), str(path)] if path.exists() else []


def _resolver() -> list[str]:
    """Return what keeps name resolution working where /etc/resolv.conf leads into /run."""
    target = Path("/etc/resolv.conf").resolve()
    return _bind("--ro-bind", target) if target.is_relative_to("/run") else []


def _hidden(settings: Settings) -> Iterator[Path]:
    """Yield every path that is closed to the box and exists, with symlinks resolved."""
    wanted = [
        *map(Path, HIDDEN),
        *map(Path, HIDDEN_FILES),
        *_homes(),
        settings.state_dir,
        *settings.closed_paths(),
    ]
    for path in wanted:
        real = path.resolve()
        if real not in (*NEVER_HIDDEN, Path(TMP)) and _reachable(real):
            yield real


def _homes() -> list[Path]:
    """Return the homes of the user, by the environment and by the user's entry; either may be missing."""
    homes = [Path(os.environ["HOME"])] if os.environ.get("HOME") else []
    with contextlib.suppress(KeyError):
        homes.append(Path(pwd.getpwuid(os.getuid()).pw_dir))
    return homes


def _reachable(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:  # not there, or closed to this user anyway
        return False
    return True


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """Return the paths that do not lie under another of them; the shortest come first."""
    kept: list[Path] = []
    for path in paths:
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return kept
