from __future__ import annotations

import base64

import pytest
from hypothesis import given, strategies

from app.core.errors import BadRequestError
from app.store import cursors


@given(strategies.integers(min_value=1, max_value=2**53))
def test_there_and_back(number: int) -> None:
    assert cursors.decode(cursors.encode(number)) == number


@given(strategies.text(max_size=60))
def test_any_text_is_a_number_or_a_bad_request(text: str) -> None:
    try:
        assert cursors.decode(text) >= 0
    except BadRequestError as error:
        assert "start from the first page" in str(error)


@pytest.mark.parametrize(
    "cursor",
    ["", "7", "aWQ6", "é", "===", *(base64.b64encode(b).decode() for b in (b"id:-1", b"id:1e9", b"xx:1"))],
)
def test_not_ours(cursor: str) -> None:
    with pytest.raises(BadRequestError):
        cursors.decode(cursor)


@given(strategies.floats(min_value=1, max_value=2**38), strategies.integers(min_value=1, max_value=2**53))
def test_a_time_there_and_back(at: float, number: int) -> None:
    assert cursors.decode_at(cursors.encode_at(at, number)) == (at, number)


@given(strategies.text(max_size=60))
def test_any_text_is_a_time_or_a_bad_request(text: str) -> None:
    try:
        assert cursors.decode_at(text)[1] >= 0
    except BadRequestError as error:
        assert "start from the first page" in str(error)


def test_a_cursor_of_the_other_kind() -> None:
    with pytest.raises(BadRequestError):
        cursors.decode(cursors.encode_at(1.5, 7))
    with pytest.raises(BadRequestError):
        cursors.decode_at(cursors.encode(7))
