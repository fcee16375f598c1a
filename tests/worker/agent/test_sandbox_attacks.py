"""What untrusted work gets at from inside the box: nothing but its worktree."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core import process
from app.demo.model import message, outputs, patch, shell
from tests.doubles.model import ANSWER, Steps
from tests.doubles.seat import PROJECT, with_model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from tests.doubles.seat import Seat

CANARY = "CANARY-" + uuid.uuid4().hex
WORD = CANARY.encode()


@dataclass(frozen=True)
class Trap:
    """Secrets of all kinds around a seat, and the commands that would read them without a sandbox."""

    seat: Seat
    readers: dict[str, str]


@contextlib.asynccontextmanager
async def trapped(seat: Seat) -> AsyncIterator[Trap]:
    async with AsyncExitStack() as stack:
        readers = _files(seat, stack)
        readers |= await _sockets(seat, stack)
        sleeper = ["/bin/sh", "-c", f"sleep 60 # {CANARY}"]
        other = await stack.enter_async_context(process.start(sleeper, env={"SECRET": CANARY}))
        readers["environment"] = f"cat /proc/{other.pid}/environ"
        readers["command line"] = f"cat /proc/{other.pid}/cmdline"
        readers["all of /proc"] = (
            "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep CANARY-"
        )
        yield Trap(seat, readers)


def _files(seat: Seat, stack: AsyncExitStack) -> dict[str, str]:
    paths, config = seat.work.paths, seat.config
    config.write_text(config.read_text() + f"# {CANARY}\n")
    secret = seat.work.settings.source.parent / "key.txt" if seat.work.settings.source else config
    secret.write_text(f"key-{CANARY}")
    spots = {
        "database": paths.database,
        "mirror": paths.mirror(PROJECT) / "config",
        "clone of another project": paths.clone("other") / "config",
        "worktree of another project": paths.worktree("other") / "secrets.txt",
        "codex home of another project": paths.codex_home("other") / "auth.json",
        "scratch of another step": paths.scratch / "other" / "tmp" / "note",
        "own codex home": paths.codex_home(PROJECT) / "auth.json",
        "owner's checkout": seat.root / "checkout" / ".env",
        "local repository": seat.root / "origin.git" / "config",
        "home": Path.home() / f".pimainteno-{uuid.uuid4().hex}",
        "/tmp": Path("/tmp") / f"pimainteno-{uuid.uuid4().hex}",
        "/var/tmp": Path("/var/tmp") / f"pimainteno-{uuid.uuid4().hex}",
        "/dev/shm": Path("/dev/shm") / f"pimainteno-{uuid.uuid4().hex}",
    }
    if os.access("/run", os.W_OK):
        spots["/run"] = Path("/run") / f"pimainteno-{uuid.uuid4().hex}"
    for spot in spots.values():
        spot.parent.mkdir(parents=True, exist_ok=True)
        spot.write_text(CANARY)
        stack.callback(spot.unlink, missing_ok=True)
    readers = {name: f"cat {spot}" for name, spot in spots.items()}
    database = paths.database
    return readers | {
        "configuration": f"cat {config}",
        "secret file": f"cat {secret}",
        "symlink": f"ln -sf {database} link; cat link; rm link",
        "symlink to a folder": f"ln -sfn {database.parent} link; cat link/{database.name}; rm link",
        "hard link": f"ln -f {database} hard; cat hard; rm hard",
        "root of another process": f"cat /proc/{os.getpid()}/root{database}",
        "dots": f"cat $PWD/../../../../{database.name}",
        "search": f"grep -rhs CANARY- {seat.root}",
    }


async def _sockets(seat: Seat, stack: AsyncExitStack) -> dict[str, str]:
    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WORD)
        await writer.drain()
        writer.close()

    redis = seat.work.paths.redis / "redis.sock"
    redis.parent.mkdir()
    await stack.enter_async_context(await asyncio.start_unix_server(tell, redis))
    bus = Path("/run" if os.access("/run", os.W_OK) else "/tmp") / f"bus-{uuid.uuid4().hex}"
    await stack.enter_async_context(await asyncio.start_unix_server(tell, bus))
    stack.callback(bus.unlink, missing_ok=True)
    hidden = socket.socket(socket.AF_UNIX)
    hidden.bind(f"\0{bus.name}")
    await stack.enter_async_context(await asyncio.start_unix_server(tell, sock=hidden))
    tcp = await stack.enter_async_context(await asyncio.start_server(tell, "127.0.0.1", 0))
    port = tcp.sockets[0].getsockname()[1]
    call = "/usr/bin/perl -MIO::Socket::UNIX -e 'print IO::Socket::UNIX->new(Peer => \"{}\")->getline()'"
    return {
        "Redis": call.format(redis),
        "bus": call.format(bus),
        "abstract socket": call.format(f"\\0{bus.name}"),
        "loopback": f"/bin/bash -c 'cat < /dev/tcp/127.0.0.1/{port}'",
    }


def _writers(seat: Seat) -> dict[str, str]:
    """Return commands that write where they must not; each ends in `&& echo written`."""
    clone, state, tree = seat.tree.clone, seat.work.settings.state_dir, seat.tree.path
    spots = [
        *(
            clone / name
            for name in ("config", "hooks/post-checkout", "info/attributes", "worktrees/tree/config")
        ),
        *(tree / ".git", state / "planted", Path.home() / "planted"),
        *(Path("/usr/planted"), Path("/etc/planted"), Path("/run/planted"), Path("/planted")),
    ]
    commands = {str(spot): f"echo planted >> {spot} && echo written" for spot in spots}
    return commands | {
        "replace .git": f"rm -f {tree}/.git && echo written",
        "move .git": f"mv {tree}/.git {tree}/git && echo written",
        "git config": "git config core.fsmonitor /bin/false && echo written",
        "unmount": f"umount -l {state} && echo written",
        "remount": f"mount -o remount,rw {clone} && echo written",
        "device": "mknod disk b 8 0 && echo written",
    }


async def test_nothing_around_the_box_can_be_read(seat: Seat) -> None:
    async with trapped(seat) as trap:
        for name, command in trap.readers.items():
            outside = await process.run(["/bin/sh", "-c", command], cwd=seat.tree.path, timeout_s=20)
            assert WORD in outside.stdout, f"the trap {name!r} has no bait"
        everything = "\n".join(trap.readers.values())
        inside = await seat.run(everything)
        assert WORD not in inside.stdout, inside.stdout.decode(errors="replace")


async def test_nothing_around_the_box_can_be_read_where_it_has_network(seat: Seat) -> None:
    async with trapped(seat) as trap:
        network = {"loopback", "abstract socket"}  # these belong to the network that was asked for
        reached = await seat.run(trap.readers["loopback"], network=True)
        assert WORD in reached.stdout
        rest = "\n".join(command for name, command in trap.readers.items() if name not in network)
        inside = await seat.run(rest, network=True)
        assert WORD not in inside.stdout, inside.stdout.decode(errors="replace")


async def test_nothing_around_the_worktree_can_be_written(seat: Seat) -> None:
    config = (seat.tree.clone / "config").read_bytes()
    inside = await seat.run("\n".join(_writers(seat).values()))
    assert b"written" not in inside.stdout, inside.stdout.decode(errors="replace")
    assert (seat.tree.clone / "config").read_bytes() == config
    assert (seat.tree.path / ".git").is_file()
    assert not _exists("/usr/planted", "/etc/planted", "/run/planted", "/planted", Path.home() / "planted")


async def test_codex_lets_its_commands_at_nothing_either() -> None:
    """The model orders every attack; the server sees all that comes back to it."""
    orders: list[str] = []
    async with AsyncExitStack() as stack:
        script = Steps([])
        seat, server = await stack.enter_async_context(with_model(script, timeout_s=60.0))
        trap = await stack.enter_async_context(trapped(seat))
        orders += [f"{command} 2> /dev/null" for command in trap.readers.values()]
        orders += ["env; cat /proc/self/environ /proc/1/environ | tr '\\0' '\\n'"]
        orders += [command for name, command in _writers(seat).items() if name != "git config"]
        home = seat.work.paths.codex_home(PROJECT)
        orders += [f"cat {home}/proc/[0-9]*/cmdline {home}/proc/[0-9]*/environ 2> /dev/null"]
        orders += [f"cat {home}/config.toml", f"echo planted >> {home}/config.toml && echo written"]
        orders += ["echo planted >> $HOME/.gitconfig && echo written", "echo the end"]
        escape = f"*** Begin Patch\n*** Add File: {seat.root}/planted\n+planted\n*** End Patch\n"
        (seat.tree.path / "attack.sh").write_text("\n".join(orders))
        script.replies = [[shell("/bin/sh attack.sh")], [patch(escape)], [message(ANSWER)]]
        await seat.ask()
        said = "\n".join(outputs(server.requests[-1]))
        assert len(server.requests) == 3
        assert "HOME=" in said
        assert "the end" in said
        for request in server.requests:
            given = "\n".join(outputs(request))
            assert CANARY not in given, given
            assert "written" not in given, given
            assert seat.work.settings.codex.api_key.get_secret_value() not in given
            assert "PIMAINTENO" not in given
        assert not (seat.root / "planted").exists()


async def test_nothing_of_our_environment_gets_in(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIMAINTENO_SECRET", CANARY)
    monkeypatch.setenv("PATH", f"/opt/{CANARY}:{os.environ['PATH']}")
    done = await seat.run("env")
    names = {line.split("=")[0] for line in done.stdout.decode().splitlines()}
    assert WORD not in done.stdout
    assert names <= {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"}


def _exists(*paths: str | Path) -> bool:
    return any(os.path.lexists(path) for path in paths)
