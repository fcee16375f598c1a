"""Logs, sources and diffs as they look in real life: colours of terminals, many languages, long ones."""

from __future__ import annotations

import difflib

ESC = "\x1b"
RED, GREEN, BOLD, PLAIN = (f"{ESC}[{code}m" for code in ("31", "32", "1", "0"))


def changed(path: str, old: str, new: str, *, mode: str = "100644") -> str:
    """Return the diff of one file as git writes it; an empty side is a file that is not there."""
    head = f"diff --git a/{path} b/{path}\n"
    if not old:
        head += f"new file mode {mode}\n"
    elif not new:
        head += f"deleted file mode {mode}\n"
    body = difflib.unified_diff(
        old.splitlines(keepends=True),
        new.splitlines(keepends=True),
        f"a/{path}" if old else "/dev/null",
        f"b/{path}" if new else "/dev/null",
    )
    marked = "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in body
    )
    return f"{head}index 3b18e51..9f4d96d {mode}\n{marked}"


def binary(path: str) -> str:
    """Return what git says of a binary file that changed."""
    return (
        f"diff --git a/{path} b/{path}\nindex 1f0e3da..77c2d2b 100644\n"
        f"Binary files a/{path} and b/{path} differ\n"
    )


def traceback(script: str, line: int, code: str, error: str, *, before: str = "") -> str:
    """Return how Python dies under systemd."""
    return (
        f'{before}Traceback (most recent call last):\n  File "{script}", line {line}, in <module>\n    '
        f'main()\n  File "{script}", line {line - 12}, in main\n    {code}\n{error}\n'
    )


def long_log(lines: int, last: str) -> str:
    """Return a chatty log with the colours that its program wrote, and the line that matters at its end."""
    said = [
        f"{GREEN}INFO {PLAIN} {BOLD}orders{PLAIN} request {number:05d} GET /orders?page={number % 40} "
        f"200 in {7 + number % 23} ms"
        if number % 17
        else f"{ESC}[33mWARN {PLAIN} {BOLD}orders{PLAIN} pool is at {number % 10 + 90} %"
        for number in range(lines)
    ]
    return "\n".join([*said, f"{RED}{BOLD}FATAL{PLAIN} {last}"]) + "\n"


def huge_diff(lines: int) -> str:
    """Return the diff of a lock file that was made anew: as many lines, half of them removed."""
    pairs = lines // 2

    def entry(number: int, version: int) -> str:
        return f'    "pkg-{number:05d}": {{"version": "{version}.{number % 30}.{number % 9}", "dev": true}},'

    old = "\n".join(f"-{entry(number, 1)}" for number in range(pairs))
    new = "\n".join(f"+{entry(number, 2)}" for number in range(pairs))
    head = "diff --git a/package-lock.json b/package-lock.json\nindex 0c1d2e3..4f5a6b7 100644\n"
    marks = "--- a/package-lock.json\n+++ b/package-lock.json\n"
    return f"{head}{marks}@@ -3,{pairs} +3,{pairs} @@\n{old}\n{new}\n"


def codex_md(project: str, what: str, sections: int = 3) -> str:
    """Return a summary of a project, with all that Markdown has and a section for each of its parts."""
    parts = "\n".join(
        f"### {project}/part_{number:03d}.py\n\nReads its settings once, at start. "
        f"[Its tests](tests/test_part_{number:03d}.py) take `{number + 1}` s.\n"
        for number in range(sections)
    )
    return (
        f"# {project}\n\n{what}\n\n## How it runs\n\n"
        f"1. systemd starts `{project}.service` after the network.\n"
        "2. It reads `/etc/default/"
        + project
        + "`.\n3. It ends with **status 1** when that is *missing*.\n\n"
        "```python\ndef main() -> None:\n    settings = load()  # raises where a key is missing\n"
        '    serve(settings["port"])\n```\n\n| file | what it does |\n| --- | --- |\n'
        f"| `{project}.py` | starts, stops |\n| `settings.py` | reads the configuration |\n\n"
        f"> Do not change the order of the columns: other programs read them.\n\n## Its parts\n\n{parts}"
    )


def described(unit: str, cause: str, change: str) -> str:
    """Return the description of a proposal, as the forge has it."""
    return (
        f"## What failed\n\n`{unit}` failed.\n\n## Why\n\n{cause}\n\n## The change\n\n{change}\n\n"
        "## Proof\n\n| check | before | after |\n| --- | --- | --- |\n| `pytest -q` | fail | pass |\n\n"
        "## codex.md\n\nUnchanged.\n\n## Run\n\nModel gpt-5.5, 41,312 tokens, 2 min 11 s\n"
    )
