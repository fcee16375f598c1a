"""The schema's version, known without importing Alembic."""

HEAD = "0007"
"""The newest migration; their numbers have four digits, so that text order is their order."""
