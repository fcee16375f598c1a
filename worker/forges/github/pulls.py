"""What GitHub's JSON says of pull requests, whole or as it stands in lists. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.core.errors import ForgeError
from worker.forges.base import Remote

if TYPE_CHECKING:
    from worker.forges.github.answers import Place

CONFLICTS = {True: False, False: True}
"""By `mergeable`; it is null until GitHub has tried, and absent in lists."""


def remote(place: Place, pull: Any) -> Remote:  # noqa: ANN401 - whatever JSON holds
    """Return a pull request as ours; what its form leaves out stays empty. Raises ForgeError."""
    number, url = of(pull, "number"), of(pull, "html_url")
    if not isinstance(number, int) or not isinstance(url, str):
        raise ForgeError(f"{place}: GitHub answered with something that is no pull request")
    merged = bool(of(pull, "merged_at")) or of(pull, "merged") is True
    mergeable = of(pull, "mergeable")
    return Remote(
        number=number,
        url=url,
        state="merged" if merged else "closed" if of(pull, "state") == "closed" else "open",
        draft=of(pull, "draft") is True,
        head=text(pull, "head", "sha"),
        branch=text(pull, "head", "ref"),
        base=text(pull, "base", "ref"),
        title=text(pull, "title"),
        ended_by=text(pull, "merged_by", "login") if merged else "",
        # of an open one it is GitHub's own trial merge
        merge_commit=text(pull, "merge_commit_sha") if merged else "",
        conflicts=CONFLICTS[mergeable] if isinstance(mergeable, bool) else None,
        changed=text(pull, "updated_at"),
    )


def is_at_home(place: Place, pull: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    """Tell whether its branch is in our repository; a fork's is none of ours."""
    home = text(pull, "head", "repo", "full_name")  # the repository is null where a fork is gone
    return home.casefold() == place.repo.casefold()


def of(data: Any, *keys: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what stands in JSON under keys, one in the other; None where one is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def text(data: Any, *keys: str) -> str:  # noqa: ANN401 - whatever JSON holds
    """Return the text that stands in JSON under keys, "" where there is none."""
    found = of(data, *keys)
    return found if isinstance(found, str) else ""
