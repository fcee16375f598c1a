"""One clear line for what is wrong with the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from app.core.settings_sources import key_fields, members, named, unknown

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from app.core.settings_sources import Key, Origins

EXPECTED = {
    "missing": "is missing and has no default",
    "string_type": "a string is expected",
    "string_too_short": "a text that is not empty is expected",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    "bool_type": "true or false is expected",
    "tuple_type": "a list of strings is expected",
    "dict_type": "a table is expected",
    "path_type": "a path is expected",
    "model_type": "a table is expected",
    "model_attributes_type": "a table is expected",
    "union_tag_not_found": "a kind is expected: 'github', 'gitlab' or 'local'",
    "union_tag_invalid": "a kind is expected: 'github', 'gitlab' or 'local'",
}


def first_line(errors: list[ErrorDetails], origins: Origins, root: type[BaseModel]) -> str:
    """Return the first error as one line; values stay out of it, for they may be secret."""
    error = errors[0]
    key, table = _found(error["loc"], root)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{origins.where(key)}: {_said(error, key, table)}{more}"


def _said(error: ErrorDetails, key: Key, table: object) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return unknown(key[-1], table)
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in EXPECTED:
        return EXPECTED[kind]
    number = "a number " if kind.startswith(("greater_than", "less_than")) else ""
    return f"{number}{error['msg'].removeprefix('Input should be ')} is expected"


def _found(location: tuple[int | str, ...], root: type[BaseModel]) -> tuple[Key, object]:
    """Return the key that an error is about, without the tags of unions, and the type of its table."""
    annotation: Any = root
    table: Any = root
    key: list[str] = []
    for part in location:
        if isinstance(part, int):
            key[-1] += f"[{part}]"
            continue
        if part == "[key]":
            continue
        models = list(members(annotation))
        if len(models) > 1:
            annotation = next((each for each in models if part in _kinds(each)), annotation)
            continue
        key.append(part)
        table = annotation
        if (held := named(annotation)) is not None:
            annotation = held
        else:
            info = key_fields(annotation).get(part)
            annotation = info.annotation if info else None
    return tuple(key), table


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(model.model_fields["kind"].annotation)
