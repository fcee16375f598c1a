"""The project that the end-to-end tests repair: a service with a bug, and a check that shows it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.demo.model import fields, message, outputs, patch, shell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.demo.model import Item, Request

FILES = {
    "greeter.py": (
        "import sys\n\n\n"
        "def greet(name):\n"
        '    return "Hello, " + name.strip().split()[0] + "!"\n\n\n'
        'if __name__ == "__main__":\n'
        '    for line in open(sys.argv[1] if len(sys.argv) > 1 else "names.txt"):\n'
        "        print(greet(line))\n"
    ),
    "check.py": (
        "from greeter import greet\n\n"
        'assert greet("Ada Lovelace") == "Hello, Ada!"\n'
        'assert greet("\\n") == "Hello, stranger!", greet("\\n")\n'
    ),
    "names.txt": "Ada Lovelace\n\nGrace Hopper\n",
}
LOG = (
    "Nov 23 03:12:44 pi greeter[812]: Hello, Ada!\n"
    "Nov 23 03:12:44 pi greeter[812]: Traceback (most recent call last):\n"
    'Nov 23 03:12:44 pi greeter[812]:   File "/srv/greeter/greeter.py", line 10, in <module>\n'
    "Nov 23 03:12:44 pi greeter[812]:     print(greet(line))\n"
    'Nov 23 03:12:44 pi greeter[812]:   File "/srv/greeter/greeter.py", line 5, in greet\n'
    "Nov 23 03:12:44 pi greeter[812]: IndexError: list index out of range\n"
)
FIX = """*** Begin Patch
*** Update File: greeter.py
@@
 def greet(name):
-    return "Hello, " + name.strip().split()[0] + "!"
+    words = name.split()
+    return "Hello, " + (words[0] if words else "stranger") + "!"
*** End Patch"""
TITLE = "Greet an empty line as a stranger"
ANSWER: dict[str, object] = {
    "verdict": "fixed",
    "title": TITLE,
    "cause": "An empty line has no first word, so split()[0] raises IndexError.",
    "change": "Falls back to a general greeting when the line is empty.",
    "risk": "low",
    "confidence": 0.9,
}
SUMMARY = "# greeter\n\nPrints a greeting for each line of names.txt. Entry point: `greeter.py`.\n"


@dataclass
class Greeter:
    """A model that reads the code, mends it by a patch, and sums the project up.

    It says nothing of tests or proposals: whether the patch works is for the checks to find out.
    """

    fix: str = FIX
    answer: dict[str, object] = field(default_factory=lambda: dict(ANSWER))
    summary: str = SUMMARY
    kinds: list[str] = field(default_factory=list)
    orders: Sequence[str] = ("cat greeter.py",)

    def reply(self, request: Request) -> list[Item]:
        """Look, patch, answer; or answer the summarise call at once."""
        if "codex_md" in fields(request):
            self.kinds.append("summarise")
            return [
                message(
                    {"changed": self.summary not in json.dumps(request["input"]), "codex_md": self.summary}
                )
            ]
        done = len(outputs(request))
        if done < len(self.orders):
            return [shell(self.orders[done])]
        if done == len(self.orders) and self.fix:
            return [patch(self.fix)]
        self.kinds.append("fix")
        return [message(self.answer)]


def git(*argv: str, at: Path) -> str:
    """Run git as the project's owner would."""
    who = ["-c", "user.name=Owner", "-c", "user.email=owner@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *argv], cwd=at, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make(at: Path, files: dict[str, str] | None = None) -> Path:
    """Make the bare repository of the project and its owner's checkout beside it; return the former."""
    bare, checkout = at / "greeter.git", at / "checkout"
    git("init", "--quiet", "--bare", str(bare), at=at)
    git("clone", "--quiet", str(bare), str(checkout), at=at)
    commit(checkout, files or FILES, "Greet everybody")
    return bare


def commit(checkout: Path, files: dict[str, str], message_: str) -> str:
    """Commit and push files as the owner; return the commit."""
    for name, text in files.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    git("add", "--all", at=checkout)
    git("commit", "--quiet", "-m", message_, at=checkout)
    git("push", "--quiet", "origin", "HEAD:main", at=checkout)
    return git("rev-parse", "HEAD", at=checkout)
