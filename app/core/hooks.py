"""The secrets of webhooks: the configured ones, and those that `pimainteno hook` has made.

A made secret lies in a file of its project's name, for its owner alone, until `--remove` takes it away.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from app.core import logs
from app.core.errors import PimaintenoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from app.core.settings import Forge, Settings

SETTLED_NS = 1_000_000_000
"""A folder that changed later than this may change again within one tick of the file system's clock."""


def configured(forge: Forge) -> str:
    """Return the configured secret of a forge's webhook; "" for none."""
    return "" if forge.kind == "local" else forge.webhook_secret.get_secret_value()


def keep(folder: Path, project: str, secret: str) -> None:
    """Keep a project's secret, whole or not at all; raises PimaintenoError."""
    aside = folder / f".{project}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(secret)
            file.flush()
            os.fsync(fd)
        aside.replace(folder / project)
    except OSError as error:
        raise PimaintenoError(
            f"{folder / project} cannot be written ({error.strerror}): check state_dir and its owner"
        ) from error


def kept(folder: Path, project: str) -> str:
    """Return a project's secret; "" where none is kept. Raises PimaintenoError where it cannot be read."""
    try:
        return (folder / project).read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise PimaintenoError(f"{folder / project} cannot be read ({error}): check its owner") from error


def forget(folder: Path, project: str) -> bool:
    """Take a project's secret away; False where none was kept."""
    try:
        (folder / project).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise PimaintenoError(
            f"{folder / project} cannot be deleted ({error.strerror}): check state_dir and its owner"
        ) from error
    return True


class Kept:
    """The kept secrets of all projects, read again once the folder has changed.

    `learned` is told each secret that is new, so that it can be kept out of logs and pages.
    """

    def __init__(self, settings: Settings, learned: Callable[[Iterable[str]], None]) -> None:
        self._folder = settings.paths.hooks
        self._forges: Mapping[str, str] = {name: one.forge for name, one in settings.projects.items()}
        self._learned = learned
        self._changed: int | None = None
        self._secrets: dict[str, str] = {}

    def of(self, forge: str) -> tuple[str, ...]:
        """Return the secrets of all projects on a forge."""
        self._look()
        return tuple(
            secret for project, secret in self._secrets.items() if self._forges.get(project) == forge
        )

    def _look(self) -> None:
        try:
            changed = self._folder.stat().st_mtime_ns
        except OSError:
            self._changed, self._secrets = None, {}
            return
        if changed == self._changed:
            return
        self._secrets = {project: secret for project in self._forges if (secret := self._read(project))}
        self._learned(self._secrets.values())
        self._changed = changed if abs(time.time_ns() - changed) > SETTLED_NS else None

    def _read(self, project: str) -> str:
        try:
            return kept(self._folder, project)
        except PimaintenoError as error:
            logs.get().warning("the secret of a webhook is of no use", project=project, error=str(error))
            return ""
