"""Who signed: the forges' own published examples, and everything that is nearly right."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from starlette.datastructures import Headers

from app.core.settings_sections import signing_key
from app.web.auth import UnauthorisedError
from app.web.signatures import WINDOW_S, check_github, check_gitlab, has_any

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
# the example of the Standard Webhooks libraries
KEY = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
ID, STAMP, SIGNED_BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
TOKEN = "a secret token"


def by_github(signature: str, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> None:
    check_github(Headers({"X-Hub-Signature-256": signature}), body, secrets)


def by_gitlab(
    body: bytes = SIGNED_BODY,
    *,
    now: float = STAMP,
    tokens: tuple[str, ...] = (),
    keys: tuple[bytes, ...] = (KEY,),
    but: dict[str, str | None] | None = None,
) -> None:
    headers = {"webhook-id": ID, "webhook-timestamp": str(STAMP), "webhook-signature": SIGNED}
    given = {**headers, **(but or {})}
    sent = Headers({name: value for name, value in given.items() if value is not None})
    check_gitlab(sent, body, tokens=tokens, keys=keys, clock=lambda: now)


def test_githubs_own_example() -> None:
    by_github(SIGNATURE)
    by_github(SIGNATURE, secrets=("another", SECRET))
    by_github(SIGNATURE.replace("757107EA".lower(), "757107EA"))


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        SIGNATURE.removeprefix("sha256="),
        SIGNATURE.replace("sha256", "sha1"),
        SIGNATURE[:-1],
        f"{SIGNATURE}0",
        f"{SIGNATURE[:-1]}8",
        f"{SIGNATURE}, {SIGNATURE}",
        "sha256=\xe9\xff",
        "sha256=" + base64.b64encode(bytes.fromhex(SIGNATURE[7:])).decode(),
        "sha256=" + hmac.new(b"", BODY, hashlib.sha256).hexdigest(),
    ],
)
def test_nearly_githubs_signature(signature: str) -> None:
    with pytest.raises(UnauthorisedError, match="does not fit"):
        by_github(signature)


def test_github_signs_the_bytes_and_no_secret_verifies_nothing() -> None:
    for body in (b"Hello, World! ", b"Hello, World", b"", BODY.decode().encode("utf-16")):
        with pytest.raises(UnauthorisedError):
            by_github(SIGNATURE, body)
    with pytest.raises(UnauthorisedError):
        by_github(SIGNATURE, secrets=())


def by_token(token: str | None, *known: str, now: float = STAMP) -> None:
    by_gitlab(tokens=known, now=now, but={"webhook-signature": None, "X-Gitlab-Token": token})


def test_gitlabs_secret_token() -> None:
    by_token(TOKEN, TOKEN)
    by_token(TOKEN, "other", TOKEN, now=0)
    by_token("gehörig".encode().decode("latin-1"), "gehörig")
    for token in ("", "a secret toke", "a secret token!", "A secret token", None):
        with pytest.raises(UnauthorisedError, match="not the secret"):
            by_token(token, TOKEN)
    for known in ((), ("",)):
        with pytest.raises(UnauthorisedError):
            by_token("", *known)


def test_the_published_example_of_a_signed_delivery() -> None:
    by_gitlab()
    by_gitlab(keys=(b"another", KEY))
    by_gitlab(but={"webhook-signature": f"v1a,AAAA v1,AAAA {SIGNED} v2,BBBB"})


def test_the_signatures_header_alone_decides() -> None:
    by_gitlab(tokens=(TOKEN,), but={"X-Gitlab-Token": "wrong"})
    with pytest.raises(UnauthorisedError, match="does not fit"):
        by_gitlab(tokens=(TOKEN,), but={"X-Gitlab-Token": TOKEN, "webhook-signature": "v1,AAAA"})
    with pytest.raises(UnauthorisedError, match="no signing_token is configured"):
        by_gitlab(tokens=(TOKEN,), keys=(), but={"X-Gitlab-Token": TOKEN})


@pytest.mark.parametrize("away", [-WINDOW_S, -1, 0, 0.9, WINDOW_S])
def test_within_the_window(away: float) -> None:
    by_gitlab(now=STAMP + away)


@pytest.mark.parametrize("away", [-86400, -WINDOW_S - 1, WINDOW_S + 1, 1e9])
def test_out_of_the_window(away: float) -> None:
    with pytest.raises(UnauthorisedError, match="5 minutes away"):
        by_gitlab(now=STAMP + away)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-timestamp": None},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": f" {STAMP}"},
        {"webhook-timestamp": f"{STAMP}.0"},
        {"webhook-timestamp": f"-{STAMP}"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": str(STAMP + 1)},
        {"webhook-id": None},
        {"webhook-id": "msg_other"},
        {"webhook-id": f"{ID}.{STAMP}"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v1,not base64!"},
        {"webhook-signature": SIGNED.replace("v1", "v2")},
        {"webhook-signature": SIGNED.replace("=", "")},
        {"webhook-signature": SIGNED.replace(",", " ")},
        {"webhook-signature": SIGNED.lower()},
    ],
)
def test_a_changed_header_of_a_signed_delivery(changed: dict[str, str | None]) -> None:
    changed = {name: value.encode().decode("latin-1") if value else value for name, value in changed.items()}
    with pytest.raises(UnauthorisedError):
        by_gitlab(but=changed)


def test_a_changed_body_of_a_signed_delivery() -> None:
    for body in (SIGNED_BODY + b"\n", SIGNED_BODY[:-1], b"", SIGNED_BODY.replace(b" ", b"")):
        with pytest.raises(UnauthorisedError, match="does not fit"):
            by_gitlab(body)


@pytest.mark.parametrize(
    ("kind", "header"), [("github", "X-Hub-Signature-256"), ("gitlab", "X-Gitlab-Token")]
)
def test_without_any_signature_no_body_is_wanted(kind: str, header: str) -> None:
    has_any(kind, Headers({header: ""}))
    for headers in ({}, {"X-Hub-Signature": "sha1=0"}, {"webhook-id": ID, "webhook-timestamp": str(STAMP)}):
        with pytest.raises(UnauthorisedError, match=header.lower()):
            has_any(kind, Headers(headers))


@pytest.mark.parametrize("token", ["whsec_", "whsec_!!!", "é", "whsec_MfKQ9"])
def test_what_is_no_signing_token(token: str) -> None:
    with pytest.raises(ValueError, match="base64 is expected"):
        signing_key(token)
    assert signing_key("whsec_YQ") == signing_key("YQ==") == b"a"
