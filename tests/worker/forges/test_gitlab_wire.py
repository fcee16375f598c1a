"""Calls to GitLab: the one host that sees the token, whom we trust there, and how long we wait."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from app.core.errors import ConfigurationError, ForgeAccessError, ForgeError
from app.core.settings import GitLabForge as GitLabSettings
from tests.doubles.gitlab import Fault, GitLab
from tests.worker.forges.conftest import DRAFT, PROJECT, REPO, REQUESTS, TOKEN, make
from worker.forges.gitlab.answers import Place
from worker.forges.gitlab.lab import Lab
from worker.forges.pacer import Pacer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.doubles.origin import Origin
    from worker.forges.gitlab.forge import GitLabForge


def moved_to(address: str) -> Fault:
    return Fault(301, b'{"message": "moved"}', {"Location": address, "Content-Type": "application/json"})


async def test_no_redirect_leads_to_another_host(
    forge: GitLabForge, gitlab: GitLab, tmp_path: Path, origin: Origin
) -> None:
    async with GitLab(tmp_path / "other", repos={REPO: origin.bare}, token=TOKEN) as other:
        outside = gitlab.url.removesuffix("/gitlab")
        for address in (
            f"{other.url}/api/v4/projects/1",
            f"{outside}/api/v4/projects/1",
            "https://x.example/",
        ):
            gitlab.fault("GET", PROJECT, moved_to(address))
            with pytest.raises(ForgeAccessError, match=r"renamed or moved: .*url of \[forges.lab\]"):
                await forge.look()
        gitlab.fault("POST", REQUESTS, moved_to(f"{other.url}/api/v4/projects/1/merge_requests"))
        with pytest.raises(ForgeAccessError, match="renamed or moved"):
            await forge.open(DRAFT)
        assert other.requests == []


async def test_neither_a_proxys_page_nor_a_cookie_is_taken_for_gitlab(
    forge: GitLabForge, gitlab: GitLab
) -> None:
    gitlab.fault("GET", PROJECT, Fault(200, b"<h1>Welcome to\x1b[2J</h1>", {"Set-Cookie": "a=b; Path=/"}))
    with pytest.raises(ForgeError, match=r"Welcome to.*no JSON.*url of") as caught:
        await forge.look()
    assert type(caught.value) is ForgeError
    assert "\x1b" not in str(caught.value)
    await forge.look()
    assert not any("cookie" in request.headers for request in gitlab.requests)


async def test_a_file_of_passwords_in_the_home_is_left_alone(
    gitlab: GitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    await make(gitlab).look()
    assert {request.kind for request in gitlab.requests} == {"private-token"}


async def test_an_answer_that_drips_is_given_up(
    forge: GitLabForge, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.forges.gitlab.lab.TOTAL_S", 0.05)
    gitlab.fault("GET", "/personal_access_tokens/self", Fault.slow(0.5))
    with pytest.raises(ForgeError, match=r"did not answer GET /personal_access_tokens/self within 0.05 s"):
        await forge.look()


async def test_an_answer_without_an_end_is_given_up(
    forge: GitLabForge, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.forges.gitlab.wire.LONGEST_ANSWER", 1000)
    gitlab.fault("GET", PROJECT, Fault(200, b"[" + b" " * 2000))
    with pytest.raises(ForgeError, match=r"could not be reached for GET .*TooLongError"):
        await forge.look()


async def test_nobody_there(tmp_path: Path, origin: Origin) -> None:
    async with GitLab(tmp_path / "gone", repos={REPO: origin.bare}) as gone:
        forge = make(gone)
    with pytest.raises(ForgeError, match=r"could not be reached .*refused.*url of \[forges.lab\]"):
        await forge.look()


@pytest.mark.parametrize(
    ("token", "words"), [("", "has no token"), ("glpat-1\nX: y", "none of GitLab's"), ("glpät", "none of")]
)
def test_a_token_that_is_none_says_so(token: str, words: str) -> None:
    settings = GitLabSettings.model_validate({"kind": "gitlab", "token": token})
    with pytest.raises(
        ConfigurationError, match=rf"\[forges.lab\] {words}|\[forges.lab\] is {words}"
    ) as caught:
        Lab(Place("greeter", "lab", REPO), settings)
    assert not token or token not in str(caught.value)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[tuple[Path, ssl.SSLContext]]:
    """A certificate authority of one's own, and what a server under it needs."""
    from tests.worker.forges.authority import certificates

    ca_file, chain, key = certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    yield ca_file, context


async def test_an_authority_of_ones_own_is_trusted_where_it_is_named(
    tmp_path: Path, origin: Origin, authority: tuple[Path, ssl.SSLContext]
) -> None:
    ca_file, tls = authority
    async with GitLab(tmp_path / "safe", repos={REPO: origin.bare}, token=TOKEN, tls=tls) as gitlab:
        with pytest.raises(ForgeError, match=r"could not be reached .*certificate verify failed"):
            await make(gitlab).look()
        assert gitlab.requests == []
        forge = make(gitlab, ca_file=str(ca_file))
        await forge.look()
        assert forge.web_url == f"{gitlab.url}/{REPO}"
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"ca_file .*none.pem cannot be used"):
        make(gitlab, ca_file=str(tmp_path / "none.pem"))


async def test_a_low_quota_slows_reads_down(gitlab: GitLab) -> None:
    waited = list[float]()

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    forge = make(gitlab, pace=Pacer(pause=pause))
    await forge.look()
    assert waited == []
    gitlab.quota.remaining = 6
    for _ in range(3):
        await forge.look()
    assert waited
    assert max(waited) <= 10
