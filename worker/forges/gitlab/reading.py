"""What GitLab says of a merge request, of its CI and of its reviews, in our words. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from worker.forges.base import Remote, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable

DRAFT = "Draft: "
LONGEST_TITLE = 255
_DRAFT = re.compile(r"(?:\s*(?:\[(?:draft|wip)\]|\(draft\)|(?:draft|wip):))+\s*", re.IGNORECASE)
_UNDECIDED = ("unchecked", "checking", "cannot_be_merged_recheck", "preparing")

CI: dict[str, str] = {
    "success": "success",
    "failed": "failure",
    "canceled": "failure",
    "skipped": "none",
    "created": "pending",
    "waiting_for_resource": "pending",
    "waiting_for_callback": "pending",
    "preparing": "pending",
    "pending": "pending",
    "running": "pending",
    "canceling": "pending",
    "scheduled": "pending",
    "manual": "pending",
}
"""A job's, an external status's and a pipeline's state; whatever else a newer GitLab may say is pending."""


def title_of(title: str) -> str:
    """Return a title without the words that make a merge request a draft."""
    return _DRAFT.sub("", title, count=1) if _DRAFT.match(title) else title


def titled(title: str, *, draft: bool) -> str:
    """Return a title that makes a merge request a draft, or does not, within GitLab's limit."""
    whole = (DRAFT if draft else "") + title_of(title)
    return whole if len(whole) <= LONGEST_TITLE else whole[: LONGEST_TITLE - 1] + "…"


def tame(text: str) -> str:
    """Return text in which no line is a quick action, such as `/merge`: those start at a line's start."""
    return re.sub(r"^/", " /", text, flags=re.MULTILINE)


def is_ours(request: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    """Tell whether the branch is in the project itself; a fork's is none of ours."""
    source = of(request, "source_project_id")
    return source is not None and source == of(request, "target_project_id")


def remote(request: Any) -> Remote | None:  # noqa: ANN401 - whatever JSON holds
    """Return a merge request in our words; None for something that is none."""
    number, url = of(request, "iid"), of(request, "web_url")
    if not isinstance(number, int) or not isinstance(url, str):
        return None
    state, head, title = of(request, "state"), _text(request, "sha"), _text(request, "title")
    merged, closed = state == "merged", state == "closed"
    ender = of(request, "closed_by") if closed else of(request, "merge_user") or of(request, "merged_by")
    commits = (_text(request, name) for name in ("merge_commit_sha", "squash_commit_sha"))
    return Remote(
        number=number,
        url=url,
        state="merged" if merged else "closed" if closed else "open",  # "locked" is one about to be merged
        draft=of(request, "draft") is True or of(request, "work_in_progress") is True,
        head=head,
        branch=_text(request, "source_branch"),
        base=_text(request, "target_branch"),
        title=title_of(title),
        ended_by=_text(ender, "username") if merged or closed else "",
        merge_commit=next((each for each in commits if each), head) if merged else "",
        conflicts=None if merged or closed else _conflicts(request),
        changed=_text(request, "updated_at"),
    )


def standing(
    statuses: Iterable[Any],
    request: Any,  # noqa: ANN401 - whatever JSON holds
    approvals: Any,  # noqa: ANN401
    reviewers: Any,  # noqa: ANN401
) -> Standing:
    """Return what CI says of a commit, from its statuses, else its pipeline, and what reviewers say."""
    jobs = _newest(statuses)
    pipeline = of(request, "head_pipeline")
    if not jobs and _is_of(pipeline, of(request, "sha")):
        jobs = {"pipeline": pipeline}
    said = {name: _of_job(job) for name, job in jobs.items()}
    folded = next((ci for ci in ("failure", "pending", "success") if ci in said.values()), "none")
    against = [_text(of(each, "user"), "username") for each in some(reviewers) if _against(each)]
    approved = [_text(of(each, "user"), "username") for each in some(of(approvals, "approved_by"))]
    return Standing(
        ci=folded,  # type: ignore[arg-type]  # the tuple above holds its very words
        failing=tuple(sorted(name for name, ci in said.items() if ci == "failure")),
        review="changes_requested" if against else "approved" if approved else "none",
        reviewers=tuple(sorted(against or approved)),
    )


def of(data: Any, key: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what stands under a key; None where there is nothing."""
    return data.get(key) if isinstance(data, dict) else None


def some(data: Any) -> list[Any]:  # noqa: ANN401 - whatever JSON holds
    """Return a list; an empty one for whatever is none."""
    return data if isinstance(data, list) else []


def _conflicts(request: Any) -> bool | None:  # noqa: ANN401 - whatever JSON holds
    if of(request, "merge_status") in _UNDECIDED or of(request, "detailed_merge_status") in _UNDECIDED:
        return None
    told = of(request, "has_conflicts")
    return told if isinstance(told, bool) else of(request, "detailed_merge_status") == "conflict" or None


def _newest(statuses: Iterable[Any]) -> dict[str, Any]:
    """Return the newest status of each name: a retried job leaves its older ones behind."""
    found: dict[str, Any] = {}
    for status in statuses:
        name, id_ = _text(status, "name"), of(status, "id")
        if isinstance(id_, int) and (name not in found or found[name]["id"] < id_):
            found[name] = status
    return found


def _is_of(pipeline: Any, head: object) -> bool:  # noqa: ANN401 - whatever JSON holds
    """Tell whether a pipeline is the head's, or that of the head merged into its base."""
    return pipeline is not None and (of(pipeline, "sha") == head or _text(pipeline, "ref").endswith("/merge"))


def _of_job(job: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    state, may_fail = CI.get(_text(job, "status"), "pending"), of(job, "allow_failure") is True
    if may_fail and of(job, "status") == "manual":
        return "none"  # nobody needs to start it
    return "success" if may_fail and state == "failure" else state


def _against(reviewer: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    return _text(reviewer, "state") == "requested_changes"


def _text(data: Any, key: str) -> str:  # noqa: ANN401 - whatever JSON holds
    value = of(data, key)
    return value if isinstance(value, str) else ""
