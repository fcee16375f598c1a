"""What may reach git's command line: commits, refs and addresses, checked by their form."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from app.core.errors import GitError

SCHEMES = ("https", "http", "ssh", "file")

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_REF = re.compile(
    r"refs/(?!.*(//|/\.|\.\.|@\{|\.lock(/|$)|[/.]$))[^\x00-\x20\x7f~^:?*\[\\]{1,240}",
)


def sha(value: str) -> str:
    """Return a full commit id as it is; GitError when it is none."""
    if not _SHA.fullmatch(value):
        raise GitError(f"{value[:80]!r} is not a commit id")
    return value


def ref(value: str) -> str:
    """Return a full ref name as it is, such as refs/heads/main; GitError when git would not take it."""
    if not _REF.fullmatch(value):
        raise GitError(f"{value[:80]!r} is not a ref that git accepts")
    return value


def refspec(value: str) -> str:
    """Return `[+]SOURCE:TARGET` as it is; the source a ref or a commit, both with one `*` or none."""
    source, colon, target = value.removeprefix("+").partition(":")
    if not colon or source.count("*") != target.count("*") or source.count("*") > 1:
        raise GitError(f"{value[:80]!r} is not a refspec")
    if not _SHA.fullmatch(source):
        ref(source.replace("*", "x"))
    ref(target.replace("*", "x"))
    return value


def url(value: str) -> str:
    """Return the address of a repository as it is: an absolute path or a URL without a password."""
    if any(ord(letter) < 33 for letter in value.replace(" ", "")) or "\x7f" in value:
        raise GitError("the address of the repository has control characters in it")
    if value.startswith("/"):
        return value
    try:
        parts = urlsplit(value)
        password = parts.password
    except ValueError as error:
        raise GitError(f"{value[:80]!r} is not the address of a repository") from error
    if parts.scheme not in SCHEMES or (parts.scheme != "file" and not parts.hostname):
        raise GitError(
            f"{value[:80]!r} is not the address of a repository: a path, https://, ssh:// or file://"
        )
    if password is not None:
        raise GitError(f"the address of {shown(value)} carries a password: it has a key of its own")
    if (parts.hostname or "").startswith("-") or (parts.username or "").startswith("-"):
        raise GitError(f"{value[:80]!r} is not the address of a repository")
    return value


def shown(value: str) -> str:
    """Return an address for a person, without a user name or password."""
    if value.startswith("/"):
        return value
    parts = urlsplit(value)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def origin(value: str) -> str:
    """Return scheme, host and port of a URL: the only place that its token may be sent to."""
    parts = urlsplit(value)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.scheme in ("https", "http") else ""
