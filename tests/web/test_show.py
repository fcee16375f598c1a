"""How times, numbers and words are said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.core.base import now
from app.web import show


def test_ages() -> None:
    assert show.age(now() + timedelta(minutes=5)) == "just now"
    assert show.age(now() - timedelta(seconds=70)) == "1 min ago"
    assert show.age(now() - timedelta(hours=5, minutes=59)) == "5 h ago"
    assert show.age(now() - timedelta(days=40)) == "40 d ago"
    assert show.moment(None) == "never"


def test_durations() -> None:
    start = now()
    assert show.duration(start, None) == ""
    assert show.duration(start, start + timedelta(seconds=59)) == "59 s"
    assert show.duration(start, start + timedelta(seconds=75)) == "1 min 15 s"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "file:///etc/passwd", None]
)
def test_only_web_addresses_are_links(url: str | None) -> None:
    assert show.link(url) is None
    assert show.link("https://example.org/1") == "https://example.org/1"


def test_words_have_their_tone_and_a_mark_beside_the_colour() -> None:
    assert show.chip("merged") == '<span class="chip good">merged</span>'
    assert show.chip("<b>", "a & b") == '<span class="chip plain">a &amp; b</span>'
    assert show.word("changes_requested") == '<span class="word warn">changes requested</span>'
    assert show.word(None) == '<span class="word idle">not run</span>'


def test_times_of_pages_carry_the_exact_one() -> None:
    at = datetime(2026, 3, 1, 3, 12, 7, tzinfo=UTC)
    said = show.when(at)
    assert 'datetime="2026-03-01T03:12:07Z"' in said
    assert 'title="2026-03-01 03:12:07 UTC"' in said
    assert show.full(at).endswith(">2026-03-01 03:12</time>")
    assert show.when(None) == "never"


def test_numbers() -> None:
    assert (show.times(1), show.times(2), show.times(1200)) == ("once", "twice", "1,200 times")
    assert (show.money(0), show.money(0.004), show.money(1234.5)) == ("$0.00", "less than $0.01", "$1,234.50")
