"""What is read back from forges: who changed a branch, what CI says, how far comments were read."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for column in (
        sa.Column("failing", sa.Text(), server_default="[]", nullable=False),
        sa.Column("own_title", sa.Text(), server_default="", nullable=False),
        sa.Column("foreign_sha", sa.Text(), nullable=True),
        sa.Column("merge_commit", sa.Text(), nullable=True),
        sa.Column("follows", ID, nullable=True),
        sa.Column("forge_changed", sa.Text(), server_default="", nullable=False),
        sa.Column("last_comment", ID, server_default="0", nullable=False),
    ):
        op.add_column("proposals", column)
    op.create_index(op.f("ix_proposals_project_number"), "proposals", ["project", "number"], unique=False)
    op.create_index(op.f("ix_proposals_head_sha"), "proposals", ["head_sha"], unique=False)
