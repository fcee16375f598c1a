"""Code in colours: Pygments tells what the words are, our style sheet how they look.

Only languages on the list below are tried, only so many characters, and no endless lines: its lexers are
made for files that people wrote, and what stands here may have been written to hurt.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from pygments.lexer import Lexer

MOST_CHARACTERS = 64 * 1024
LONGEST_LINE = 400

BY_ENDING = {
    "py": "Python", "pyi": "Python", "sh": "Bash", "bash": "Bash", "toml": "TOML", "ini": "Ini", "cfg": "Ini",
    "conf": "Ini", "service": "Systemd", "timer": "Systemd", "socket": "Systemd", "mount": "Systemd",
    "path": "Systemd", "target": "Systemd", "yaml": "Yaml", "yml": "Yaml", "json": "Json", "js": "Javascript",
    "mjs": "Javascript", "ts": "TypeScript", "css": "Css", "html": "Html", "xml": "Xml", "sql": "Sql",
    "go": "Go", "rs": "Rust", "c": "C", "h": "C", "cc": "Cpp", "cpp": "Cpp", "hpp": "Cpp", "java": "Java",
    "rb": "Ruby", "pl": "Perl", "lua": "Lua", "php": "Php", "mk": "Makefile",
}  # fmt: skip
BY_NAME = {"dockerfile": "Docker", "containerfile": "Docker", "makefile": "Makefile"}


def lines(path: str, text: str) -> list[Markup] | None:
    """Return a text's lines in colours, or None where that is not to be had; the text is redacted already."""
    if not text or len(text) > MOST_CHARACTERS or max(map(len, text.split("\n"))) > LONGEST_LINE:
        return None
    lexer = _lexer(path)
    if lexer is None:
        return None
    found = [""]
    for kind, value in lexer.get_tokens(text):
        name = _class(kind)
        first, *others = value.split("\n")
        found[-1] += _span(name, first)
        found.extend(_span(name, other) for other in others)
    if len(found) != text.count("\n") + 1:
        return None  # it took lines away; what is shown is what there is
    return [Markup(line) for line in found]  # noqa: S704 - spans of our own around escaped text


def _span(name: str, text: str) -> str:
    shown = str(escape(text))
    return f'<span class="{name}">{shown}</span>' if name and text and not text.isspace() else shown


def _lexer(path: str) -> Lexer | None:
    name = path.rpartition("/")[2].lower()
    known = BY_NAME.get(name) or BY_ENDING.get(name.rpartition(".")[2])
    return _made(known) if known else None


@lru_cache(maxsize=len(BY_ENDING))
def _made(language: str) -> Lexer:
    from pygments import lexers

    made: Lexer = getattr(lexers, f"{language}Lexer")(stripnl=False, ensurenl=False)
    return made


@lru_cache(maxsize=256)
def _class(kind: Any) -> str:  # noqa: ANN401 - a token type, which has no type of its own
    """Return our class for a kind of word: k keyword, s string, c comment, m number, n name; "" is plain."""
    from pygments import token

    known = {
        token.Keyword: "k",
        token.Operator.Word: "k",
        token.String: "s",
        token.Comment: "c",
        token.Number: "m",
        token.Name.Function: "n",
        token.Name.Class: "n",
        token.Name.Decorator: "n",
        token.Name.Tag: "n",
        token.Name.Attribute: "n",
        token.Name.Builtin: "n",
        token.Name.Exception: "n",
    }
    while kind is not None:
        if kind in known:
            return known[kind]
        kind = kind.parent
    return ""
