"""Who we are on GitHub, and how fast: Apps and their tokens, limits, and the pace of writes."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
import respx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.core.errors import ConfigurationError, ForgeAccessError, ForgeError, ForgeWaitError
from tests.worker.forges.github_routes import API, DRAFT, NOT_FOUND, REPO, make, pull
from worker.forges.pacer import Pacer, of

if TYPE_CHECKING:
    from collections.abc import Iterator

RIGHTS = {"contents": "write", "pull_requests": "write", "metadata": "read"}


@pytest.fixture
def api() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=API, assert_all_called=False) as router:
        yield router


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


def app(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    return {"token": "", "app_id": "123", "private_key": pem(key)}


def installed(api: respx.MockRouter, *, minutes: float = 60, **more: Any) -> tuple[respx.Route, respx.Route]:
    found = api.get("/repos/me/greeter/installation").respond(json={"id": 42})
    ends = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    answer = {"token": "ghs_installation", "expires_at": ends, "permissions": RIGHTS}
    made = api.post("/app/installations/42/access_tokens").respond(201, json=answer | more)
    return found, made


async def test_an_app_finds_its_installation_and_its_token_is_for_this_repository_alone(
    api: respx.MockRouter, key: rsa.RSAPrivateKey
) -> None:
    found, made = installed(api)
    looked = api.get("/repos/me/greeter").respond(json=REPO | {"permissions": {"push": False}})
    forge = make(**app(key))
    await forge.look()
    await forge.look()
    assert made.call_count == 1  # it lasts an hour
    assert json.loads(made.calls.last.request.content) == {"repositories": ["greeter"]}
    for route in (found, made):
        bearer = route.calls.last.request.headers["authorization"].removeprefix("Bearer ")
        assert jwt.decode(bearer, key.public_key(), algorithms=["RS256"])["iss"] == "123"
    assert looked.calls.last.request.headers["authorization"] == "Bearer ghs_installation"
    assert forge.login is not None
    assert forge.login.token == "ghs_installation"


async def test_a_token_that_ends_soon_is_renewed_before_git_gets_it(
    api: respx.MockRouter, key: rsa.RSAPrivateKey
) -> None:
    _, made = installed(api, minutes=9)
    api.get("/repos/me/greeter").respond(json=REPO)
    forge = make(**app(key))
    await forge.look()
    before = made.call_count
    installed(api, token="ghs_later")
    await forge.look()
    assert made.call_count == before + 1
    assert forge.login is not None
    assert forge.login.token == "ghs_later"


async def test_a_revoked_token_is_renewed_on_the_next_try(
    api: respx.MockRouter, key: rsa.RSAPrivateKey
) -> None:
    _, made = installed(api)
    api.get("/repos/me/greeter").side_effect = [
        httpx.Response(401, json={"message": "Bad credentials"}),
        httpx.Response(200, json=REPO),
    ]
    forge = make(**app(key))
    with pytest.raises(ForgeAccessError, match="does not fit the GitHub App 123, or this machine's clock"):
        await forge.look()
    await forge.look()
    assert made.call_count == 2


@pytest.mark.parametrize("where", ["installation", "token"])
async def test_an_app_that_is_not_installed_says_so(
    api: respx.MockRouter, key: rsa.RSAPrivateKey, where: str
) -> None:
    _, made = installed(api)
    if where == "installation":
        api.get("/repos/me/greeter/installation").respond(404, json=NOT_FOUND)
    else:
        made.respond(422, json={"message": "There is at least one repository that is not accessible"})
    with pytest.raises(ForgeAccessError, match="App 123 is not installed on me/greeter: open the App's page"):
        await make(**app(key)).look()


async def test_an_app_without_the_rights_says_which(api: respx.MockRouter, key: rsa.RSAPrivateKey) -> None:
    installed(api, permissions=RIGHTS | {"pull_requests": "read"})
    with pytest.raises(
        ForgeAccessError, match="may not write to me/greeter: give it Pull requests: read and"
    ):
        await make(**app(key)).look()


@pytest.mark.parametrize("answer", [{"token": None}, {"expires_at": "soon"}])
async def test_a_token_that_cannot_be_read(
    api: respx.MockRouter, key: rsa.RSAPrivateKey, answer: dict[str, Any]
) -> None:
    installed(api, **answer)
    with pytest.raises(ForgeError, match="no token that can be read"):
        await make(**app(key)).look()


async def test_a_key_that_is_none_says_so(api: respx.MockRouter, key: rsa.RSAPrivateKey) -> None:
    lines = pem(key).splitlines()
    broken = "\n".join([lines[0], "bm90IGEga2V5", lines[-1]])
    with pytest.raises(
        ConfigurationError, match=r"private_key of \[forges.hub\] is no RSA private key in PEM"
    ):
        await make(token="", app_id="123", private_key=broken).look()
    assert not api.calls


def test_a_forge_without_a_token_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"\[forges.hub\] has neither a token nor app_id"):
        make(token="")


def limited(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, json={"message": "You have exceeded a secondary rate limit"}, headers=headers
    )


@pytest.mark.parametrize(
    ("answer", "after_s"),
    [
        (lambda: limited(429, **{"Retry-After": "17"}), 17),
        (lambda: limited(403, **{"Retry-After": "17", "X-RateLimit-Remaining": "0"}), 17),
        (
            lambda: limited(
                429, **{"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=90))}
            ),
            90,
        ),
        (
            lambda: limited(
                403, **{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 100)}
            ),
            100,
        ),
        (lambda: limited(403, **{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}), 1),
        (lambda: limited(403), 60),
        (lambda: limited(429, **{"Retry-After": "soon"}), 60),
        (lambda: httpx.Response(429, html="<h1>Too many</h1>"), 60),
        (lambda: limited(429, **{"Retry-After": "999999999"}), 3600),
    ],
)
async def test_a_limit_says_how_long_to_wait_and_nothing_is_sent_until_then(
    api: respx.MockRouter, answer: Any, after_s: float
) -> None:
    post = api.post("/repos/me/greeter/pulls")
    post.side_effect = [answer()]
    forge = make()
    with pytest.raises(ForgeWaitError, match="a limit, so it is left alone") as caught:
        await forge.open(DRAFT)
    assert caught.value.after_s == pytest.approx(after_s, abs=3)
    with pytest.raises(
        ForgeWaitError, match="project greeter on forge hub: GitHub asked us to wait"
    ) as again:
        await forge.open(DRAFT)
    assert again.value.after_s == pytest.approx(after_s, abs=3)
    assert len(api.calls) == 1


async def test_writes_are_a_second_apart_and_the_first_is_not_delayed() -> None:
    clock, paused = [100.0], list[float]()

    async def pause(seconds: float) -> None:
        paused.append(seconds)
        clock[0] += seconds

    ours = Pacer(clock=lambda: clock[0], pause=pause)
    for spent in (0.0, 0.25, 5.0):
        clock[0] += spent
        async with ours.turn():
            clock[0] += 7
    assert paused == [0.75]


async def test_writes_go_one_at_a_time() -> None:
    ours, inside = Pacer(pause=lambda _: asyncio.sleep(0)), list[int]()

    async def write() -> None:
        async with ours.turn():
            inside.append(1)
            await asyncio.sleep(0)
            assert sum(inside) == 1
            inside.pop()

    await asyncio.gather(*(write() for _ in range(5)))


async def test_who_stands_in_line_when_a_limit_is_met_sends_nothing(api: respx.MockRouter) -> None:
    api.post("/repos/me/greeter/pulls").respond(429, json={}, headers={"Retry-After": "9"})
    forge = make()
    ends = await asyncio.gather(*(forge.open(DRAFT) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [ForgeWaitError] * 3
    assert len(api.calls) == 1


def test_a_limit_that_gives_no_time_grows() -> None:
    clock = [0.0]
    ours = Pacer(clock=lambda: clock[0])
    assert [ours.asked_to_wait(0) for _ in range(8)] == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    clock[0] = 3600.0
    assert ours.wait_s == 0
    ours.went_well()
    assert ours.asked_to_wait(0) == 60


def test_one_pace_for_one_token_on_one_host() -> None:
    assert of("https://a.example", "t") is of("https://a.example", "t")
    assert of("https://a.example", "t") is not of("https://a.example", "u")
    assert of("https://a.example", "t") is not of("https://b.example", "t")


async def test_an_answer_that_drips_is_given_up(
    api: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.forges.github.hub.TOTAL_S", 0.05)

    async def drip(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(30)
        return httpx.Response(200, json=pull())

    api.get("/repos/me/greeter").mock(side_effect=drip)
    with pytest.raises(ForgeError, match=r"did not answer GET /repos/me/greeter within 0.05 s"):
        await make().look()
