"""Secrets out of everything that leaves a process: prompts, history, proposals, pages and logs.

First the configured values, as they are and in the usual encodings, then the rules for what secrets
of others look like. A configured value shorter than `SHORTEST` is not looked for by itself, since it
would shred ordinary text; where it stands as `password=…` the rules still catch it.
"""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from app.core.redact_checks import is_code, is_placeholder
from app.core.redact_rules import RULES, SECRET_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from app.core.redact_rules import Rule

SHORTEST = 6
SHORT, KEPT = 200, 4096
"""Answers for short texts are kept: names, states and words of ours come again and again."""
CONFIGURED = "configured secret"
END_OF_KEY = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{4,}")

ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"  # colours and cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links and other strings
    r"|\x9b[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f"  # controls
    r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # without width
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f"  # without width, direction of writing
    r"\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"  # fillers, marks, tags
)
SURROGATES = re.compile(r"[\ud800-\udfff]")


class Redactor:
    """Takes known and likely secrets out of text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self.learnt = 0
        self.learn(secrets)

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def learn(self, secrets: Iterable[str]) -> None:
        """Look for these secrets too from now on: some come to be while the process runs.

        `learnt` grows each time, so that what was kept of earlier answers can be told from new ones.
        """
        forms = {*self._forms, *(form for secret in secrets for form in _forms(secret))}
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self.learnt += 1
        # bound to the forms: nothing that was kept for fewer secrets is given out again
        self._short = lru_cache(maxsize=KEPT)(partial(_redacted, self._forms))

    def text(self, s: str) -> str:
        """Return the text with `[redacted]` or `[redacted:RULE]` in the place of secrets."""
        return self._short(s) if len(s) <= SHORT else _redacted(self._forms, s)

    def findings(self, s: str) -> list[str]:
        """Return the names of the rules that find a secret; none of them tells the secret."""
        found = [CONFIGURED] if any(form in s for form in self._forms) else []
        if _without_key_tail(s) != s:
            found.append("private-key")
        for rule in _worth_trying(s):
            if rule.name not in found and any(rule.check(match) for match in rule.expression.finditer(s)):
                found.append(rule.name)
        return found

    def data(self, obj: Any) -> Any:  # noqa: ANN401 - any JSON
        """Return the same structure with every text in it redacted, also under keys that say secret."""
        if isinstance(obj, str):
            return self.text(obj)
        if isinstance(obj, dict):
            return {
                self.data(key): self._under(key, value) if isinstance(value, str) else self.data(value)
                for key, value in obj.items()
            }
        if isinstance(obj, list | tuple | set | frozenset):
            parts = [self.data(part) for part in obj]
            return tuple(parts) if isinstance(obj, tuple) else type(obj)(parts)
        return obj

    def _under(self, key: object, value: str) -> str:
        if isinstance(key, str) and _says_secret(key):
            return value if is_placeholder(value) or is_code(value) else "[redacted:key-value]"
        return self.text(value)


def _says_secret(key: str) -> bool:
    return _short_says_secret(key) if len(key) <= SHORT else SECRET_NAME.fullmatch(key) is not None


@lru_cache(maxsize=KEPT)
def _short_says_secret(key: str) -> bool:
    return SECRET_NAME.fullmatch(key) is not None


def _redacted(forms: Sequence[str], s: str) -> str:
    for form in forms:
        s = s.replace(form, "[redacted]")
    s = _without_key_tail(s)
    for rule in _worth_trying(s):
        s = rule.expression.sub(lambda match, rule=rule: _replaced(match, rule), s)  # type: ignore[misc]
    return s


def printable(s: str, *, keep_newlines: bool = True) -> str:
    """Return text that cannot trick its reader.

    Escape sequences, controls, and characters that are unseen or turn the direction of writing go;
    all kinds of line ends become one newline, or a space without `keep_newlines`.
    """
    if s.isascii() and s.isprintable():
        return s
    s = LINE_ENDS.sub("\n", s)
    s = UNSEEN.sub("", ESCAPES.sub("", s))
    s = SURROGATES.sub("\ufffd", s)
    return s if keep_newlines else s.replace("\n", " ")


def _worth_trying(s: str) -> list[Rule]:
    """Return the rules of which a hint is there, for a search of plain text costs a tenth of a rule."""
    lowered = s.lower()
    return [rule for rule in RULES if any(hint in lowered for hint in rule.hints)]


def _replaced(match: re.Match[str], rule: Rule) -> str:
    if not rule.check(match):
        return match[0]
    mark = f"[redacted:{rule.name}]"
    if "secret" not in rule.expression.groupindex:
        return mark
    start, end = match.start("secret") - match.start(), match.end("secret") - match.start()
    return match[0][:start] + mark + match[0][end:]


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is and in the usual encodings, and the lines of one that has several."""
    secret = secret.strip()
    if len(secret) < SHORTEST:
        return
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for coded in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield coded
        yield re.sub(r"%[0-9A-F]{2}", lambda escape: escape[0].lower(), coded)
    yield from _base64(secret.encode())
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= 16 and not line.startswith("-----"))


def _base64(raw: bytes) -> Iterator[str]:
    """Yield base64 forms: whole, and from the middle of something longer, whatever stands around it."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode()
        yield encode(raw).decode().rstrip("=")
        for before in range(3):
            coded = encode(b"\0" * before + raw).decode().rstrip("=")
            spoilt_at_end = 1 if (before + len(raw)) % 3 else 0  # shares its bits with what follows
            inner = coded[(0, 2, 3)[before] : len(coded) - spoilt_at_end]
            if len(inner) >= SHORTEST:
                yield inner


def _without_key_tail(s: str) -> str:
    """Return the text without the lines of a private key whose beginning was cut off."""
    match = END_OF_KEY.search(s)
    if match is None or "-----BEGIN" in s[: match.start()]:
        return s
    lines = s[: match.start()].split("\n")
    gone = len(lines)
    while gone and (not lines[gone - 1].strip() or KEY_LINE.fullmatch(lines[gone - 1].strip())):
        gone -= 1
    if gone == len(lines) or not any(line.strip() for line in lines[gone:]):
        return s
    kept = "\n".join(lines[:gone])
    return f"{kept}\n[redacted:private-key]".lstrip("\n") + s[match.end() :]
