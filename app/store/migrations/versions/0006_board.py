"""What the page asks for at once: what each proposal needs, counters that the database keeps, indices."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

NEED = """UPDATE proposals SET need = CASE
    WHEN state = 'working' THEN 'working' WHEN state = 'waiting' THEN 'waiting'
    WHEN state = 'open' AND foreign_sha IS NOT NULL THEN 'edited'
    WHEN state = 'open' AND review = 'changes_requested' THEN 'changes_requested'
    WHEN state = 'open' AND ci = 'failure' THEN 'ci_failing'
    WHEN state = 'open' THEN 'ready'
    WHEN state IN ('refused', 'failed', 'skipped') AND (incident_id IS NULL OR (
        EXISTS (SELECT 1 FROM incidents WHERE incidents.id = incident_id AND incidents.state = 'open')
        AND NOT EXISTS (SELECT 1 FROM proposals AS newer
            WHERE newer.incident_id = proposals.incident_id AND newer.id > proposals.id)
    )) THEN 'not_proposed' END"""
MERGED = "UPDATE proposals SET merged_at = updated_at WHERE state = 'merged'"

TOTALS = "INSERT INTO tallies (name, at, subject, label, value)"
ADD = "ON CONFLICT (name, at, subject, label) DO UPDATE SET value = tallies.value + excluded.value"
TOLD = {
    "sqlite": (
        "coalesce(json_extract({0}.data, '$.more'), 1)",
        "json_extract({0}.data, '$.ignored') IS NULL",
        "CAST({0}.at / 900 AS INTEGER) * 900",
        "substr({0}.result, 1, instr({0}.result || ':', ':') - 1)",
    ),
    "postgresql": (
        # not as JSON, of which PostgreSQL refuses what SQLite takes: text with NUL in it
        "coalesce(substring({0}.data from '\"more\":([0-9]+)')::double precision, 1)",
        "strpos({0}.data, '\"ignored\":') = 0",
        "floor({0}.at / 900)::bigint * 900",
        "split_part({0}.result, ':', 1)",
    ),
}
FROM_OUTSIDE = "{0}.result IS NOT NULL AND {0}.source NOT IN ('invocations', 'recoveries')"


def triggers(dialect: str) -> list[str]:
    more, ours, quarter, outcome = (each.format("NEW") for each in TOLD[dialect])
    seen = " ".join(
        f"{TOTALS} VALUES ('failures', {at}, coalesce(NEW.project, ''), '', {more}) {ADD};"
        for at in ("0", quarter)
    )
    came = f"{TOTALS} VALUES ('deliveries', 0, NEW.source, {outcome}, 1) {ADD};"
    counted = f"NEW.kind = 'failure.seen' AND {ours}"
    arrived = FROM_OUTSIDE.format("NEW")
    wheres = (
        ("events_tally", "AFTER INSERT ON events", counted, seen),
        ("deliveries_tally_new", "AFTER INSERT ON deliveries", arrived, came),
        (
            "deliveries_tally_done",
            "AFTER UPDATE OF result ON deliveries",
            f"OLD.result IS NULL AND {arrived}",
            came,
        ),
    )
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {name} {when} FOR EACH ROW WHEN {which} BEGIN {what} END"
            for name, when, which, what in wheres
        ]
    made = []
    for name, when, which, what in wheres:
        body = f"BEGIN {what} RETURN NULL; END"
        made += [
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            f"CREATE TRIGGER {name} {when} FOR EACH ROW WHEN ({which}) EXECUTE FUNCTION {name}()",
        ]
    return made


def so_far(dialect: str) -> list[str]:
    more, ours, quarter, _ = (each.format("events") for each in TOLD[dialect])
    outcome = TOLD[dialect][3].format("deliveries")
    of = "coalesce(project, '')"
    seen = f"FROM events WHERE kind = 'failure.seen' AND {ours} GROUP BY"
    outside = f"FROM deliveries WHERE {FROM_OUTSIDE.format('deliveries')} GROUP BY source, {outcome}"
    return [
        f"{TOTALS} SELECT 'failures', 0, {of}, '', sum({more}) {seen} {of}",
        f"{TOTALS} SELECT 'failures', {quarter}, {of}, '', sum({more}) {seen} {quarter}, {of}",
        f"{TOTALS} SELECT 'deliveries', 0, source, {outcome}, count(*) {outside}",
    ]


def upgrade() -> None:
    op.add_column("proposals", sa.Column("need", sa.Text(), nullable=True))
    op.add_column("proposals", sa.Column("merged_at", sa.Double(), nullable=True))
    op.create_table(
        "tallies",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "at", "subject", "label", name=op.f("pk_tallies")),
    )
    for table, *columns in (
        ("incidents", "state"),
        ("proposals", "need"),
        ("proposals", "merged_at"),
        ("proposals", "project", "id"),
        ("runs", "kind", "state", "tokens"),
        ("runs", "tokens_at", "tokens"),
        ("events", "kind", "id"),
        ("events", "actor", "id"),
        ("events", "at"),
    ):
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns, unique=False)
    dialect = op.get_bind().dialect.name
    for statement in (NEED, MERGED, *so_far(dialect), *triggers(dialect)):
        op.execute(statement)
