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
