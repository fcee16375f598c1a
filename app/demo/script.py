"""What the demo's model says, word for word.

It plays a model that reads the code, mends it and tries its work. Whether the repair is any good is not
in this script: the project's checks, run before and after in the sandbox, find that out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.demo.model import fields, message, outputs, patch, prompt, shell

if TYPE_CHECKING:
    from app.demo.model import Item, Request

LOOK = "cat book.py && echo --- && cat -A visitors.csv"
MEND = """\
*** Begin Patch
*** Update File: book.py
@@
 def read(path):
     with open(path, encoding="utf-8") as file:
-        return [parse(line) for line in file]
+        return [parse(line) for line in file if line.strip()]
*** Update File: test_book.py
@@
 import unittest
+from pathlib import Path
+from tempfile import TemporaryDirectory

-from book import Visitor, parse
+from book import Visitor, parse, read
 from greeter import greeting
@@
     def test_the_visit_of_today_counts(self):
         self.assertIn("visit number 4", greeting(Visitor("Ada Lovelace", 3)))
+
+    def test_an_empty_line_is_nobody(self):
+        with TemporaryDirectory() as folder:
+            book = Path(folder, "visitors.csv")
+            book.write_text("Ada Lovelace,3\\n\\nGrace Hopper,5\\n", encoding="utf-8")
+            self.assertEqual([visitor.name for visitor in read(book)], ["Ada Lovelace", "Grace Hopper"])
*** End Patch"""
TRY = "python3 greeter.py visitors.csv && python3 -m unittest -q && echo IT WORKS"
WORKS = "IT WORKS"
FIXED = {
    "verdict": "fixed",
    "title": "Skip empty lines of the visitor book",
    "cause": (
        "The nightly job left an empty line in visitors.csv. parse() splits each line at its comma and "
        "expects two parts, so an empty line raises ValueError and the service ends before any greeting."
    ),
    "change": "read() leaves out lines with nothing on them. A test keeps it that way.",
    "risk": "low",
    "confidence": 0.95,
}
GIVEN_UP = {
    "verdict": "cannot_fix",
    "title": "The repair of the visitor book did not work",
    "cause": "The service still fails after the change; see the run's output.",
    "change": "Skips empty lines, which was not enough.",
    "risk": "low",
    "confidence": 0.1,
}
CODEX_MD = """\
# greeter

A small service that greets the visitors of a book. It runs to its end and needs nothing but Python's
standard library.

- `greeter.py`: the entry point (`python3 greeter.py visitors.csv`); prints a greeting for each visitor,
  the most faithful first.
- `book.py`: reads the visitor book, one `name,visits` a line; empty lines are skipped.
- `visitors.csv`: the book itself; a nightly job appends to it.
- `test_book.py`: the tests (`python3 -m unittest -q`).
"""


class Script:
    """Reads, mends, tries, answers; and writes codex.md when asked for a summary."""

    def reply(self, request: Request) -> list[Item]:
        """Return what comes next, by what has been said and done so far."""
        if "codex_md" in fields(request):
            return [message({"changed": CODEX_MD not in prompt(request), "codex_md": CODEX_MD})]
        seen = outputs(request)
        steps = (shell(LOOK), patch(MEND), shell(TRY))
        if len(seen) < len(steps):
            return [steps[len(seen)]]
        return [message(FIXED if WORKS in seen[-1] else GIVEN_UP)]
