"""Passwords of people who log in, kept as scrypt hashes: `scrypt:N:r:p:salt:hash`, the last two in base64."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

LEAST_CHARACTERS = 10
MOST_CHARACTERS = 1000
COST, BLOCK, PARALLEL = 2**14, 8, 5
"""16 MiB for as long as it takes: a small machine has that, and OWASP counts it as strong as 128 MiB once."""
MOST_MEMORY = 256 * 1024 * 1024
SALT_BYTES, HASH_BYTES = 16, 32
EXPECTED = "a hash from `pimainteno password` is expected"


@dataclass(frozen=True)
class Hashed:
    """One hash with what it was made with."""

    cost: int
    block: int
    parallel: int
    salt: bytes
    key: bytes

    def fits(self, password: str) -> bool:
        """Tell whether it is the hash of that password; takes its time, in a thread."""
        return hmac.compare_digest(self.key, _key(password, self))


def hashed(password: str) -> str:
    """Return the hash of a password, with a salt of its own."""
    empty = Hashed(COST, BLOCK, PARALLEL, secrets.token_bytes(SALT_BYTES), b"\0" * HASH_BYTES)
    salt, key = (base64.b64encode(each).decode() for each in (empty.salt, _key(password, empty)))
    return f"scrypt:{COST}:{BLOCK}:{PARALLEL}:{salt}:{key}"


def parse(text: str) -> Hashed:
    """Return a hash as it stands in the configuration; ValueError where it is none, or costs too much."""
    try:
        name, cost, block, parallel, salt, key = text.strip().split(":")
        found = Hashed(
            int(cost), int(block), int(parallel),
            base64.b64decode(salt, validate=True), base64.b64decode(key, validate=True),
        )  # fmt: skip
    except (ValueError, binascii.Error):
        raise ValueError(EXPECTED) from None
    if name != "scrypt" or not _sane(found):
        raise ValueError(EXPECTED)
    return found


def _key(password: str, how: Hashed) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=how.salt,
        n=how.cost,
        r=how.block,
        p=how.parallel,
        maxmem=_memory(how),
        dklen=len(how.key),
    )


def _sane(found: Hashed) -> bool:
    power_of_two = found.cost >= 2 and found.cost & (found.cost - 1) == 0
    affordable = found.block > 0 and 0 < found.parallel <= 64 and _memory(found) <= MOST_MEMORY
    return power_of_two and affordable and len(found.salt) >= 8 and len(found.key) >= 16


def _memory(how: Hashed) -> int:
    return 128 * how.block * (how.cost + how.parallel + 2) + 1024 * 1024
