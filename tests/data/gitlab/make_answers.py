"""Write answers.json: which keys recorded answers of gitlab.com have, and of what kind each value is.

Run it with the file of recorded answers (see SOURCES.md). Values are left out: they name real people.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def kind(value: Any) -> Any:
    """Return a value's kind: a word, or what is inside."""
    if isinstance(value, dict):
        return {key: kind(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [kind(value[0])] if value else []
    return KINDS[type(value)]


if __name__ == "__main__":
    recorded = json.loads(Path(sys.argv[1]).read_text())["gl"]
    told = {name: kind(recorded[name]) for name in ("mr", "note", "project", "status")}
    Path(__file__).with_name("answers.json").write_text(json.dumps(told, indent=1) + "\n")
