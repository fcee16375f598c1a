"""Texts of others made fit for a page: redacted as a whole first, cut, coloured or rendered afterwards.

Redaction is slow, a page's texts are mostly those of the page before: what was made is kept for a while.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from app.core.redact import printable
from app.web import change
from app.web.kept import Kept

if TYPE_CHECKING:
    from app.core.redact import Redactor
    from app.web.change import Change, ShownFile

SHORT, MOST_KEPT = 200, 4096
"""Characters of a text that is kept once it was redacted, and how many of them are kept."""
MOST_CHARACTERS = 256 * 1024
"""Of one log or output: a browser on a phone has to draw it, and we to redact it."""
MOST_LINES = 4000
MOST_OF_ALL = 4_000_000
MOST_SAID = 20_000
CODE = re.compile(r"`([^`\n]{1,200})`")
EXCERPT = 30
"""Lines of a log that stand open."""
MARKDOWN, MARGIN = 96 * 1024, 8 * 1024
"""Characters of a Markdown file that are rendered, and how many behind them are looked at."""


@dataclass(frozen=True)
class Log:
    """The end of a log, its last lines apart, and how many lines did not fit."""

    earlier: str
    last: str
    left_out: int = 0

    def __bool__(self) -> bool:
        return bool(self.last)

    @property
    def earlier_count(self) -> int:
        """How many lines stand before the last ones."""
        return self.earlier.count("\n") + 1 if self.earlier else 0


class Texts:
    """Makes texts fit to be shown, with one redactor."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._learnt = redactor.learnt
        self._short: dict[str, str] = {}
        self._long = Kept[str](MOST_OF_ALL, len)
        self._changes = Kept["Change | ShownFile | None"](MOST_OF_ALL, change.size)
        self._pages = Kept[Markup](MOST_OF_ALL, len)

    def fit(self, text: str) -> str:
        """Return a text without secrets, controls and colours."""
        if len(text) > SHORT:
            return self._long.get(text, lambda: self._redacted(text), self._redactor.learnt)
        if self._learnt != self._redactor.learnt or len(self._short) >= MOST_KEPT:
            self._learnt = self._redactor.learnt
            self._short.clear()
        found = self._short.get(text)
        if found is None:
            found = self._short[text] = self._redacted(text)
        return found

    def cut(self, text: str | None, most: int = 200) -> str:
        """Return the beginning of a text; redacted first, for half a secret is no longer known as one."""
        whole = self.fit((text or "")[:MOST_CHARACTERS])
        return whole if len(whole) <= most else f"{whole[:most].rstrip()}…"

    def said(self, text: str | None, most: int = MOST_SAID) -> Markup:
        """Return prose as plain text, with what stands in backticks as code."""
        shown = str(escape(self.cut(text, most)))
        return Markup(CODE.sub(r"<code>\1</code>", shown))  # noqa: S704 - escaped

    def log(self, text: str) -> Log:
        """Return the end of a log: the last lines say why something failed."""
        if not text.strip():
            return Log("", "")
        lines = text[-MOST_CHARACTERS:].rstrip("\n").split("\n")[-MOST_LINES:]
        left_out = text.rstrip("\n").count("\n") + 1 - len(lines)
        fitted = self.fit("\n".join(lines)).split("\n")
        return Log("\n".join(fitted[:-EXCERPT]), "\n".join(fitted[-EXCERPT:]), left_out)

    def change(self, text: str) -> Change:
        """Return a diff, file by file."""
        made = self._changes.get(text, lambda: change.change(text, self._redacted), self._redactor.learnt)
        assert isinstance(made, change.Change)  # noqa: S101 - for the type checker
        return made

    def file(self, text: str, number: int) -> ShownFile | None:
        """Return one file of a diff on its own."""
        made = self._changes.get(
            text, lambda: change.alone(text, number, self._redacted), self._redactor.learnt, number
        )
        assert not isinstance(made, change.Change)  # noqa: S101 - for the type checker
        return made

    def markdown(self, text: str, *, base: str = "") -> tuple[Markup, bool]:
        """Return rendered Markdown, and whether it is only the beginning."""
        from app.web import markdown

        is_cut = len(text) > MARKDOWN
        seen = text[: MARKDOWN + MARGIN]  # a secret may begin in what is shown and end behind it

        def made() -> Markup:
            fitted = self._redacted(seen)
            return markdown.render(_until_line_end(fitted[:-MARGIN]) if is_cut else fitted, base=base)

        return self._pages.get(seen, made, self._redactor.learnt, base), is_cut

    def _redacted(self, text: str) -> str:
        return self._redactor.text(printable(text))


def _until_line_end(text: str) -> str:
    return text[: text.rfind("\n") + 1] or text
