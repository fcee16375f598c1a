"""The embedded Redis where it or its users crash, hang, or leave damage behind."""

import asyncio
import contextlib
import os
import signal

import psutil
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app.core import process
from app.core import redis as embedded
from app.core.errors import QueueError
from app.core.redis import running
from app.core.settings import Settings
from tests.core.conftest import connected, leave, line, server_pid, socket_of, until_gone, user


async def until_answering(url: str, *, not_pid: int = 0) -> int:
    """Wait until a server answers that is not that one."""
    async with asyncio.timeout(15):
        while True:
            with contextlib.suppress(RedisConnectionError, OSError):
                if (pid := await server_pid(url)) != not_pid:
                    return pid
            await asyncio.sleep(0.02)


async def test_the_server_outlives_a_killed_first_user_and_the_last_stops_it(settings: Settings) -> None:
    async with user(settings) as first:
        url = await line(first)
        pid = await server_pid(url)
        async with user(settings) as second:
            assert await line(second) == url
            first.send_signal(signal.SIGKILL)
            await process.exited(first)
            assert await server_pid(url) == pid
            await leave(second)
    await until_gone(pid)


async def test_a_server_that_all_users_died_from_is_taken_over(settings: Settings) -> None:
    async with user(settings) as first:
        url = await line(first)
        pid = await server_pid(url)
        first.send_signal(signal.SIGKILL)
        await process.exited(first)
    async with running(settings):
        assert await server_pid(url) == pid
    await until_gone(pid)


async def test_a_killed_server_comes_back_with_its_data(settings: Settings) -> None:
    async with running(settings) as url:
        async with connected(url) as client:
            await client.set("a", "1")
        for _ in range(2):
            pid = await server_pid(url)
            os.kill(pid, signal.SIGKILL)
            await until_answering(url, not_pid=pid)
        async with connected(url) as client:
            assert await client.get("a") == b"1"


async def test_two_keepers_start_one_server(settings: Settings) -> None:
    async with running(settings) as url, user(settings) as other:
        await line(other)
        pid = await server_pid(url)
        os.kill(pid, signal.SIGKILL)
        new = await until_answering(url, not_pid=pid)
        await leave(other)
        assert await server_pid(url) == new


async def test_leftovers_of_a_crash_are_no_hindrance(settings: Settings) -> None:
    async with running(settings) as url, connected(url) as client:
        await client.set("a", "1")
        await client.set("b", "2")
    files = sorted((settings.paths.redis / "appendonlydir").glob("*.incr.aof"))
    os.truncate(files[-1], files[-1].stat().st_size - 3)  # killed while writing
    socket_of(url).write_text("no socket")
    (settings.paths.redis / "redis.pid").write_text("1")
    async with running(settings) as url, connected(url) as client:
        assert await client.get("a") == b"1"
        assert await client.get("b") is None


async def test_a_damaged_file_is_an_error_that_says_what_to_do(settings: Settings) -> None:
    async with running(settings) as url, connected(url) as client:
        await client.set("a", "1")
    for file in (settings.paths.redis / "appendonlydir").glob("*.incr.aof"):
        file.write_bytes(b"rubbish" + file.read_bytes())
    with pytest.raises(QueueError, match=r"does not start .*see .*server.log; if its file is damaged, move"):
        async with running(settings):
            pass


async def test_a_stopped_server_is_not_started_twice(settings: Settings) -> None:
    async with running(settings) as url:
        pid = await server_pid(url)
        os.kill(pid, signal.SIGSTOP)
        try:
            async with user(settings) as other:
                assert other.stdout
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        await other.stdout.readline()
                os.kill(pid, signal.SIGCONT)
                assert await line(other) == url
                assert await server_pid(url) == pid
                await leave(other)
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_a_server_that_does_not_listen_is_not_joined_by_a_second(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOCK_S", 0.2)
    async with running(settings) as url:
        pid = await server_pid(url)
        socket_of(url).unlink()
        with pytest.raises(QueueError, match=r"still runs .* but does not listen"):
            async with running(settings):
                pass
        os.kill(pid, signal.SIGKILL)
        assert await until_answering(url, not_pid=pid)


async def test_leaving_while_the_server_is_being_started_anew_leaves_none(settings: Settings) -> None:
    for pause_s in (0.0, 0.01, 0.02, 0.03, 0.05):
        async with running(settings) as url:
            os.kill(await server_pid(url), signal.SIGKILL)
            await asyncio.sleep(pause_s)
        folder = str(settings.paths.redis)
        assert not [each.pid for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == folder]
