"""How values stand in the tables: times, JSON and packed JSON. The one place that converts them."""

from __future__ import annotations

import json
import math
import re
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy import Double, LargeBinary
from sqlalchemy import Text as PlainText
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect

_UNSOUND = re.compile(r"\\ud[89a-f]|NaN|Infinity")
"""JSON with these may have to be mended; mostly it is a whole pair, or a word."""


class Time(TypeDecorator[datetime]):
    """An aware datetime, stored as seconds since 1970 in UTC, so that all databases compare it alike."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        """Return the seconds of an aware datetime; a naive one is a mistake and raises ValueError."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return None if value is None else value.timestamp()

    def process_result_value(self, value: float | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the datetime in UTC."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


class Text(TypeDecorator[str]):
    """Text, in which U+FFFD stands for what no database stores: NUL, and halves of surrogate pairs."""

    impl = PlainText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the text without NUL and without lone surrogates."""
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """Return a text that every database takes."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    try:
        text.encode()
    except UnicodeEncodeError:
        return _paired(text)
    return text


class Json(TypeDecorator[Any]):
    """Plain data, a model, or a sequence of models, stored as JSON text; None is NULL."""

    impl = PlainText
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002
        """Return the JSON text."""
        return None if value is None else _dumped(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002
        """Return plain data; whoever knows the model validates it."""
        return None if value is None else json.loads(value)


class PackedJson(TypeDecorator[Any]):
    """The same as Json, zlib-compressed: what the model answered can be long."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ANN401, ARG002
        """Return the compressed JSON."""
        return None if value is None else zlib.compress(_dumped(value).encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002
        """Return plain data."""
        return None if value is None else json.loads(zlib.decompress(value))


def _paired(text: str) -> str:
    """Return a text with U+FFFD for each half of a surrogate pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _dumped(value: object) -> str:
    """Return JSON that every reader takes: what stands in it is told to people and programs later."""
    text = json.dumps(value, default=_plain, separators=(",", ":"))
    return json.dumps(_sound(json.loads(text)), separators=(",", ":")) if _UNSOUND.search(text) else text


def _sound(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return plain data with null for the numbers that JSON does not have, and whole pairs alone."""
    if isinstance(value, str):
        return _paired(value)
    if isinstance(value, list):
        return [_sound(each) for each in value]
    if isinstance(value, dict):
        return {_sound(key): _sound(each) for key, each in value.items()}
    return value if not isinstance(value, float) or math.isfinite(value) else None


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")
