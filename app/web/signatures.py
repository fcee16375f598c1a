"""Whether a delivery was sent by its forge: pure decisions on raw bytes, in constant time, by a given clock.

The signed form is that of Standard Webhooks. Its library is not used: it decodes the body as text, has no
clock to give, and lets other errors through where a header is broken.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from app.web.auth import UnauthorisedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WINDOW_S = 300
"""How far the time of a signed delivery may be away, before and after."""
GITHUB, TOKEN, SIGNED = "x-hub-signature-256", "x-gitlab-token", "webhook-signature"
SIGNS = {"github": (GITHUB,), "gitlab": (SIGNED, TOKEN)}
"""The headers of which one must be there, whatever the body holds."""
WRONG = "the signature does not fit: the secret on the forge and ours differ, or the body was changed"


def has_any(kind: str, headers: Mapping[str, str]) -> None:
    """Raise UnauthorisedError where no header can vouch for the body, so that it need not be read."""
    if not any(name in headers for name in SIGNS[kind]):
        raise UnauthorisedError(f"{' or '.join(SIGNS[kind])} is expected: give the webhook its secret")


def check_github(headers: Mapping[str, str], body: bytes | bytearray, secrets: Sequence[str]) -> None:
    """Raise UnauthorisedError unless one of the secrets made `X-Hub-Signature-256`."""
    method, _, signature = headers.get(GITHUB, "").partition("=")
    offered = signature.strip().lower().encode("latin-1", "replace")
    made = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode() for secret in secrets]
    if method != "sha256" or not _any(made, [offered]):
        raise UnauthorisedError(WRONG)


def check_gitlab(
    headers: Mapping[str, str],
    body: bytes | bytearray,
    *,
    tokens: Sequence[str],
    keys: Sequence[bytes],
    clock: Callable[[], float] = time.time,
) -> None:
    """Raise UnauthorisedError unless a signature, where there is one, or else the secret token is right.

    `webhook-id` and `webhook-timestamp` come with every delivery, and a hook that moves from one form to
    the other sends both: the signature's header alone decides.
    """
    if SIGNED in headers:
        _check_signed(headers, body, keys, clock())
        return
    offered = headers.get(TOKEN, "").encode("latin-1", "replace")
    if not offered or not _any([token.encode() for token in tokens], [offered]):
        raise UnauthorisedError("X-Gitlab-Token is not the secret of this webhook")


def _check_signed(
    headers: Mapping[str, str], body: bytes | bytearray, keys: Sequence[bytes], now: float
) -> None:
    if not keys:
        raise UnauthorisedError("this delivery is signed, and no signing_token is configured here")
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 16):
        raise UnauthorisedError("webhook-timestamp: seconds since 1970 are expected")
    if abs(now - int(stamp)) > WINDOW_S:
        raise UnauthorisedError(
            f"webhook-timestamp is more than {WINDOW_S // 60} minutes away: a repeat, or a clock is wrong"
        )
    start = f"{headers.get('webhook-id', '')}.{stamp}.".encode("latin-1", "replace")
    made = []
    for key in keys:
        signing = hmac.new(key, start, hashlib.sha256)
        signing.update(body)
        made.append(signing.digest())
    if not _any(made, list(filter(None, map(_signature, headers[SIGNED].split())))):
        raise UnauthorisedError(WRONG)


def _signature(part: str) -> bytes:
    """Return the bytes of one `v1,<base64>`; nothing for other versions and for what is no base64."""
    version, _, coded = part.partition(",")
    try:
        return base64.b64decode(coded, validate=True) if version == "v1" else b""
    except (binascii.Error, ValueError):
        return b""


def _any(made: Sequence[bytes], offered: Sequence[bytes]) -> bool:
    """Tell whether one is the other; all are compared, so that the time tells nothing."""
    found = False
    for ours in made:
        for theirs in offered:
            # hashed, since the comparison tells the length of what it compares
            found |= hmac.compare_digest(hashlib.sha256(ours).digest(), hashlib.sha256(theirs).digest())
    return found
