"""Where the Codex CLI and bubblewrap lie on this machine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import ConfigurationError, SandboxError
from app.core.process import SYSTEM_PATH

if TYPE_CHECKING:
    from app.core.settings import Settings


@dataclass(frozen=True)
class Program:
    """The native binary of the Codex CLI and the folder that it needs around it."""

    binary: Path
    folder: Path


def codex(settings: Settings) -> Program:
    """Return the Codex CLI to run: `codex.command`, else the binary of openai-codex-cli-bin."""
    if settings.codex.command:
        found = shutil.which(settings.codex.command)
        if found is None:
            raise ConfigurationError(
                f"codex.command: {settings.codex.command} is not a program on this machine"
            )
        return _around(Path(found).resolve())
    package = _package()
    if package is None:
        raise ConfigurationError(
            "the package openai-codex-cli-bin is missing: install it, or set codex.command to a Codex binary"
        )
    return Program(package / "bin" / "codex", package)


def bubblewrap() -> Path:
    """Return the bubblewrap to run: the one that comes with the Codex CLI, else the system's."""
    package = _package()
    bundled = package / "codex-resources" / "bwrap" if package else None
    if bundled is not None and bundled.is_file():
        return bundled
    found = shutil.which("bwrap", path=SYSTEM_PATH)
    if found is None:
        raise SandboxError(
            "bubblewrap is missing: install openai-codex-cli-bin or the system's package bubblewrap"
        )
    return Path(found)


def _around(binary: Path) -> Program:
    """Return the binary with the whole package where it lies in one, else with its own folder."""
    package = binary.parent.parent
    return Program(binary, package if (package / "codex-package.json").is_file() else binary.parent)


def _package() -> Path | None:
    try:
        import codex_cli_bin

        return Path(codex_cli_bin.bundled_package_dir())
    except (ImportError, FileNotFoundError):
        return None
