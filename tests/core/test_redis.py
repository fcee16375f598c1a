"""The embedded Redis: whom it serves, where it lives, and that it ends with its last user."""

import asyncio
import contextlib
import os
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from app.core.errors import PimaintenoError, QueueError
from app.core.redis import running, server_binary
from app.core.settings import Settings
from tests.core.conftest import connected, leave, line, server_pid, socket_of, until_gone, user


async def test_a_configured_url_is_used_as_it_is(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state", redis_url="redis://10.0.0.1:6379/3")
    async with running(settings) as url:
        assert url == "redis://10.0.0.1:6379/3"
    assert not settings.state_dir.exists()


async def test_the_server_runs_inside_and_is_gone_after(settings: Settings) -> None:
    async with running(settings) as url:
        pid = await server_pid(url)
        async with connected(url) as client:
            wanted = {
                "port": "0",
                "appendonly": "yes",
                "appendfsync": "everysec",
                "save": "",
                "maxmemory-policy": "noeviction",
                "unixsocketperm": "700",
            }
            assert {name: (await client.config_get(name))[name] for name in wanted} == wanted
            assert (await client.config_get("dir"))["dir"] == str(settings.paths.redis)
        folder, socket = settings.paths.redis.stat(), socket_of(url).stat()
        assert stat.S_IMODE(folder.st_mode) == 0o700
        assert stat.S_IMODE(socket.st_mode) == 0o700
        assert os.getsid(pid) != os.getsid(0)
    async with asyncio.timeout(15):
        while psutil.pid_exists(pid):  # noqa: ASYNC110 - reaped, too, by the process that started it
            await asyncio.sleep(0.02)


async def test_data_is_kept_over_a_restart(settings: Settings) -> None:
    async with running(settings) as url, connected(url) as client:
        await client.set("a", "1")
    async with running(settings) as url, connected(url) as client:
        assert await client.get("a") == b"1"


async def test_users_in_one_process_share_the_server(settings: Settings) -> None:
    async with running(settings) as url:
        pid = await server_pid(url)
        async with running(settings) as again:
            assert again == url
        assert await server_pid(url) == pid


async def test_processes_that_start_at_once_share_one_server(settings: Settings) -> None:
    async with contextlib.AsyncExitStack() as stack:
        others = [await stack.enter_async_context(user(settings)) for _ in range(3)]
        urls = [await line(other) for other in others]
        assert len(set(urls)) == 1
        pid = await server_pid(urls[0])
        await leave(others[0])  # perhaps the one who started it
        await leave(others[1])
        assert await server_pid(urls[0]) == pid
        await leave(others[2])
        await until_gone(pid)


async def test_a_long_state_dir_gets_a_short_path_to_the_socket(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / ("long-" * 30))
    async with running(settings) as url, user(settings) as other:
        path = socket_of(url)
        assert len(str(path)) <= 107
        assert await line(other) == url
        assert path.resolve() == settings.paths.redis / "redis.sock"
        private = path.parent.parent.lstat()
        assert (private.st_uid, stat.S_IMODE(private.st_mode)) == (os.getuid(), 0o700)
        assert await server_pid(url)
        await leave(other)


async def test_a_short_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"pimainteno-{os.getuid()}").mkdir(mode=0o755)
    settings = Settings(state_dir=tmp_path / ("long-" * 30))
    with pytest.raises(QueueError, match="is not a private folder of ours: remove it"):
        async with running(settings):
            pass


async def test_a_state_dir_that_cannot_be_made_is_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QueueError, match=r"cannot be used \(Not a directory\): check state_dir"):
        async with running(Settings(state_dir=tmp_path / "file/state")):
            pass


async def test_an_error_inside_still_stops_the_server(settings: Settings) -> None:
    pid = 0
    with pytest.raises(PimaintenoError, match="inside"):
        async with running(settings) as url:
            pid = await server_pid(url)
            raise PimaintenoError("inside")
    await until_gone(pid)


async def test_a_cancelled_user_stops_the_server(settings: Settings) -> None:
    inside: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def use() -> None:
        async with running(settings) as url:
            inside.set_result(url)
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    pid = await server_pid(await inside)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_gone(pid)


def test_an_installed_server_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server_binary().name == "valkey-server"
    assert subprocess.run([server_binary(), "--version"], check=True, capture_output=True).stdout
    for name in ("valkey-server", "redis-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert server_binary() == tmp_path / name
