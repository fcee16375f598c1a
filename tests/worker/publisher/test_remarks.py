"""Which comments are for us, and whose."""

from __future__ import annotations

import pytest

from worker.publisher.remarks import order


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/pimainteno retry", ("retry", "")),
        ("/pimainteno   snooze  7d ", ("snooze", "7d")),
        ("/pimainteno", ("help", "")),
        ("Thanks!\r\n\r\n/pimainteno Close\r\nBye", ("close", "")),
        ("/pimainteno retry\n/pimainteno close", ("retry", "")),
        ("/pimainteno retry now please", None),
        ("please /pimainteno retry", None),
        (" /pimainteno retry", None),
        ("> /pimainteno retry", None),
        ("/pimaintenoretry", None),
        ("```\n/pimainteno close\n```", None),
        ("~~~text\n/pimainteno close\n", None),
        ("```\na\n```\n/pimainteno close", ("close", "")),
        ("<!-- x -->\nnothing", None),
        ("", None),
    ],
)
def test_an_order_stands_on_a_line_of_its_own(text: str, wanted: tuple[str, str] | None) -> None:
    assert order(text) == wanted


def test_a_long_comment_is_read_in_no_time() -> None:
    assert order("```\n" * 50_001 + "/pimainteno close") is None
    assert order("/pimainteno " * 50_000) is None
