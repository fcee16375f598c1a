"""Where the demo lives while it lasts: a private folder, a free port, a configuration of its own."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.base import load
from app.core.errors import ConfigurationError, PimaintenoError
from app.core.settings import CodexSettings
from app.core.settings import load as load_settings
from app.demo.project import CHECKS, NAME, UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.core.settings import Settings
    from app.demo.project import Project

TMP, ELSEWHERE = Path("/tmp"), Path("/var/tmp")  # noqa: S108 - the folder there is private
FAVOURITE_PORT = 8300
NO_BUS = "no-bus"
CLAIM = "\0pimainteno-demo-8300"
SCRIPTED_KEY = "the-scripted-model-takes-any-key"
SCRIPTED_RUN_S = 300.0
KEY_VARIABLE = "PIMAINTENO_CODEX__API_KEY"
NOT_OURS = ("STATE_DIRECTORY", "CONFIGURATION_DIRECTORY", "RUNTIME_DIRECTORY")


@contextmanager
def folder() -> Iterator[Path]:
    """Make a private folder in the user's state home, and take it away again with all that is in it.

    Where that lies in /tmp, which each sandboxed step sees empty, or cannot be written to, it is in
    /var/tmp.
    """
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "pimainteno-demo"
    made = _made(home) if not home.resolve().is_relative_to(TMP) else None
    made = made or _made(ELSEWHERE / f"pimainteno-demo-{os.getuid()}")
    if made is None:
        raise PimaintenoError(f"the demo needs a folder in {home}: set XDG_STATE_HOME to a place to write to")
    try:
        yield made
    finally:
        shutil.rmtree(made)
        with suppress(OSError):  # another demo is in there
            made.parent.rmdir()


def _made(home: Path) -> Path | None:
    """Return a new folder in a folder that is ours alone, or None where there can be none."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = home.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
            return None
        return Path(tempfile.mkdtemp(dir=home))
    except OSError:
        return None


@contextmanager
def port(wanted: int | None) -> Iterator[int]:
    """Give a port that is free: the wanted one, else our usual one, else any.

    It stays free until the web process takes it, a second later, unless somebody else comes first; a name
    in the abstract namespace keeps two demos that start together off the usual one. Raises
    ConfigurationError when the wanted one is in use.
    """
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(CLAIM)
            usual = [FAVOURITE_PORT]
        except OSError:
            usual = []
        found = next(filter(None, map(_free, [wanted] if wanted else [*usual, 0])), None)
        if found is None:
            raise ConfigurationError(f"port {wanted} is in use: name another with --port, or leave it out")
        yield found


def _free(number: int) -> int | None:
    try:
        with socket.create_server(("127.0.0.1", number)) as server:
            bound: int = server.getsockname()[1]
            return bound
    except OSError:
        return None


def real_model(config: str | None) -> CodexSettings:
    """Return how the user's own configuration reaches the model; ConfigurationError without a key."""
    try:
        codex = load(config).codex
    except ConfigurationError as error:
        raise ConfigurationError(f"--live needs a model's key: set {KEY_VARIABLE} ({error})") from error
    if not codex.api_key.get_secret_value():
        raise ConfigurationError(
            f"--live needs a model's key: set {KEY_VARIABLE}, or codex.api_key in the file"
        )
    return codex


def scripted_model(base_url: str) -> CodexSettings:
    """Return the settings that lead to the scripted model."""
    return CodexSettings.model_validate(
        {"base_url": base_url, "api_key": SCRIPTED_KEY, "timeout_s": SCRIPTED_RUN_S, "idle_s": SCRIPTED_RUN_S}
    )


def environment(codex: CodexSettings) -> dict[str, str]:
    """Return our own environment without anything that configures another PiMainteno, and with the key."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PIMAINTENO_") and name not in NOT_OURS
    }
    return {**kept, KEY_VARIABLE: codex.api_key.get_secret_value()}


def configure(
    at: Path, project: Project, codex: CodexSettings, port: int, env: Mapping[str, str], *, bus: str | None
) -> Settings:
    """Write pimainteno.toml, the one that a user would write but for its places, and load it.

    Without a `bus` it watches where nobody answers: a unit of this name may well be the user's own.
    """
    checks = ", ".join(_quoted(check) for check in CHECKS)
    file = at / "pimainteno.toml"
    file.write_text(
        f"""\
state_dir = {_quoted(at / "state")}
public_url = "http://127.0.0.1:{port}"

[web]
port = {port}

[codex]
command = {_quoted(codex.command)}
base_url = {_quoted(codex.base_url)}
model = {_quoted(codex.model)}
timeout_s = {codex.timeout_s}
idle_s = {codex.idle_s}

[watch]
bus = {_quoted(bus or f"unix:path={at / NO_BUS}")}
settle_s = 0
ticks = false

[forges.here]
kind = "local"

[projects.{NAME}]
forge = "here"
repo = {_quoted(project.bare)}
path = {_quoted(project.checkout)}
units = [{_quoted(UNIT)}]
checks = [{checks}]
""",
        encoding="utf-8",
    )
    return load_settings(file, env=env)


def _quoted(text: object) -> str:
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
