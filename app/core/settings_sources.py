"""Where settings come from: the configuration file, variables, and files that hold one secret."""

from __future__ import annotations

import json
import tomllib
import types
import typing
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_settings import PydanticBaseSettingsSource

from app.core.errors import ConfigurationError
from app.core.settings_sections import FileToo, Place

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

PREFIX = "PIMAINTENO_"
RESERVED = frozenset({"PIMAINTENO_CONFIG"})
"""Variables with our prefix that are no settings."""

Key = tuple[str, ...]
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


@dataclass
class Origins:
    """Which variable or secret file a key came from; all else came from the configuration file."""

    file: Path | None
    variables: dict[Key, str] = field(default_factory=dict)
    secret_files: list[Path] = field(default_factory=list)

    def where(self, key: Key) -> str:
        """Return what to call a key in an error: its variable, or file and key."""
        for length in range(len(key), 0, -1):
            if variable := self.variables.get(key[:length]):
                return variable
        name = ".".join(key)
        return f"{self.file}: {name}" if self.file and name else name or str(self.file)


class FileSource(PydanticBaseSettingsSource):
    """The configuration file; its relative paths start at its folder."""

    def __init__(self, settings: type[BaseSettings], origins: Origins, home: Path) -> None:
        super().__init__(settings)
        self._origins, self._home = origins, home

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not called: the whole file is read at once."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """Return the file as a tree, secret files read; raises ConfigurationError."""
        path = self._origins.file
        if path is None:
            return {}
        tree = read_toml(path)
        reader = _Reader(self._origins, self._home, path.parent)
        return reader.table(tree, self.settings_cls, ())


class VariableSource(PydanticBaseSettingsSource):
    """The variables `PIMAINTENO_…`; `__` parts the levels, `_` stands for `-` in names."""

    def __init__(
        self, settings: type[BaseSettings], origins: Origins, home: Path, cwd: Path, env: Mapping[str, str]
    ) -> None:
        super().__init__(settings)
        self._origins, self._home, self._cwd = origins, home, cwd
        self._env = {name: value for name, value in sorted(env.items()) if is_setting(name)}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not called: all variables are read at once."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """Return the variables as a tree, secret files read; raises ConfigurationError."""
        tree: dict[str, Any] = {}
        for variable, text in self._env.items():
            key, annotation = _key_of(variable, self.settings_cls)
            branch = tree
            for part in key[:-1]:
                branch = branch.setdefault(part, {})
            branch[key[-1]] = _from_text(variable, text, annotation)
            self._origins.variables[key] = variable
            self._origins.variables.setdefault((*key[:-1], key[-1].removesuffix("_file")), variable)
        reader = _Reader(self._origins, self._home, self._cwd)
        return reader.table(tree, self.settings_cls, ())


class StateDirSource(PydanticBaseSettingsSource):
    """The default of `state_dir`, also where the file says ""."""

    def __init__(self, settings: type[BaseSettings], env: Mapping[str, str], home: Path) -> None:
        super().__init__(settings)
        given = env.get("STATE_DIRECTORY", "").split(":")[0]
        state = env.get("XDG_STATE_HOME", "")
        base = Path(state) if state.startswith("/") else home / ".local/state"
        self._path = Path(given) if given else base / "pimainteno"

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not called: there is one value."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """Return the one value."""
        return {"state_dir": str(self._path)}


def is_setting(variable: str) -> bool:
    """Tell whether a variable of that name is one of our settings."""
    return variable.startswith(PREFIX) and variable not in RESERVED


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's content; raises ConfigurationError in one line."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: there is no such file; a TOML file is expected") from error
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); a TOML file is expected"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is no UTF-8 text; a TOML file is expected") from error
    except tomllib.TOMLDecodeError as error:
        said = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: is no valid TOML ({said})") from error


def whole(text: str, folder: Path, home: Path) -> Path:
    """Return a path from the configuration: `~` is the home, a relative one starts at `folder`."""
    return home / text[2:] if text == "~" or text.startswith("~/") else folder / text


def members(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type
    """Yield the models that an annotation stands for: one, or each of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        for each in typing.get_args(annotation):
            yield from members(each)
    elif origin is typing.Annotated:
        yield from members(typing.get_args(annotation)[0])


def named(annotation: Any) -> Any:  # noqa: ANN401 - any type
    """Return what a table of names holds, or None if the annotation is no such table."""
    return typing.get_args(annotation)[1] if typing.get_origin(annotation) is dict else None


def key_fields(annotation: Any) -> dict[str, FieldInfo]:  # noqa: ANN401 - any type
    """Return the keys that a table of that type takes."""
    return {name: info for model in members(annotation) for name, info in model.model_fields.items()}


