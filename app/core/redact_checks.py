"""Whether what stands in the place of a secret is one, or a word, a path, a number or code."""

from __future__ import annotations

import base64
import contextlib
import re

PLACEHOLDERS = frozenset(
    [
        "absent",
        "bad",
        "basic",
        "bearer",
        "blank",
        "denied",
        "disabled",
        "empty",
        "enabled",
        "env",
        "expired",
        "failed",
        "false",
        "given",
        "hidden",
        "incorrect",
        "input",
        "invalid",
        "masked",
        "missing",
        "mandatory",
        "needed",
        "nil",
        "no",
        "none",
        "not",
        "null",
        "off",
        "ok",
        "omitted",
        "on",
        "optional",
        "pass",
        "passwd",
        "password",
        "present",
        "prompt",
        "provided",
        "pw",
        "redacted",
        "rejected",
        "required",
        "secret",
        "set",
        "str",
        "string",
        "test",
        "todo",
        "token",
        "true",
        "undefined",
        "unknown",
        "unset",
        "use",
        "user",
        "username",
        "valid",
        "wrong",
        "yes",
        "your",
    ]
)
CODE = re.compile(
    r"[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+|[\w.]*[({[].*|[A-Z][A-Z_]*[A-Z]|\d+[smhd]?", re.DOTALL
)
WORD = re.compile(r"[A-Za-z_]+\)*")
PATH = re.compile(r"(?:~|\.{1,2})?/[\w.@-]+(?:/[\w.@-]+)*/?")
NUMBER = re.compile(r"[\d.,:]+(?:[eE]\d+)?%?")


def is_placeholder(value: str) -> bool:
    """Tell whether a value stands for a secret without being one: a word, a variable, a row of stars."""
    bare = value.strip("\"'`.,;:!?)]}")
    if bare.startswith(("$", "<", "{", "%", "[redacted", "&", "@")) or len(set(bare)) <= 1:
        return True
    return bare.lower() in PLACEHOLDERS


def is_mixed(value: str) -> bool:
    """Tell whether a value looks made by a machine or a careful person: letters and digits or signs."""
    if not any(c.isalpha() for c in value):
        return False
    if any(c.isdigit() for c in value):
        return True
    inner = value[1:]
    return any(c.isupper() for c in inner) and any(c.islower() for c in inner) and len(value) >= 16


def _is_path(value: str) -> bool:
    return bool(PATH.fullmatch(value)) and not (len(value) == 40 and is_mixed(value))


def judge_token(match: re.Match[str]) -> bool:
    """Tell whether the find is made of letters and digits, and neither a word nor a path."""
    value = match["secret"]
    return not is_placeholder(value) and is_mixed(value) and not _is_path(value)


def judge_basic(match: re.Match[str]) -> bool:
    """Tell whether the find is base64 of `user:password`."""
    with contextlib.suppress(ValueError):
        return b":" in base64.b64decode(match["secret"] + "=" * (-len(match["secret"]) % 4))
    return False


def judge_url_password(match: re.Match[str]) -> bool:
    """Tell whether the find is more than a stand-in."""
    return not is_placeholder(match["secret"])


def judge_option(match: re.Match[str]) -> bool:
    """Tell whether the find is a token and no expression of a program."""
    return not is_code(match["secret"]) and judge_token(match)


def is_code(value: str) -> bool:
    """Tell whether a value is an expression of a program, or a number, rather than a secret."""
    return bool(CODE.fullmatch(value) or NUMBER.fullmatch(value))


def judge_key_value(match: re.Match[str]) -> bool:
    """Tell whether what stands under a key is a secret, by the key's name and how tight it stands."""
    value = match["secret"].rstrip(".,!?)]}")
    if is_placeholder(value) or _is_path(value):
        return False
    quoted = bool(match["quote"])
    around = match.string[match.start("sep") - 1] + match.string[match.end("sep")]
    tight = match["sep"] == ">" or (match["sep"] == "=" and not any(c.isspace() for c in around))
    if is_password_name(match["name"]):
        return _any_word(match, value, strong=quoted or tight)
    long_enough = len(value) >= (6 if quoted or tight else 8)
    return long_enough and is_mixed(value) and not is_code(value)


def _any_word(match: re.Match[str], value: str, *, strong: bool) -> bool:
    """Judge what stands for a password, where any word may be one."""
    if value.isdigit():
        return strong and len(value) >= 4
    if not match["quote"]:
        argument = match.string[match.end() : match.end() + 1] == "," or match["secret"].endswith(")")
        if is_code(value) or (argument and WORD.fullmatch(value)):
            return False
    return len(value) >= 4 and (strong or is_mixed(value))


def is_password_name(name: str) -> bool:
    """Tell whether a key's name says password, so that any word may be one."""
    return name.lower().startswith("p") and not name.lower().startswith("private")
