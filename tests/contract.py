"""The external contract, as other people's scripts rest on it: written out once, by hand."""

PROPOSAL = (
    "id",
    "project",
    "kind",
    "title",
    "state",
    "reason",
    "url",
    "number",
    "branch",
    "base_sha",
    "head_sha",
    "draft",
    "ci",
    "review",
    "unit",
    "fingerprint",
    "count",
    "hosts",
    "codex_md_diff",
    "checks",
    "created_at",
    "updated_at",
)
"""The fields of a proposal, in order."""

CHECK = ("command", "before", "after")
"""The fields of a proposal's check, in order."""

PROJECT = ("name", "forge", "repo", "url", "units", "open", "last_scan", "last_commit", "summary", "health")
"""The fields of a project, in order."""

EVENT = ("id", "at", "kind", "project", "proposal", "run", "actor", "host", "text", "data")
"""The fields of a line of the history, in order."""
