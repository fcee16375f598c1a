"""What an answer of GitHub means, as one of our errors with project, forge and remedy. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError
from worker.forges import answers

RIGHTS = "Contents and Pull requests: read and write"
_LIMIT = re.compile(r"rate limit|abuse detection|temporarily blocked", re.IGNORECASE)
_SSO_URL = re.compile(r"url=(https://[^\s;,]+)")


class UnknownTokenError(ForgeAccessError):
    """GitHub does not know the token or the App's key (401)."""


@dataclass(frozen=True)
class Place:
    """Whose work it is, for the text of errors."""

    project: str
    forge: str
    repo: str
    app_id: str = ""

    def __str__(self) -> str:
        return f"project {self.project} on forge {self.forge}"


class Answer(answers.Answer):
    """An answer of GitHub."""

    def said(self, data: dict[str, Any]) -> list[str]:
        """Return the message and the details of a 422."""
        errors: object = data.get("errors")
        more = [_detail(each) for each in errors] if isinstance(errors, list) else [errors]
        return [str(each) for each in (data.get("message"), *more) if each]


def wait_s(answer: Answer, now: float) -> float | None:
    """Return how many seconds GitHub asks us to wait, 0 where it does not say, None where it does not ask.

    The order is GitHub's: Retry-After, then x-ratelimit-reset if none remain. `now` is the time of day.
    """
    if answer.status not in (403, 429):
        return None
    if later := answer.headers.get("retry-after"):
        return answers.seconds(later, now)
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(1.0, int(reset) - now)
    return 0.0 if answer.status == 429 or _LIMIT.search(answer.words) else None


def quota(answer: Answer, now: float) -> tuple[int, int, float] | None:
    """Return how many calls are left, of how many, and for how many seconds; None where it is not said."""
    headers = answer.headers
    told = [headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "limit", "reset")]
    if headers.get("x-ratelimit-resource", "core") != "core" or not all(map(str.isdecimal, told)):
        return None
    remaining, limit, reset = map(int, told)
    return remaining, limit, reset - now


def error(place: Place, answer: Answer, rights: str = RIGHTS) -> ForgeError:
    """Return what an answer that is no success means; `rights` are what the call needs."""
    status, words = answer.status, answer.words
    said = f"{place}: GitHub answered {status} to {answer.asked} ({words})"
    if status in answers.MOVED:
        return ForgeAccessError(
            f"{said}: {place.repo} was renamed or moved: set its new name as [projects.{place.project}] repo"
        )
    if not isinstance(answer.data, dict | list):
        return ForgeError(
            f"{said}, which is no JSON: if it stays so, check api_url of [forges.{place.forge}]"
        )
    if status == 401:
        return UnknownTokenError(f"{said}: {_identity(place)}")
    if status in (403, 451):
        return ForgeAccessError(f"{said}: {_right(place, answer, rights)}")
    if status == 404:
        return ForgeAccessError(
            f"{said}: there is no {place.repo}, or the {_who(place)} may not see it: check "
            f"[projects.{place.project}] repo, and that {rights} on it are granted"
        )
    if status == 409 or status >= 500:
        return ForgeError(f"{said}: it is tried again")
    if 400 <= status < 500:
        return ForgeRefusedError(said)
    return ForgeError(f"{said}, which is no answer to that: check api_url of [forges.{place.forge}]")


def archived(place: Place) -> ForgeAccessError:
    """Return the error for a repository that nobody can write to."""
    return ForgeAccessError(
        f"{place}: {place.repo} is archived, so nothing can be proposed: unarchive it in its settings on "
        f"GitHub, or take [projects.{place.project}] out of the configuration"
    )


def renamed(place: Place, name: str) -> ForgeAccessError:
    """Return the error for a repository that has another name now."""
    return ForgeAccessError(
        f"{place}: {place.repo} is now called {answers.line(name, 150)}: "
        f"set [projects.{place.project}] repo to that"
    )


def not_installed(place: Place) -> ForgeAccessError:
    """Return the error for an App that cannot reach the repository."""
    return ForgeAccessError(
        f"{place}: the GitHub App {place.app_id} is not installed on {place.repo}: open the App's page on "
        f"GitHub, choose Install, and select that repository (or check [projects.{place.project}] repo)"
    )


def not_granted(place: Place, missing: str) -> ForgeAccessError:
    """Return the error for a token that is known and may not write."""
    where = "in the App's settings, and accept the new permissions where it is installed"
    return ForgeAccessError(
        f"{place}: the {_who(place)} may not write to {place.repo}: give it {missing}: read and write"
        + (f" {where}" if place.app_id else "")
    )


def _identity(place: Place) -> str:
    if place.app_id:
        return (
            f"the key does not fit the GitHub App {place.app_id}, or this machine's clock is wrong: "
            f"check app_id and private_key of [forges.{place.forge}], and the time"
        )
    return f"make a new token on GitHub and put it into token or token_file of [forges.{place.forge}]"


def _right(place: Place, answer: Answer, rights: str) -> str:
    words = answer.words.lower()
    sso = answer.headers.get("x-github-sso", "")
    if sso or "saml" in words:
        link = _SSO_URL.search(sso)
        where = link[1] if link else "GitHub, Settings, Developer settings, at the token: Configure SSO"
        return f"the organisation wants the token authorised for single sign-on: do that at {where}"
    if "archived" in words:
        return f"unarchive {place.repo}, or take [projects.{place.project}] out of the configuration"
    if "suspended" in words:
        return f"unsuspend the {_who(place)} on GitHub"
    needs = answer.headers.get("x-accepted-github-permissions", "")
    more = f"; this call needs {answers.line(needs, 100)}" if needs else ""
    return f"give the {_who(place)} {rights} on {place.repo}{more}"


def _who(place: Place) -> str:
    return f"GitHub App {place.app_id}" if place.app_id else "token"


def _detail(error: object) -> str:
    """Return one line of a 422; some have words, others only the field and a code."""
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or " ".join(str(error[k]) for k in ("field", "code") if error.get(k)))
