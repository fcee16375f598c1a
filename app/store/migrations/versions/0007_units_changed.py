"""A number that grows whenever units change, so that open pages can be told."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("watchers", sa.Column("changed", sa.BigInteger(), server_default="0", nullable=False))