def unknown(name: str, annotation: Any) -> str:  # noqa: ANN401 - any type
    """Say that a key is unknown, and which was perhaps meant."""
    known = sorted(key_fields(annotation))
    near = get_close_matches(name, known, 1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known here: {', '.join(known)}"


def _takes_file(info: FieldInfo | None) -> bool:
    return info is not None and any(isinstance(mark, FileToo) for mark in info.metadata)


def _is_place(info: FieldInfo | None) -> bool:
    return info is not None and any(isinstance(mark, Place) for mark in info.metadata)


@dataclass
class _Reader:
    """Walks a tree beside its model, reads secret files and makes paths whole."""

    origins: Origins
    home: Path
    folder: Path

    def table(self, tree: dict[str, Any], annotation: Any, key: Key) -> dict[str, Any]:  # noqa: ANN401
        """Return a table in its final form; raises ConfigurationError."""
        if (held := named(annotation)) is not None:
            return {
                name: self.table(value, held, (*key, name)) if isinstance(value, dict) else value
                for name, value in tree.items()
            }
        fields = key_fields(annotation)
        result: dict[str, Any] = {}
        for name, value in tree.items():
            secret = name.removesuffix("_file")
            if name not in fields and secret != name and _takes_file(fields.get(secret)):
                if value == "":
                    continue
                if tree.get(secret):
                    where = self.origins.where((*key, name))
                    raise ConfigurationError(f"{where}: either {secret} or {name} is expected, not both")
                result[secret] = self._secret((*key, name), value)
            elif isinstance(value, dict) and name in fields:
                result[name] = self.table(value, fields[name].annotation, (*key, name))
            elif isinstance(value, str) and _is_place(fields.get(name)):
                result |= self._place(name, value, required=fields[name].is_required())
            elif not (name in result and value == ""):
                result[name] = value
        return result

    def _place(self, name: str, value: str, *, required: bool) -> dict[str, str]:
        """Return a path made whole; "" where one is required leaves it to the default."""
        if not value:
            return {} if required else {name: value}
        return {name: str(whole(value, self.folder, self.home))}

    def _secret(self, key: Key, value: object) -> str:
        where = self.origins.where(key)
        if not isinstance(value, str):
            raise ConfigurationError(f"{where}: the path of a file is expected")
        path = whole(value, self.folder, self.home)
        self.origins.secret_files.append(path)
        try:
            text = path.read_bytes().decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = (error.strerror or "") if isinstance(error, OSError) else "not UTF-8 text"
            raise ConfigurationError(
                f"{where}: a readable file is expected, {path} is not ({why})"
            ) from error
        if not text:
            raise ConfigurationError(f"{where}: a file with a secret is expected, {path} is empty")
        return text


def _key_of(variable: str, settings: type[BaseModel]) -> tuple[Key, Any]:
    """Return the key that a variable's name stands for, and the type of its value."""
    annotation: Any = settings
    key: Key = ()
    for part in variable.removeprefix(PREFIX).lower().split("__"):
        if (held := named(annotation)) is not None:
            key, annotation = (*key, part.replace("_", "-")), held
            continue
        fields = key_fields(annotation)
        if part not in fields and _takes_file(fields.get(part.removesuffix("_file"))):
            key, annotation = (*key, part), str
        elif part in fields:
            key, annotation = (*key, part), fields[part].annotation
        elif fields:
            raise ConfigurationError(f"{variable}: {unknown(part, annotation)}")
        else:
            raise ConfigurationError(f"{variable}: unknown key; {'.'.join(key)} holds a value, no table")
    if key_fields(annotation) or named(annotation) is not None:
        raise ConfigurationError(f"{variable}: {'.'.join(key)} is a table; {variable}__KEY is expected")
    return key, annotation


def _from_text(variable: str, text: str, annotation: Any) -> Any:  # noqa: ANN401 - any type
    """Return a variable's text as the type that its key has; raises ConfigurationError."""
    if typing.get_origin(annotation) is tuple:
        return _list(variable, text)
    if annotation is bool:
        if text.lower() not in TRUE | FALSE:
            raise ConfigurationError(f"{variable}: true or false is expected")
        return text.lower() in TRUE
    if annotation in {int, float}:
        try:
            return annotation(text)
        except ValueError as error:
            kind = "a whole number" if annotation is int else "a number"
            raise ConfigurationError(f"{variable}: {kind} is expected") from error
    return SecretStr(text) if annotation is SecretStr else text


def _list(variable: str, text: str) -> list[Any]:
    try:
        value = json.loads(text or "[]")
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, list):
        raise ConfigurationError(f'{variable}: a JSON list such as ["a", "b"] is expected')
    return value
