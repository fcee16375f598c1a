"""The tables. Rows are the truth of the program; `columns` says how times and JSON stand in them.

A change here needs a migration in `migrations/versions` and the new number in `version.HEAD`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
)

from app.store.columns import Json, PackedJson, Text, Time

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite's row id must be INTEGER

projects = Table(
    "projects",
    metadata,
    Column("name", Text, primary_key=True),
    Column("url", Text),  # where people look at the repository
    Column("default_branch", Text),
    Column("last_scan", Time),
    Column("last_commit", Text),
    Column("summary", Text),  # of codex.md: missing, outdated, current
    Column("codex_md", Text),  # its text on the default branch, redacted; long: lists leave it out
    Column("codex_md_commit", Text),  # the commit that it was read at
    Column("codex_md_cut", Boolean, nullable=False, server_default="0"),  # the file goes on
)

watchers = Table(
    "watchers",
    metadata,
    Column("host", Text, primary_key=True),
    Column("bus", Text, primary_key=True),  # one host may have several: the system's, and users'
    Column("heard_at", Time, nullable=False),
    Column("told", BigInteger, nullable=False),  # `sent` of its last full report
    # of all watchers the highest belongs to the one whose units changed last
    Column("changed", BigInteger, nullable=False, server_default="0"),
)

units = Table(
    "units",
    metadata,
    Column("host", Text, primary_key=True),
    Column("bus", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("load", Text, nullable=False),
    Column("active", Text, nullable=False),
    Column("sub", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("since", Time),
    Column("sent", BigInteger, nullable=False),  # of the report that changed it last
    Index(None, "project"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("fingerprint_version", Integer, nullable=False),
    Column("result", Text, nullable=False),
    Column("exit_status", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("count", Integer, nullable=False),
    Column("hosts", Json, nullable=False),
    Column("first_at", Time, nullable=False),
    Column("last_at", Time, nullable=False),
    Column("log", Text, nullable=False),  # redacted
    UniqueConstraint("project", "fingerprint"),
    Index(None, "state"),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("incident_id", ID, ForeignKey("incidents.id")),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("url", Text),
    Column("number", Integer),
    Column("branch", Text, nullable=False),
    Column("base_sha", Text),
    Column("head_sha", Text),
    Column("draft", Boolean, nullable=False, server_default="0"),
    Column("ci", Text, nullable=False, server_default="none"),
    Column("review", Text, nullable=False, server_default="none"),
    Column("unit", Text),
    Column("fingerprint", Text),
    Column("codex_md_diff", Text, nullable=False, server_default=""),
    Column("checks", Json, nullable=False, server_default="[]"),
    Column("pushed", Json, nullable=False, server_default="[]"),  # every SHA that we pushed, oldest first
    Column("body", Text, nullable=False, server_default=""),  # the description as the forge has it
    Column("snoozed_until", Time),
    Column("opened_at", Time),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("failing", Json, nullable=False, server_default="[]"),  # names of what fails in CI
    Column("own_title", Text, nullable=False, server_default=""),  # the one that we gave last
    Column("foreign_sha", Text),  # a commit on its branch that we did not push: we leave it alone
    Column("merge_commit", Text),
    Column("follows", ID),  # the merged proposal whose failure came back
    Column("forge_changed", Text, nullable=False, server_default=""),  # the forge's time of what we know
    Column("last_comment", ID, nullable=False, server_default="0"),  # the newest one that we have read
    Column("need", Text),  # what it needs from people; empty where it needs nothing
    Column("merged_at", Time),
    UniqueConstraint("project", "branch"),
    Index(None, "need"),
    Index(None, "merged_at"),
    Index(None, "project", "id"),
    Index(None, "state"),
    Index(None, "incident_id"),
    Index(None, "project", "number"),
    Index(None, "head_sha"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("proposal_id", ID, ForeignKey("proposals.id"), nullable=False),
    Column("project", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False, server_default=""),
    Column("retry", Integer, nullable=False, server_default="0"),
    Column("base_sha", Text),
    Column("thread", Text),
    Column("answer", Json),
    Column("changeset", Json),
    Column("checks", Json, nullable=False, server_default="[]"),
    Column("diff", Text, nullable=False, server_default=""),
    Column("summary", Json),
    Column("codex_md_diff", Text, nullable=False, server_default=""),
    Column("notes", Json, nullable=False, server_default="[]"),
    Column("model", Text, nullable=False, server_default=""),
    Column("usage", Json, nullable=False, server_default="{}"),
    Column("tokens", Integer, nullable=False, server_default="0"),
    Column("tokens_at", Time),  # when tokens were last spent, for the daily limit
    Column("reason", Text),
    Column("commit_sha", Text),
    Column("started_at", Time),
    Column("finished_at", Time),
    Index(None, "proposal_id"),
    Index(None, "kind", "state", "tokens"),
    Index(None, "tokens_at", "tokens"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("queue", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("args", Json, nullable=False),
    Column("proposal_id", ID),  # of args: finds a person's request that is still pending
    Column("state", Text, nullable=False),  # queued, running, done, dead
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", Time, nullable=False),
    Column("rung_at", Time),
    Column("lease_owner", Text),
    Column("lease_until", Time),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("reason", Text),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Index(None, "state", "not_before"),
    Index(None, "proposal_id"),
    sqlite_autoincrement=True,  # an id must not come back while an old ring for it is under way
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", ID, primary_key=True),
    Column("source", Text, nullable=False),  # a forge's name, or "reports"
    Column("delivery_id", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("headers", Json, nullable=False, server_default="{}"),
    Column("proposal_id", ID),  # what a report came to, for those who wait
    Column("result", Text),
    Column("received_at", Time, nullable=False),
    Column("done_at", Time),
    UniqueConstraint("source", "delivery_id"),
)

results = Table(
    "results",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("value", PackedJson, nullable=False),
    Column("created_at", Time, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", Time, nullable=False),
    Column("kind", Text, nullable=False),
    Column("project", Text),
    Column("proposal", ID),
    Column("run", ID),
    Column("actor", Text, nullable=False),
    Column("host", Text),
    Column("text", Text, nullable=False),
    Column("data", Json, nullable=False, server_default="{}"),
    Index(None, "project", "id"),
    Index(None, "proposal", "id"),
    Index(None, "kind", "id"),
    Index(None, "actor", "id"),
    Index(None, "at"),
)

tallies = Table(  # counters; triggers keep those of failures and deliveries
    "tallies",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),  # a quarter of an hour; 0 is of all time
    Column("subject", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("value", Double, nullable=False),
)

pauses = Table(
    "pauses",
    metadata,
    Column("scope", Text, primary_key=True),  # "all"
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Time, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("key", Text, nullable=False),  # a hash of the cookie's value
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("way", Text, nullable=False),  # how they came in: token, password, link, forge, proxy, demo
    Column("mark", Text, nullable=False),  # of the configuration's entry that let them in
    Column("peer", Text, nullable=False, server_default=""),
    Column("agent", Text, nullable=False, server_default=""),  # what the browser says it is
    Column("created_at", Time, nullable=False),
    Column("seen_at", Time, nullable=False),
    Column("until", Time, nullable=False),
    UniqueConstraint("key"),
    Index(None, "name"),
    sqlite_autoincrement=True,  # an old page's button must not end a newer session
)

passes = Table(
    "passes",
    metadata,
    Column("key", Text, primary_key=True),  # a hash of what is shown once
    Column("data", Json, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("until", Time, nullable=False),
)
