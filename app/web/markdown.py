"""Markdown of untrusted files as HTML: markdown-it-py without HTML, then nh3, which has the last word."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markdown_it import MarkdownIt

TAGS = {
    "a", "blockquote", "br", "code", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"*": set[str](), "a": {"href"}, "ol": {"start"}}
FOCUSABLE = {"pre": {"tabindex": "0"}, "table": {"tabindex": "0"}}
"""What may be wider than the page, and so is moved by key."""
SCHEMES = {"http", "https", "mailto"}
DEEPER = 2
"""Headings go down by this much: those of the page stand above them."""


def render(text: str, *, base: str = "") -> Markup:
    """Return Markdown as HTML that is safe on a page; the text is redacted already.

    Pictures become links, for nothing is loaded from elsewhere. Relative links lead below `base`, the folder
    on the forge; without one they are text.
    """
    import nh3

    html = _parser().render(text)
    return Markup(  # noqa: S704 - nh3 has cleaned it
        nh3.clean(
            html,
            tags=TAGS,
            attributes=ATTRIBUTES,
            set_tag_attribute_values=FOCUSABLE,
            url_schemes=SCHEMES,
            url_relative=_relative(base),
        )
    )


def _relative(base: str) -> Callable[[str], str | None]:
    """Return where relative addresses lead: to files of the repository, or nowhere."""
    root = f"{base.rstrip('/')}/"
    has_files = urlsplit(root).scheme in {"http", "https"}

    def below(address: str) -> str | None:
        if not has_files or address.startswith(("/", "#", "?", "\\")):
            return None
        joined = urljoin(root, quote(address, safe="/#?&=%.~-_+@:"))
        return joined if joined.startswith(root) else None

    return below


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("js-default")
    made.core.ruler.push("pages", _for_a_page)
    made.add_render_rule("image", _picture)
    return made


def _for_a_page(state: Any) -> None:  # noqa: ANN401 - markdown-it's own
    """Take headings down, below those of the page."""
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + DEEPER)}"


def _picture(this: Any, tokens: Sequence[Any], at: int, options: Any, env: Any) -> str:  # noqa: ANN401
    """Return a link in the place of a picture."""
    token = tokens[at]
    alt = this.renderInlineAsText(token.children or [], options, env).strip()
    return str(Markup('<a href="{}">{}</a>').format(token.attrGet("src") or "", escape(alt or "picture")))
