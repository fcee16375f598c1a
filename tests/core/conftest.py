"""Settings from a file of a test's own, and the embedded Redis with its users."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis

from app.core import process
from app.core.errors import ConfigurationError
from app.core.redis import running
from app.core.settings import Settings, load

LOCAL = '[forges.here]\nkind = "local"\n[projects.greeter]\nforge = "here"\nrepo = "repos/greeter.git"\n'
HUB = '[forges.hub]\nkind = "github"\n'
USER = """
import asyncio, sys
from pathlib import Path
from app.core.redis import running
from app.core.settings import Settings

async def main():
    async with running(Settings(state_dir=Path(sys.argv[1]))) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    print("left", flush=True)

asyncio.run(main())
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


@pytest.fixture
async def redis_url(settings: Settings) -> AsyncIterator[str]:
    """Run a real server of this test's own."""
    async with running(settings) as url:
        yield url


def read(folder: Path, text: str = "", **variables: str) -> Settings:
    """Load a configuration in `folder` with an environment of these variables alone."""
    file = folder / "conf" / "pimainteno.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return load(file, env={"HOME": str(folder / "home"), **variables}, cwd=folder)


def wrong(folder: Path, text: str = "", **variables: str) -> str:
    """Return the one line that such a configuration ends with."""
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text, **variables)
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(str(folder), "DIR")


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(url)
    try:
        yield client
    finally:
        await client.aclose()


async def server_pid(url: str) -> int:
    async with connected(url) as client:
        return int((await client.info("server"))["process_id"])


def is_running(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def socket_of(url: str) -> Path:
    return Path(url.removeprefix("unix://"))


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(15):
        while is_running(pid):  # noqa: ASYNC110 - a process gives no event
            await asyncio.sleep(0.02)


@asynccontextmanager
async def user(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run another process that uses the server, until its standard input says to leave."""
    argv = [sys.executable, "-c", USER, str(settings.state_dir)]
    async with process.start(argv) as other:
        yield other


async def line(other: asyncio.subprocess.Process) -> str:
    assert other.stdout
    async with asyncio.timeout(30):
        return (await other.stdout.readline()).decode().strip()


async def leave(other: asyncio.subprocess.Process) -> None:
    assert other.stdin
    other.stdin.write(b"\n")
    await other.stdin.drain()
    assert await line(other) == "left"
