"""Texts of others on a page: without secrets, cut where it hurts least, coloured, and made only once."""

from __future__ import annotations

import re
from html import unescape
from time import perf_counter

import pytest

from app.core.redact import Redactor
from app.web import change, highlight, markdown
from app.web.kept import Kept
from app.web.texts import EXCERPT, MARKDOWN, MOST_CHARACTERS, MOST_LINES, Texts
from tests.web.conftest import CANARY, HOSTILE

KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(["QUJDREVGR0hJSktMTU5PUA=="] * 20)


@pytest.fixture
def texts() -> Texts:
    return Texts(Redactor([CANARY]))


def words(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def patch(path: str, *lines: str) -> str:
    body = "".join(f"+{line}\n" for line in lines)
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,{len(lines)} @@\n{body}"


def test_a_log_shows_its_end_and_folds_what_is_earlier(texts: Texts) -> None:
    log = texts.log("\n".join(f"line {at}" for at in range(MOST_LINES + 10)) + "\n")
    assert log.left_out == 10
    assert log.earlier.startswith("line 10\n")
    assert log.earlier_count == MOST_LINES - EXCERPT
    assert log.last.endswith(f"line {MOST_LINES + 9}")
    assert not texts.log(" \n")
    assert len(texts.log("a\n" + "x" * 2_000_000).last) <= MOST_CHARACTERS


def test_secrets_controls_and_colours_are_out_of_everything(texts: Texts) -> None:
    evil = f"a \x1b[31mred\x1b[0m {CANARY} \u202e {HOSTILE}"
    made = texts.change(patch("x.py", evil)).files[0].html or ""
    shown = [
        texts.fit(evil),
        texts.log(evil).last,
        texts.cut(evil),
        words(made),
        words(texts.markdown(evil)[0]),
    ]
    for text in shown:
        assert "[redacted]" in text
        assert not set(text) & set("\x1b\u202e")
        assert CANARY not in text
    assert HOSTILE not in made + texts.markdown(evil)[0]


def test_half_a_secret_is_never_shown(texts: Texts) -> None:
    assert texts.cut("x" * 195 + " " + CANARY) == "x" * 195 + " [red…"
    lines = ["x"] * (change.MOST_LINES - 10)
    cut = texts.change(patch("long.txt", *lines, *KEY.split("\n"), "-----END RSA PRIVATE KEY-----", *lines))
    assert "QUJDREVGR0hJSktMTU5PUA" not in (cut.files[0].html or "")
    text = "word\n" * (MARKDOWN // 5 - 40) + "\n" + KEY + "\n-----END RSA PRIVATE KEY-----\n" + "end\n" * 9000
    rendered, is_cut = texts.markdown(text)
    assert is_cut
    assert "QUJDREVGR0hJSktMTU5PUA" not in rendered


def test_what_was_learnt_later_is_out_of_what_was_kept(texts: Texts) -> None:
    secret = "later-9b1f44aa07"
    long = f"{secret} " + "y " * 200
    for text in (secret, long):
        assert secret in texts.fit(text)
    assert secret in texts.change(patch("x", secret)).files[0].html  # type: ignore[operator]
    texts._redactor.learn([secret])
    for text in (secret, long):
        assert secret not in texts.fit(text)
    assert secret not in texts.change(patch("x", secret)).files[0].html  # type: ignore[operator]


def test_what_the_model_says_is_text_with_code(texts: Texts) -> None:
    assert texts.said("a `b` <c>\n`<d>`") == "a <code>b</code> &lt;c&gt;\n<code>&lt;d&gt;</code>"
    assert texts.said(f"`{CANARY}` `x\ny`") == "<code>[redacted]</code> `x\ny`"


def test_code_is_coloured_line_by_line(texts: Texts) -> None:
    text = (
        "diff --git a/a.py b/a.py\n@@ -7,3 +7,3 @@\n def f():\n-    return 1  # one\n+    return 'two'\n"
        "     pass\n\\ No newline at end of file\n"
    )
    html = texts.change(text).files[0].html or ""
    assert '<span data-n="7"> <span class="k">def</span>' in html
    assert '<span class="r" data-n="8">-    <span class="k">return</span> <span class="m">1</span>' in html
    assert '<span class="s">&#39;</span>' in html
    assert '<span class="i">\\ No newline at end of file\n</span>' in html
    assert words(html) == text.partition("\n")[2].rstrip("\n") + "\n"


@pytest.mark.parametrize(
    "path", [f"x.{ending}" for ending in highlight.BY_ENDING] + ["Makefile", "Dockerfile"]
)
def test_no_language_loses_a_line(path: str) -> None:
    text = "\n\n  a = 'b' # c\n\tif x: <y> & \"z\n\nend\n"
    found = highlight.lines(path, text)
    if found is not None:
        assert [words(line) for line in found] == text.split("\n")


def test_what_is_too_much_or_unknown_stays_plain() -> None:
    assert highlight.lines("a.unknown", "x") is None
    assert highlight.lines("a.py", "x" * (highlight.LONGEST_LINE + 1)) is None
    assert highlight.lines("a.py", "x = 1\n" * highlight.MOST_CHARACTERS) is None


def test_a_long_change_is_shown_as_far_as_a_page_goes(texts: Texts) -> None:
    small, long = patch("a.txt", "x"), patch("b.txt", *["y"] * 20_000)
    made = texts.change(small + long + small)
    assert [(file.left_out, file.html is None) for file in made.files] == [
        (0, False),
        (20_001, True),
        (0, False),
    ]
    assert (made.added, made.removed) == (20_002, 0)
    alone = texts.file(small + long, 1)
    assert alone is not None
    assert alone.left_out == 1
    assert (alone.html or "").count('<code class="lines far">') == 40
    assert texts.file(small, 1) is None
    assert texts.file(small, -1) is None
    first = texts.change(long).files[0]
    assert first.left_out == 20_001 - change.MOST_LINES
    assert not first.is_open


def test_binary_files_and_modes_are_said(texts: Texts) -> None:
    text = "diff --git a/x b/x\nold mode 100644\nnew mode 100755\nBinary files a/x and b/x differ\n"
    file = texts.change(text).files[0]
    assert file.notes == ("mode 100644 → 100755", "binary file: its content is not shown")
    assert file.what == "changed, binary"
    assert file.html is None


@pytest.mark.parametrize("given", ["[[[[[" * 4000, "**" * 10_000, "> " * 5000, "`" * 20_000, "| a " * 5000])
def test_markdown_made_to_hurt_ends_soon(given: str) -> None:
    start = perf_counter()
    markdown.render(given)
    assert perf_counter() - start < 20


def test_two_megabytes_of_codex_md_are_cut(texts: Texts) -> None:
    rendered, is_cut = texts.markdown("# Title\n\nSome *words* here.\n\n" * 66_000)
    assert is_cut
    assert len(rendered) < 4 * MARKDOWN


def test_markdown_is_harmless_and_loads_nothing() -> None:
    text = (
        "# Top\n\n![pic](https://evil.example/x.png) <img src=x onerror=alert(1)> [a](javascript:alert(1)) "
        "[b](data:text/html,x) [c](https://ok.example/) [d](docs/x.md) [e](/admin) [f](//evil.example) "
        "[g](../../other) [h](https://t.example 'a title')\n\n<script>alert(1)</script>\n\n```\nx\n```\n"
    )
    base = "https://forge.example/me/greeter/blob/main"
    html = markdown.render(text, base=base)
    assert "<h3>Top</h3>" in html
    assert "<img" not in html
    assert "<script" not in html
    links = re.findall(r'href="([^"]*)"', html)
    assert links == [
        "https://evil.example/x.png",
        "https://ok.example/",
        f"{base}/docs/x.md",
        "https://t.example",
    ]
    assert "title" not in html.replace("a title", "")
    assert '<pre tabindex="0">' in html
    assert 'rel="noopener noreferrer"' in html
    assert "docs/x.md" not in markdown.render(text)


def test_what_is_kept_is_bounded_and_newest() -> None:
    made: list[str] = []

    def make(text: str) -> str:
        made.append(text)
        return text * 10

    kept = Kept[str](100, len)
    for text in ("aaaa", "bbbb", "aaaa", "cccc", "aaaa", "bbbb", "long" * 10, "long" * 10):
        assert kept.get(text, lambda text=text: make(text)) == text * 10  # type: ignore[misc]
    assert made == ["aaaa", "bbbb", "cccc", "bbbb", "long" * 10, "long" * 10]
