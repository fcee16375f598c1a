"""What an optional import would have loaded stays out, and only there."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from app.core.lean import without

if TYPE_CHECKING:
    from pathlib import Path


def test_a_module_is_absent_inside_and_back_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "optional_part.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with without("optional_part"), pytest.raises(ImportError):
        importlib.import_module("optional_part")
    assert importlib.import_module("optional_part").VALUE == 1


def test_a_loaded_module_stays() -> None:
    with without("json"):
        import json

        assert json.loads("1") == 1


@pytest.mark.parametrize(
    ("start", "heavy"),
    [
        ("app.core.logs", "rich"),
        ("app.core.queue; app.core.queue.redis_settings('redis://x')", "cryptography"),
        ("app.store.board, app.store.inbox", "sqlalchemy.dialects.postgresql"),
    ],
)
def test_no_process_loads_what_it_has_no_use_for(start: str, heavy: str) -> None:
    module = start.partition(";")[0]
    program = f"import sys, {module}; {start}; sys.exit('{heavy}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
