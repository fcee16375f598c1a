"""The demo's project: a small service, the data that broke it last night, and its owner's checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core import process
from app.core.errors import GitError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "greeter"
UNIT = "greeter.service"
SERVICE = ("greeter.py", "visitors.csv")
"""What the unit runs, after the interpreter."""
CHECKS = ("python3 -m unittest -q", "python3 greeter.py visitors.csv")

GREETER = '''\
"""Greets everybody in the visitor book, the most faithful visitor first."""

import sys

from book import read


def greeting(visitor):
    return f"Good morning, {visitor.name}! This is your visit number {visitor.visits + 1}."


def main(path):
    print(f"greeter: opening {path}", flush=True)
    for visitor in sorted(read(path), key=lambda visitor: -visitor.visits):
        print(greeting(visitor), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
'''
BOOK = '''\
"""Reads the visitor book: one visitor a line, as "name,visits"."""

from collections import namedtuple

Visitor = namedtuple("Visitor", "name visits")


def parse(line):
    name, visits = line.split(",")
    return Visitor(name.strip(), int(visits))


def read(path):
    with open(path, encoding="utf-8") as file:
        return [parse(line) for line in file]
'''
TESTS = """\
import unittest

from book import Visitor, parse
from greeter import greeting


class TheBook(unittest.TestCase):
    def test_a_line_is_a_name_and_a_number(self):
        self.assertEqual(parse("Ada Lovelace,3\\n"), Visitor("Ada Lovelace", 3))

    def test_the_visit_of_today_counts(self):
        self.assertIn("visit number 4", greeting(Visitor("Ada Lovelace", 3)))


if __name__ == "__main__":
    unittest.main()
"""
README = """\
# greeter

Greets the visitors of `visitors.csv`. A job adds the visitors of the day to that file each night.
"""
FIRST_VISITORS = "Ada Lovelace,3\nGrace Hopper,5\n"
LAST_NIGHT = FIRST_VISITORS + "\nMargaret Hamilton,1\n"
"""The nightly job left an empty line between two days."""

HISTORY: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "Greet the visitors of the book",
        {
            "greeter.py": GREETER,
            "book.py": BOOK,
            "test_book.py": TESTS,
            "README.md": README,
            "visitors.csv": FIRST_VISITORS,
        },
    ),
    ("Visitors of last night", {"visitors.csv": LAST_NIGHT}),
)


@dataclass(frozen=True)
class Project:
    """The owner's bare repository, and the checkout that the service runs from."""

    bare: Path
    checkout: Path

    async def pull(self) -> None:
        """Bring the checkout up to date, as its owner would after a merge."""
        await _git("pull", "--quiet", "--ff-only", at=self.checkout)


async def make(folder: Path) -> Project:
    """Make the repository with its two commits, and the checkout; raises GitError."""
    project = Project(folder / "greeter.git", folder / "greeter")
    await _git("init", "--quiet", "--bare", str(project.bare), at=folder)
    await _git("clone", "--quiet", str(project.bare), str(project.checkout), at=folder)
    for title, files in HISTORY:
        for name, text in files.items():
            (project.checkout / name).write_text(text, encoding="utf-8")
        await _git("add", "--all", at=project.checkout)
        await _git("commit", "--quiet", "-m", title, at=project.checkout)
    await _git("push", "--quiet", "--set-upstream", "origin", "main", at=project.checkout)
    return project


async def _git(*arguments: str, at: Path) -> None:
    """Run git as the demo's owner would, whatever the configuration of who watches it."""
    who = ("user.name=Greeter's owner", "user.email=owner@greeter.example", "init.defaultBranch=main")
    given = [part for setting in who for part in ("-c", setting)]
    env = process.environment(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", HOME=str(at))
    done = await process.run(["git", *given, *arguments], cwd=at, env=env, timeout_s=60)
    if done.returncode != 0:
        raise GitError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
