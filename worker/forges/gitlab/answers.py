"""What an answer of GitLab means, as one of our errors with project, forge and remedy. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError
from worker.forges import answers

DEVELOPER, MAINTAINER = 30, 40
RIGHTS = "the scope api and the role Developer"
RIGHTS_FOR_HOOKS = "the scope api and the role Maintainer, which webhooks need"
_MOVED_WRITE = "moved projects"
_RESTING = re.compile(r"maintenance|read[- ]only instance", re.IGNORECASE)
_NO_PROJECT = re.compile(r"404 project", re.IGNORECASE)


class UnknownTokenError(ForgeAccessError):
    """GitLab does not know the token, or not any more (401)."""


@dataclass(frozen=True)
class Place:
    """Whose work it is, for the text of errors."""

    project: str
    forge: str
    repo: str

    def __str__(self) -> str:
        return f"project {self.project} on forge {self.forge}"


class Answer(answers.Answer):
    """An answer of GitLab."""

    def said(self, data: dict[str, Any]) -> list[str]:
        """Return what stands under the names that GitLab has for it."""
        return [_said(data.get(key)) for key in ("message", "error", "error_description")]

    @property
    def lacks_a_part(self) -> bool:
        """Whether the project is there, and only what was asked for in it is not."""
        return self.status == 404 and isinstance(self.data, dict) and not _NO_PROJECT.search(self.words)


def wait_s(answer: Answer, now: float) -> float | None:
    """Return how many seconds GitLab asks us to wait, 0 where it does not say, None where it does not ask.

    `now` is the time of day. A limit's answer is plain text, "Retry later", and no JSON.
    """
    later = answer.headers.get("retry-after", "")
    if answer.status == 429:
        reset = answer.headers.get("ratelimit-reset", "")
        return answers.seconds(later, now) if later or not reset.isdecimal() else max(1.0, int(reset) - now)
    return answers.seconds(later, now) if answer.status == 503 and later else None


def quota(answer: Answer, now: float) -> tuple[int, int, float] | None:
    """Return how many calls are left, of how many, and for how many seconds; None where it is not said."""
    told = [answer.headers.get(f"ratelimit-{name}", "") for name in ("remaining", "limit", "reset")]
    if not all(map(str.isdecimal, told)):
        return None
    remaining, limit, reset = map(int, told)
    return remaining, limit, reset - now


def error(place: Place, answer: Answer, rights: str = RIGHTS) -> ForgeError:
    """Return what an answer that is no success means; `rights` are what the call needs."""
    status, words = answer.status, answer.words
    said = f"{place}: GitLab answered {status} to {answer.asked} ({words})"
    if status in answers.MOVED or (status == 405 and _MOVED_WRITE in words):
        return ForgeAccessError(
            f"{said}: {place.repo} was renamed or moved: set its new path as [projects.{place.project}] "
            f"repo, or the address that it leads to as url of [forges.{place.forge}]"
        )
    if status == 503 or (status == 403 and _RESTING.search(words)):
        return ForgeError(f"{said}: the instance is down or under maintenance: it is tried again")
    if not isinstance(answer.data, dict | list):
        return ForgeError(f"{said}, which is no JSON: if it stays so, check url of [forges.{place.forge}]")
    if status == 401:
        return UnknownTokenError(f"{said}: {_new_token(place)}")
    if status == 403:
        return ForgeAccessError(f"{said}: {_right(place, words, rights)}")
    if status == 404:
        what = f"it is not in {place.repo}" if answer.lacks_a_part else f"there is no {place.repo}"
        return ForgeAccessError(
            f"{said}: {what}, or the token may not see it: check "
            f"[projects.{place.project}] repo, and that {rights} on it are granted"
        )
    if status in (409, 423) or status >= 500:
        return ForgeError(f"{said}: it is tried again")
    if 400 <= status < 500:
        return ForgeRefusedError(said)
    return ForgeError(f"{said}, which is no answer to that: check url of [forges.{place.forge}]")


def archived(place: Place) -> ForgeAccessError:
    """Return the error for a project that nobody can write to."""
    return ForgeAccessError(
        f"{place}: {place.repo} is archived, so nothing can be proposed: unarchive it in its settings on "
        f"GitLab, or take [projects.{place.project}] out of the configuration"
    )


def renamed(place: Place, path: str) -> ForgeAccessError:
    """Return the error for a project that has another path now."""
    return ForgeAccessError(
        f"{place}: {place.repo} is now called {answers.line(path, 255)}: "
        f"set [projects.{place.project}] repo to that"
    )


def without_requests(place: Place) -> ForgeAccessError:
    """Return the error for a project whose merge requests are switched off."""
    return ForgeAccessError(
        f"{place}: merge requests are switched off in {place.repo}: switch them on in its settings on "
        "GitLab, General, Visibility, project features, permissions"
    )


def out_of_scope(place: Place, scopes: str) -> ForgeAccessError:
    """Return the error for a token that is known and may not use the interface."""
    return ForgeAccessError(
        f"{place}: the token has the scope {answers.line(scopes, 100) or '(none)'} only, and needs "
        f"api: {_new_token(place)}"
    )


def not_granted(place: Place) -> ForgeAccessError:
    """Return the error for a token whose user may only look."""
    return ForgeAccessError(
        f"{place}: the token's user may not write to {place.repo}: give it the role Developer there"
    )


def _new_token(place: Place) -> str:
    return f"make a new token on GitLab and put it into token or token_file of [forges.{place.forge}]"


def _right(place: Place, words: str, rights: str) -> str:
    if "insufficient_scope" in words:
        return f"the token needs the scope api: {_new_token(place)}"
    return f"give the token {rights} on {place.repo}"


def _said(value: object) -> str:
    """Return one line of what GitLab says, which is text, a list, or a field with its list."""
    if isinstance(value, dict):
        return "; ".join(f"{key} {_said(each)}".replace("base ", "") for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(_said(each) for each in value)
    return "" if value is None else str(value)
