"""Reading pages: what holds for each of them, and the token of their forms."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

HERE = {"origin": "http://127.0.0.1:8300"}


class Tags(HTMLParser):
    """All tags of a page with their attributes, and its open ones."""

    VOID = frozenset({"meta", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(answer: httpx.Response) -> str:
    """Check what holds for every page: well-formed, no script, no inline style, nothing from elsewhere."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    tags = Tags(answer.text)
    assert tags.open == []
    names = {tag for tag, _ in tags.found}
    assert not names & {"script", "style", "iframe", "object", "base", "img", "svg"}
    for _, attributes in tags.found:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
        for name in ("href", "action", "src"):
            assert not (attributes.get(name) or "").lower().startswith(("javascript:", "data:", "//"))
    return answer.text


def csrf_of(text: str) -> str:
    match = re.search(r'name="csrf" value="([0-9a-f]{64})"', text)
    assert match is not None
    return match[1]
