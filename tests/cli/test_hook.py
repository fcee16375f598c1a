"""`hook`: our own webhook on GitHub and GitLab, from its secret to the first delivery."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from app.commands.hook import _check_reachable
from app.core.errors import ConfigurationError
from app.core.settings import GitHubForge, Settings
from tests.doubles import gitlab as lab
from tests.doubles.github import Fault, GitHub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command

REPO, GROUP = "me/greeter", "house/greeter"
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
SECRET = "configured-0123456789"


@pytest.fixture
def bare(place: Path) -> Path:
    path = place / "bare.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    return path


@pytest.fixture
def github(place: Path, bare: Path) -> Iterator[GitHub]:
    with GitHub(place / "hub", repos={REPO: bare}, token=TOKEN) as github:
        yield github


def port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def configure(command: Command, forge: str, *, repo: str = REPO) -> str:
    """Write a configuration with one project on a forge; return the address of its page."""
    free = port()
    command.config.write_text(
        # no embedded Redis: a page that is killed would leave it behind
        f'state_dir = "{command.home}/state"\nredis_url = "redis://127.0.0.1:1"\n[web]\nport = {free}\n'
        f"[forges.there]\n{forge}\n"
        f'[projects.greeter]\nforge = "there"\nrepo = "{repo}"\n'
        '[forges.here]\nkind = "local"\n[projects.mine]\nforge = "here"\nrepo = "mine.git"\n'
    )
    return f"http://127.0.0.1:{free}"


def on(github: GitHub, more: str = "") -> str:
    return f'kind = "github"\napi_url = "{github.url}"\ntoken = "{TOKEN}"\n{more}'


async def until_answering(url: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(30):
        while True:
            try:
                await client.get(f"{url}/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_a_running_page_takes_deliveries_as_soon_as_the_hook_is_there(
    command: Command, github: GitHub
) -> None:
    url = configure(command, on(github))
    command.start("web")
    await until_answering(url)
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.post("/webhooks/there", json={})).status_code == 404

        ended = await command.run("hook", "greeter")
        assert (ended.code, ended.err) == (0, "")
        first, secret, _ = ended.out.splitlines()
        assert first.startswith(f"{REPO} on GitHub now has a webhook to {url}/webhooks/there: ")
        assert f" {command.home}/state/hooks/greeter; " in secret
        (hook,) = github.webhooks.hooks
        assert (hook.url, hook.content_type, hook.active) == (f"{url}/webhooks/there", "json", True)
        await asyncio.to_thread(github.webhooks.settle)
        (ping,) = github.webhooks.deliveries
        assert (ping.event, ping.statuses) == ("ping", [202])
        assert (await client.post("/webhooks/there", json={})).status_code == 401

        folder = command.home / "state/hooks"
        (file,) = folder.iterdir()
        assert file.read_text() == hook.secret
        assert len(hook.secret) >= 43
        assert [oct(path.stat().st_mode & 0o777) for path in (folder, file)] == ["0o700", "0o600"]

        ended = await command.run("hook", "greeter", "--remove")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(f"{REPO} on GitHub has no webhook to {url}/webhooks/there any more; ")
        assert github.webhooks.hooks == []
        assert list(folder.iterdir()) == []
        assert (await client.post("/webhooks/there", json={})).status_code == 404
        assert (await command.run("hook", "greeter", "--remove")).code == 3


async def test_again_keeps_the_secret_and_makes_no_second_hook(command: Command, github: GitHub) -> None:
    configure(command, on(github))
    assert (await command.run("hook", "greeter")).code == 0
    secret = github.webhooks.hooks[0].secret
    github.webhooks.hooks[0].active = False
    ended = await command.run("hook", "greeter")
    assert ended.code == 0
    assert "was there already; it is brought up to date" in ended.out
    (hook,) = github.webhooks.hooks
    assert (hook.secret, hook.active) == (secret, True)


async def test_a_configured_secret_is_the_hooks(command: Command, github: GitHub) -> None:
    configure(command, on(github, f'webhook_secret = "{SECRET}"'))
    ended = await command.run("hook", "greeter")
    assert ended.code == 0
    assert ended.out.splitlines()[1] == "it is signed with webhook_secret of [forges.there]"
    assert github.webhooks.hooks[0].secret == SECRET
    assert not (command.home / "state/hooks").exists()


async def test_on_gitlab(command: Command, place: Path, bare: Path) -> None:
    with lab.GitLab(place / "lab", repos={GROUP: bare}) as gitlab:
        url = configure(command, f'kind = "gitlab"\nurl = "{gitlab.url}"\ntoken = "{lab.TOKEN}"', repo=GROUP)
        ended = await command.run("hook", "greeter")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(f"{GROUP} on GitLab now has a webhook to {url}/webhooks/there: ")
        (hook,) = gitlab.repo(GROUP).hooks
        assert hook.url == f"{url}/webhooks/there"
        assert hook.token == (command.home / "state/hooks/greeter").read_text()
        assert (await command.run("hook", "greeter", "--remove")).code == 0
        assert gitlab.repo(GROUP).hooks == []


async def test_without_the_right_to_it_nothing_is_kept(command: Command, github: GitHub) -> None:
    github.access.tokens[TOKEN].hooks = False
    configure(command, on(github))
    ended = await command.run("hook", "greeter")
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1
    assert "greeter" in ended.err
    assert "Webhooks" in ended.err
    assert list((command.home / "state/hooks").iterdir()) == []


async def test_what_the_forge_repeats_of_the_secret_is_not_shown(command: Command, github: GitHub) -> None:
    configure(command, on(github, f'webhook_secret = "{SECRET}"'))
    github.fault("POST", r"/hooks$", Fault.error(422, f"the secret {SECRET} is not to our taste"))
    ended = await command.run("hook", "greeter")
    assert ended.code == 1
    assert "to our taste" in ended.err
    assert SECRET not in ended.err


async def test_after_a_doubtful_answer_the_secret_stays(command: Command, github: GitHub) -> None:
    configure(command, on(github))
    github.fault("POST", r"/hooks$", Fault.cut(after=True))
    github.fault("PATCH", r"/hooks/\d+$", Fault.html(502), times=3)
    ended = await command.run("hook", "greeter")
    assert ended.code == 1
    (hook,) = github.webhooks.hooks
    assert hook.secret == (command.home / "state/hooks/greeter").read_text()


@pytest.mark.parametrize(
    ("public_url", "api_url", "reachable"),
    [
        ("http://127.0.0.1:8300", "https://api.github.com", False),
        ("http://localhost:8300", "https://github.example.com/api/v3", False),
        ("https://[::1]", "https://api.github.com", False),
        ("http://127.0.0.1:8300", "https://10.0.0.7/api/v3", False),
        ("http://192.168.1.5:8300", "https://api.github.com", False),
        ("http://raspberrypi:8300", "https://api.github.com", False),
        ("http://pi.local", "https://api.github.com", False),
        ("http://169.254.1.1", "https://api.github.com", False),
        ("http://192.168.1.5:8300", "https://192.168.1.6/api/v3", True),
        ("http://pi.lan:8300", "https://git.lan/api/v3", True),
        ("https://bot.example.com", "https://api.github.com", True),
        ("http://8.8.8.8", "https://api.github.com", True),
        ("http://192.168.1.5", "http://127.0.0.1:3000", True),
    ],
)
def test_an_address_that_the_forge_cannot_reach(public_url: str, api_url: str, reachable: bool) -> None:
    settings = Settings(state_dir=Path("/nowhere"), public_url=public_url)
    forge = GitHubForge(kind="github", api_url=api_url)
    if reachable:
        _check_reachable(settings, forge)
        return
    with pytest.raises(ConfigurationError, match=r"cannot reach http.*: set public_url"):
        _check_reachable(settings, forge)


async def test_wrong_use_is_one_line_and_asks_nobody(command: Command, github: GitHub) -> None:
    configure(command, 'kind = "github"\ntoken = "none"')
    for arguments, said in (
        (["greeter"], "GitHub at api.github.com cannot reach http://127.0.0.1:"),
        (["mine"], "is on a local forge, which has no webhook"),
        (["mine", "--remove"], "is on a local forge"),
        (["nobody"], "there is no project 'nobody'"),
    ):
        ended = await command.run("hook", *arguments)
        assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
        assert said in ended.err
    assert not (command.home / "state/hooks").exists()
    assert github.requests == []
