"""Whatever is sent to the interface for programs: an answer or a problem, and never an error of ours."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from app.core.queue import Bell
from app.core.redact import Redactor
from app.store import events
from app.store.database import Store
from app.web.main import create_app
from tests.web import described
from tests.web.conftest import TOKENS, Site, add_proposal, make_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from tests.doubles.postgres import Postgres

NASTY = {
    "long": "x" * 10_000,
    "nul": "a\0b",
    "only nul": "\0",
    "quotes": "'\"`; DROP TABLE events; --",
    "percent": "%s%n%%",
    "surrogate": "\ud800",
    "pair": "\ud83d\ude00",
    "right to left": "\u202egnp.exe",
    "emoji": "👩\u200d👩\u200d👧",
    "digits": "\uff19\uff19",
    "huge": "9" * 5_000,
    "beyond 64 bits": str(2**63),
    "minus": "-1",
    "not a number": "nan",
    "infinite": "1e999",
    "cursor of no id": "aWQ6",
    "cursor of a huge id": "aWQ6OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
    "cursor at infinity": "YXQ6aW5mOjE",
    "edge of time": "9999-12-31T23:59:59-23:59",
    "before time": "0001-01-01T00:00:00+23:59",
    "slashes": "../../etc/passwd",
    "header": "x\r\nSet-Cookie: a=b",
}
PARAMETERS = [
    (path, parameter["name"])
    for path, operations in described.document()["paths"].items()
    for method, operation in operations.items()
    for parameter in operation.get("parameters", ())
    if method == "get"
]
MEDIA_TYPES = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
)
ACTIONS = ("merge", "close", "retry", "snooze")


def sent(value: str) -> str:
    """Return a value as it travels in an address; half of a pair too, as its three bytes."""
    return quote(value.encode("utf-8", "surrogatepass"), safe="")


def address(path: str, name: str, value: str) -> str:
    if f"{{{name}}}" in path:
        return path.replace(f"{{{name}}}", sent(value))
    return f"{path}?{name}={sent(value)}"


@pytest.fixture(params=["sqlite", "postgresql"])
async def each_site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """The application on each database."""
    settings = make_settings(tmp_path / "state")
    settings.state_dir.mkdir(parents=True)
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        settings = settings.model_copy(update={"database_url": server.url(server.migrated())})
    async with (
        Store.opened(settings.database_url_effective) as store,
        Bell(f"unix://{tmp_path}/no.sock") as bell,
    ):
        app = create_app(settings, store=store, bell=bell, redactor=Redactor(settings.secrets()))
        yield Site(app, store, settings)


async def test_every_parameter_takes_or_refuses_everything(each_site: Site) -> None:
    await add_proposal(each_site.store)
    async with each_site.client(token=TOKENS["viewer"]) as client:
        for name, value in NASTY.items():
            for path, parameter in PARAMETERS:
                check(await client.get(address(path, parameter, value)), f"{path} {parameter} {name}")


async def test_every_field_of_a_body_takes_or_refuses_everything(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.client(token=TOKENS["operator"]) as client:
        for name, value in NASTY.items():
            for action in ACTIONS:
                path = f"/api/v1/proposals/{sent(value)}/{action}"
                check(await client.post(path), f"{action} {name}", refused=True)
            for body in bodies(value):
                for action in ACTIONS:
                    answer = await client.post(
                        f"/api/v1/proposals/{number}/{action}",
                        content=body,
                        headers={"content-type": "application/json"},
                    )
                    check(answer, f"{action} {name} {body[:80]!r}")


def bodies(value: str) -> list[bytes]:
    """Return bodies with a value in each place, and the value itself."""
    return [
        json.dumps({"duration": value}).encode(),
        json.dumps({"discard": value}).encode(),
        json.dumps({value: True}).encode(),
        json.dumps({"duration": "7d", value: value}).encode(),
        json.dumps(value).encode(),
        value.encode("utf-8", "surrogatepass"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"duration":' * 5_000,
        b"9" * 60_000,
        b'{"duration": NaN}',
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"a=b&" * 2_000,
        b"null",
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_bodies_that_break_readers_of_json(site: Site, body: bytes) -> None:
    number = await add_proposal(site.store)
    async with site.client(token=TOKENS["operator"]) as client:
        for media_type in MEDIA_TYPES:
            for action in ("retry", "snooze"):
                path = f"/api/v1/proposals/{number}/{action}"
                answer = await client.post(path, content=body, headers={"content-type": media_type})
                check(answer, f"{action} {media_type}", refused=body != b"null" or action == "snooze")


async def test_what_is_stored_can_always_be_told(each_site: Site) -> None:
    """Whatever came into the history from a log, a forge or the model."""
    odd: dict[str, Any] = {"half": "\ud800", "\udfff": 1, "nul": "\0", "deep": [[{"x": float("nan")}]]}
    async with each_site.store.write() as tx:
        for text in NASTY.values():
            await events.append(tx, text, text, project=text, actor=text, host=text, data={"text": text})
        await events.append(tx, "run.refused", "NaN, Infinity and \ud83d\ude00", data=odd)
    async with each_site.client(token=TOKENS["viewer"]) as client:
        listed = await client.get("/api/v1/history")
        lines = await client.get("/api/v1/history", headers={"accept": "application/jsonl"})
    assert listed.status_code == lines.status_code == 200
    told = listed.json()["items"]
    assert len(told) == len(lines.text.removesuffix("\n").split("\n")) == len(NASTY) + 1
    assert told[0]["text"] == "NaN, Infinity and \U0001f600"
    assert told[0]["data"] == {"half": "\ufffd", "\ufffd": 1, "nul": "\0", "deep": [[{"x": None}]]}
    assert {one["data"]["text"] for one in told[1:]} == {
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in NASTY.values()
    }


def check(answer: httpx.Response, what: str, *, refused: bool = False) -> None:
    allowed = {400, 404, 409, 422} if refused else {200, 202, 400, 404, 409, 422}
    assert answer.status_code in allowed, f"{what}: {answer.status_code} {answer.text[:300]}"
    assert len(answer.text) < 5_000 or answer.status_code == 200, what
    if answer.status_code >= 400:
        assert re.fullmatch(r"application/problem\+json", answer.headers["content-type"])
    assert "set-cookie" not in answer.headers
