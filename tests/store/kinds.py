"""Marks for tests of the store that are about one kind of database."""

from __future__ import annotations

import pytest

sqlite_only = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
postgresql_only = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
