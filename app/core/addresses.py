"""What the URLs of databases and of Redis hold: passwords, and sockets that only we may use."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote

SOCKETS = Path("/run/postgresql")
"""Where Debian's libpq looks for the server when a URL names no host."""

_URL = re.compile(
    r"(?P<scheme>[\w+]+)://(?:[^:/@?]*(?::(?P<password>[^@]*))?@)?(?P<host>[^/?#]*)[^?]*(?:\?(?P<query>.*))?"
)


def passwords_in(url: str) -> list[str]:
    """Return the passwords in a URL as they are written there, signs that should be quoted included."""
    found = _URL.fullmatch(url)
    if found is None:
        return []
    more = [value for key, value in parse_qsl(found["query"] or "") if "password" in key]
    return [password for password in (found["password"], *more) if password]


def socket_folders(url: str) -> list[Path]:
    """Return the folders of the unix sockets by which a PostgreSQL URL reaches its server.

    The server may believe whoever comes by the socket as our user, so untrusted work must not see it.
    """
    found = _URL.fullmatch(url)
    if found is None or not found["scheme"].startswith("postgres"):
        return []
    query = dict(parse_qsl(found["query"] or ""))
    hosts = unquote(query.get("host") or found["host"])
    if not hosts:
        return [SOCKETS]
    return [Path(host) for host in hosts.split(",") if host.startswith("/")]
