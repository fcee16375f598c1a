"""codex.md as it stands on each project's default branch, for the page."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for column in (
        sa.Column("codex_md", sa.Text(), nullable=True),
        sa.Column("codex_md_commit", sa.Text(), nullable=True),
        sa.Column("codex_md_cut", sa.Boolean(), server_default="0", nullable=False),
    ):
        op.add_column("projects", column)
