"""What GitLab's documentation says that each call takes.

A parameter that is not here is a violation, though GitLab itself would ignore it without a word: what it
ignores was meant to do something.
"""

from __future__ import annotations

PROJECT = "/projects/{id}"
REQUESTS = f"{PROJECT}/merge_requests"
REQUEST = f"{REQUESTS}/{{iid}}"
NOTES = f"{REQUEST}/notes"

Kind = type | tuple[str, ...] | list[type]
Takes = dict[str, Kind]
"""A parameter's kind: a type, one of some words, or a list of a type. A name with `*` is a must."""

PAGES: Takes = {"page": int, "per_page": int}
HOOK: Takes = {
    "*url": str,
    "name": str,
    "description": str,
    "token": str,
    "signing_token": str,
    "enable_ssl_verification": bool,
    "push_events_branch_filter": str,
    "branch_filter_strategy": ("wildcard", "regex", "all_branches"),
    "custom_webhook_template": str,
    **{
        f"{event}_events": bool
        for event in [
            "confidential_issues",
            "confidential_note",
            "deployment",
            "emoji",
            "feature_flag",
            "issues",
            "job",
            "merge_requests",
            "milestone",
            "note",
            "pipeline",
            "push",
            "releases",
            "resource_access_token",
            "tag_push",
            "vulnerability",
            "wiki_page",
        ]
    },
}
CHANGE: Takes = {
    "title": str,
    "description": str,
    "target_branch": str,
    "assignee_id": int,
    "assignee_ids": [int],
    "reviewer_ids": [int],
    "milestone_id": int,
    "remove_source_branch": bool,
    "squash": bool,
    "allow_collaboration": bool,
    "allow_maintainer_to_push": bool,
    "merge_after": str,
}
TABLE: dict[tuple[str, str], Takes] = {
    ("GET", "/user"): {},
    ("GET", "/users"): PAGES
    | {
        "username": str,
        "search": str,
        "active": bool,
        "blocked": bool,
        "external": bool,
        "humans": bool,
        "exclude_external": bool,
        "order_by": ("id", "name", "username", "created_at", "updated_at"),
        "sort": ("asc", "desc"),
    },
    ("GET", "/personal_access_tokens/self"): {},
    ("GET", PROJECT): {"license": bool, "statistics": bool, "with_custom_attributes": bool},
    ("GET", f"{PROJECT}/members/all"): PAGES | {"query": str, "user_ids": [int], "state": str},
    ("GET", f"{PROJECT}/members/all/{{user_id}}"): {},
    ("GET", f"{PROJECT}/labels"): PAGES
    | {"with_counts": bool, "include_ancestor_groups": bool, "search": str, "archived": bool},
    ("GET", f"{PROJECT}/repository/commits/{{sha}}/statuses"): PAGES
    | {
        "ref": str,
        "stage": str,
        "name": str,
        "all": bool,
        "pipeline_id": int,
        "order_by": ("id", "pipeline_id"),
        "sort": ("asc", "desc"),
    },
    ("GET", REQUESTS): PAGES
    | {
        "state": ("opened", "closed", "locked", "merged", "all"),
        "order_by": (
            "created_at",
            "label_priority",
            "milestone_due",
            "popularity",
            "priority",
            "title",
            "updated_at",
            "merged_at",
        ),
        "sort": ("asc", "desc"),
        "scope": ("created_by_me", "assigned_to_me", "reviews_for_me", "all"),
        "source_branch": str,
        "target_branch": str,
        "search": str,
        "in": str,
        "labels": str,
        "milestone": str,
        "author_id": int,
        "author_username": str,
        "reviewer_id": int,
        "reviewer_username": str,
        "wip": ("yes", "no"),
        "draft": bool,
        "view": ("simple",),
        "with_labels_details": bool,
        "with_merge_status_recheck": bool,
        "created_after": str,
        "created_before": str,
        "updated_after": str,
        "updated_before": str,
    },
    ("POST", REQUESTS): CHANGE
    | {
        "*source_branch": str,
        "*target_branch": str,
        "*title": str,
        "labels": str,
        "target_project_id": int,
        "approvals_before_merge": int,
    },
    ("GET", REQUEST): {
        "render_html": bool,
        "include_diverged_commits_count": bool,
        "include_rebase_in_progress": bool,
    },
    ("PUT", REQUEST): CHANGE
    | {
        "state_event": ("close", "reopen"),
        "labels": str,
        "add_labels": str,
        "remove_labels": str,
        "discussion_locked": bool,
    },
    ("GET", f"{REQUEST}/approvals"): {},
    ("GET", f"{REQUEST}/reviewers"): {},
    ("GET", NOTES): PAGES
    | {
        "sort": ("asc", "desc"),
        "order_by": ("created_at", "updated_at"),
        "activity_filter": ("all_notes", "only_comments", "only_activity"),
    },
    ("POST", NOTES): {
        "*body": str,
        "internal": bool,
        "confidential": bool,
        "created_at": str,
        "merge_request_diff_head_sha": str,
    },
    ("GET", f"{NOTES}/{{note_id}}"): {},
    ("PUT", f"{NOTES}/{{note_id}}"): {"*body": str, "confidential": bool},
    ("GET", f"{NOTES}/{{note_id}}/award_emoji"): PAGES,
    ("POST", f"{NOTES}/{{note_id}}/award_emoji"): {"*name": str},
    ("GET", f"{PROJECT}/hooks"): PAGES,
    ("POST", f"{PROJECT}/hooks"): HOOK,
    ("GET", f"{PROJECT}/hooks/{{hook_id}}"): {},
    ("PUT", f"{PROJECT}/hooks/{{hook_id}}"): HOOK,
    ("DELETE", f"{PROJECT}/hooks/{{hook_id}}"): {},
}
