"""Who may call, decided on plain values."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app.web.auth import (
    Access,
    Asking,
    Caller,
    ForbiddenError,
    PageSession,
    Role,
    Tokens,
    UnauthorisedError,
    decide,
    is_forwarded,
    is_local,
    is_loopback_host,
    is_loopback_peer,
    is_our_origin,
    safe_next,
)

PUBLIC = "https://bot.example.org"
VIEWER, OPERATOR = Access(Role.VIEWER), Access(Role.OPERATOR)


@dataclass(frozen=True)
class Configured:
    token: SecretStr
    role: str


def tokens(**given: tuple[str, str]) -> Tokens:
    return Tokens({name: Configured(SecretStr(token), role) for name, (token, role) in given.items()})


NONE = tokens()
ALL = tokens(see=("look", "viewer"), do=("press", "operator"), own=("rule", "administrator"))


def asking(method: str = "GET", peer: str | None = "127.0.0.1", csrf: str = "", **headers: str) -> Asking:
    found = {name.replace("_", "-"): (value,) for name, value in headers.items()}
    found.setdefault("host", ("127.0.0.1:8300",))
    return Asking(method, peer, found, csrf)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_peers(peer: str) -> None:
    assert is_loopback_peer(peer)


@pytest.mark.parametrize(
    "peer", [None, "", "10.0.0.1", "::ffff:10.0.0.1", "localhost", "fe80::1%lo", "0.0.0.0", "::"]
)
def test_other_peers(peer: str | None) -> None:
    assert not is_loopback_peer(peer)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8300", "127.0.0.1", "127.0.0.1:80", "127.255.1.9:1", "[::1]", "[::1]:8300"],
)
def test_loopback_hosts(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "", "localhost.", "localhost.evil.example", "evil.localhost", "127.0.0.1.evil.example", "127.1",
        "0x7f.1", "2130706433", "127.0.0.01", "::1", "[::1", "[::1]x", "[::2]", "[::ffff:127.0.0.1]",
        "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:999999", "user@127.0.0.1", "127.0.0.1/", "127.0.0.1,evil",
        " 127.0.0.1", "127.0.0.1\n", "0.0.0.0", "10.0.0.1", "\u0661\u0662\u0667.0.0.1", "bot.example.org",
    ],
)  # fmt: skip
def test_hosts_that_are_not_this_machine(host: str) -> None:
    assert not is_loopback_host(host)


@given(st.text(max_size=40))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    is_loopback_host(text)
    is_loopback_peer(text)
    assert safe_next(text).startswith("/")
    assert ALL.caller(text) is None or text in {"look", "press", "rule"}


@pytest.mark.parametrize(
    "name", ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded", "x-real-ip"]
)
def test_marks_of_a_proxy(name: str) -> None:
    assert is_forwarded([name])
    assert not is_local(Asking("GET", "127.0.0.1", {"host": ("localhost",), name: ("",)}))


def test_a_local_read_needs_no_token() -> None:
    local = decide(VIEWER, asking(), NONE, None, public_url=PUBLIC, login=False)
    assert local == Caller("local", Role.VIEWER)
    assert decide(VIEWER, asking("HEAD"), NONE, None, public_url=PUBLIC, login=False) == local


def test_with_login_a_local_read_is_unauthorised_too() -> None:
    with pytest.raises(UnauthorisedError, match="login"):
        decide(VIEWER, asking(), ALL, None, public_url=PUBLIC)


@pytest.mark.parametrize(
    "asked",
    [
        asking(peer="192.0.2.7"),
        asking(host="bot.example.org"),
        asking(x_forwarded_for="127.0.0.1"),
        asking("POST"),
        asking("DELETE"),
        Asking("GET", "127.0.0.1", {}),
        Asking("GET", "127.0.0.1", {"host": ("localhost", "evil.example")}),
        Asking("GET", None, {"host": ("localhost",)}),
    ],
)
def test_everything_else_without_a_token_is_unauthorised(asked: Asking) -> None:
    with pytest.raises(UnauthorisedError):
        decide(VIEWER, asked, ALL, None, public_url=PUBLIC, login=False)


def test_a_local_read_does_not_reach_what_needs_an_operator() -> None:
    with pytest.raises(ForbiddenError, match="operator"):
        decide(OPERATOR, asking(), NONE, None, public_url=PUBLIC, login=False)


@pytest.mark.parametrize(
    "value",
    ["Bearer wrong", "Bearer", "Bearer ", "Bearer Look", "Bearer look,press", "Basic look", "look", ""],
)
def test_a_wrong_token_is_unauthorised_even_where_none_is_needed(value: str) -> None:
    with pytest.raises(UnauthorisedError):
        decide(VIEWER, asking(authorization=value), ALL, None, public_url=PUBLIC, login=False)


def test_two_tokens_at_once_are_none() -> None:
    asked = Asking(
        "GET", "127.0.0.1", {"host": ("localhost",), "authorization": ("Bearer look", "Bearer press")}
    )
    with pytest.raises(UnauthorisedError):
        decide(VIEWER, asked, ALL, None, public_url=PUBLIC)


@pytest.mark.parametrize(
    ("token", "access", "allowed"),
    [
        ("look", Role.VIEWER, True), ("look", Role.OPERATOR, False), ("look", Role.ADMINISTRATOR, False),
        ("press", Role.VIEWER, True), ("press", Role.OPERATOR, True), ("press", Role.ADMINISTRATOR, False),
        ("rule", Role.VIEWER, True), ("rule", Role.OPERATOR, True), ("rule", Role.ADMINISTRATOR, True),
    ],
)  # fmt: skip
def test_roles_include_the_ones_below(token: str, access: Role, allowed: bool) -> None:
    asked = asking(
        "POST", "192.0.2.7", host="bot.example.org", x_forwarded_for="x", authorization=f"bearer {token}"
    )
    if allowed:
        assert decide(Access(access), asked, ALL, None, public_url=PUBLIC).name.startswith("token:")
        return
    with pytest.raises(ForbiddenError):
        decide(Access(access), asked, ALL, None, public_url=PUBLIC)


def test_an_empty_token_is_switched_off() -> None:
    empty = tokens(a=("", "administrator"), b=("  ", "administrator"))
    assert not empty
    assert empty.caller("") is None
    assert empty.caller("  ") is None


def test_tokens_are_not_in_representations() -> None:
    assert "rule" not in repr(vars(ALL))
    assert "secret" not in repr(asking(authorization="Bearer secret", csrf="secret"))


SESSION = PageSession(Caller("token:do", Role.OPERATOR), "c" * 64)


def post(csrf: str = "c" * 64, **headers: str) -> Asking:
    given = {"origin": "http://127.0.0.1:8300", **headers}
    return asking("POST", csrf=csrf, **given)


def test_a_page_session_posts_with_its_token_from_its_origin() -> None:
    assert decide(OPERATOR, post(), NONE, SESSION, public_url=PUBLIC) == SESSION.caller
    from_outside = post(
        origin=PUBLIC, host="bot.example.org", x_forwarded_for="192.0.2.7", sec_fetch_site="same-origin"
    )
    assert decide(OPERATOR, from_outside, NONE, SESSION, public_url=PUBLIC) == SESSION.caller


@pytest.mark.parametrize(
    "asked",
    [
        post(csrf=""),
        post(csrf="d" * 64),
        post(origin="http://evil.example"),
        post(origin="null"),
        post(origin=""),
        post(origin="http://127.0.0.1:9999"),
        post(origin="https://127.0.0.1:8300"),
        post(sec_fetch_site="cross-site"),
        post(sec_fetch_site="same-site"),
        post(sec_fetch_site="none"),
        post(host="evil.example", origin="http://evil.example"),
        post(x_forwarded_for="192.0.2.7"),
        asking("POST", csrf="c" * 64),
    ],
)
def test_a_forged_form_is_forbidden(asked: Asking) -> None:
    with pytest.raises(ForbiddenError):
        decide(OPERATOR, asked, NONE, SESSION, public_url=PUBLIC)


def test_a_session_reads_from_anywhere_and_a_wrong_token_beside_it_loses() -> None:
    far = asking(peer="192.0.2.7", host="bot.example.org")
    assert decide(VIEWER, far, NONE, SESSION, public_url=PUBLIC) == SESSION.caller
    with pytest.raises(UnauthorisedError):
        decide(VIEWER, asking(authorization="Bearer wrong"), ALL, SESSION, public_url=PUBLIC)


def test_a_session_has_its_role_and_no_more() -> None:
    with pytest.raises(ForbiddenError, match="operator"):
        decide(
            OPERATOR, post(), NONE, PageSession(Caller("token:see", Role.VIEWER), "c" * 64), public_url=PUBLIC
        )


PROXIED = Caller("proxy:alice", Role.OPERATOR)


def test_whom_a_trusted_proxy_names_may_read_with_their_role_and_posts_from_a_page_alone() -> None:
    assert decide(VIEWER, asking(), NONE, None, public_url=PUBLIC, proxied=PROXIED) == PROXIED
    with pytest.raises(UnauthorisedError):
        decide(OPERATOR, post(), NONE, None, public_url=PUBLIC, proxied=PROXIED)
    with pytest.raises(ForbiddenError, match="administrator"):
        decide(Access(Role.ADMINISTRATOR), asking(), NONE, None, public_url=PUBLIC, proxied=PROXIED)
    with pytest.raises(ForbiddenError, match="bob has no role here"):
        decide(VIEWER, asking(), NONE, None, public_url=PUBLIC, proxied=Caller("proxy:bob", None))


def test_what_a_trusted_proxy_checked_for_itself_is_no_token_of_ours() -> None:
    basic = asking(authorization="Basic YWxpY2U6eA==")
    assert decide(VIEWER, basic, ALL, None, public_url=PUBLIC, proxied=PROXIED) == PROXIED
    with pytest.raises(UnauthorisedError):
        decide(VIEWER, basic, ALL, None, public_url=PUBLIC)
    bearer = asking(authorization="Bearer rule")
    assert decide(VIEWER, bearer, ALL, None, public_url=PUBLIC, proxied=PROXIED).name == "token:own"


def test_open_routes_ask_nothing() -> None:
    asked = asking("POST", "192.0.2.7", authorization="Bearer wrong")
    assert decide(Access(None), asked, ALL, None, public_url=PUBLIC).role is None


def test_origin_needs_both_headers() -> None:
    assert is_our_origin(post(), PUBLIC)
    assert not is_our_origin(Asking("POST", "127.0.0.1", {"origin": (PUBLIC,)}), PUBLIC)


@pytest.mark.parametrize("path", ["/", "/proposals/3", "/history?project=a&cursor=aWQ6MQ", "/projects/a-b"])
def test_next_keeps_paths_of_ours(path: str) -> None:
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "path", ["", "//evil.example", "https://evil.example", "/\\evil", "/a\r\nb", "javascript:1", "/:x"]
)
def test_next_goes_nowhere_else(path: str) -> None:
    assert safe_next(path) == "/"
