"""Reading pages: what holds for each of them, and the token of their forms."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

HERE = {"origin": "http://127.0.0.1:8300"}


class Tags(HTMLParser):
    """All tags of a page with their attributes, and its open ones."""

    VOID = frozenset({"meta", "link", "input", "col", "br", "hr", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts += data

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(answer: httpx.Response) -> str:
    """Check what holds for every page: well-formed, no script or style of its own, nothing from elsewhere."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    tags = Tags(answer.text)
    assert tags.open == []
    names = {tag for tag, _ in tags.found}
    assert not names & {"style", "iframe", "object", "base", "img", "svg"}
    assert tags.scripts == ""
    for tag, attributes in tags.found:
        assert tag != "script" or re.fullmatch(
            r"/static/[a-z.-]+\.js\?v=[0-9a-f]{12}", attributes["src"] or ""
        )
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
        for name in ("href", "action", "src"):
            assert not (attributes.get(name) or "").lower().startswith(("javascript:", "data:", "//"))
    return answer.text


def csrf_of(text: str) -> str:
    match = re.search(r'name="csrf" value="([0-9a-f]{64})"', text)
    assert match is not None
    return match[1]


def form_of(text: str, action: str) -> dict[str, str]:
    """The hidden fields of a button's form, as a browser sends them."""
    form = re.search(rf'<form method="post" action="[^"]*/{action}">.*?</form>', text, re.DOTALL)
    assert form is not None
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[0])
    return {name: unescape(value) for name, value in fields}


def words_of(text: str) -> str:
    """What a page says, without its tags and with single spaces; times, for they pass, as they are."""
    without_head = text.partition("<body>")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", without_head)).split())
