"""The configuration: one file, overridden by variables, checked once in the composition root.

Nothing here is read at import. Every mistake is one line that names the file or variable, the key,
and what is expected.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr, Strict, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.core.addresses import passwords_in, socket_folders
from app.core.errors import ConfigurationError, NotFoundError
from app.core.paths import StatePaths
from app.core.settings_errors import first_line
from app.core.settings_sections import (
    CodexSettings,
    CommitSettings,
    FileToo,
    Forge,
    GitHubForge,
    GitLabForge,
    LimitSettings,
    LocalForge,
    Name,
    PageUrl,
    Place,
    PriceSettings,
    ProjectSettings,
    Section,
    WatchSettings,
    WorkerSettings,
)
from app.core.settings_sources import FileSource, Origins, StateDirSource, VariableSource, is_setting, whole
from app.core.settings_web import WebOAuth, WebProxy, WebSettings, WebToken, WebUser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


__all__ = [
    "CodexSettings",
    "CommitSettings",
    "Forge",
    "GitHubForge",
    "GitLabForge",
    "LimitSettings",
    "LocalForge",
    "PriceSettings",
    "ProjectSettings",
    "Settings",
    "WatchSettings",
    "WebOAuth",
    "WebProxy",
    "WebSettings",
    "WebToken",
    "WebUser",
    "WorkerSettings",
    "load",
]

SYSTEM_FOLDER = Path("/etc/pimainteno")
FILE_NAME = "pimainteno.toml"
SEGMENT = r"(?!\.\.?(?:/|$))[A-Za-z0-9_.][A-Za-z0-9_.-]*"
REPOSITORY = re.compile(f"{SEGMENT}(?:/{SEGMENT})+")


def _redis_url(value: str) -> str:
    if value and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError(
            "a URL with redis://, rediss:// or unix:// is expected, or nothing for the embedded server"
        )
    return value


def _database_url(value: str) -> str:
    if value and not re.match(r"(sqlite|postgresql|postgres)(\+\w+)?:", value):
        raise ValueError(
            "a URL with postgresql:// or sqlite:// is expected, or nothing for SQLite in state_dir"
        )
    return value


class Settings(BaseSettings):
    """The whole configuration, frozen. Made by `load`; made directly, it reads nothing from outside."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    state_dir: Annotated[Path, Strict(strict=False), Place()]
    redis_url: Annotated[str, Field(repr=False), FileToo(), AfterValidator(_redis_url)] = ""
    database_url: Annotated[str, Field(repr=False), FileToo(), AfterValidator(_database_url)] = ""
    public_url: PageUrl = "http://127.0.0.1:8300"
    web: WebSettings = WebSettings()
    codex: CodexSettings = CodexSettings()
    prices: dict[Annotated[str, Field(min_length=1)], PriceSettings] = {}
    watch: WatchSettings = WatchSettings()
    limits: LimitSettings = LimitSettings()
    commit: CommitSettings = CommitSettings()
    worker: WorkerSettings = WorkerSettings()
    forges: dict[Name, Annotated[Forge, Field(discriminator="kind")]] = {}
    projects: dict[Name, ProjectSettings] = {}

    _source: Path | None = PrivateAttr(default=None)
    _secret_files: tuple[Path, ...] = PrivateAttr(default=())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing unasked: `load` alone brings the file and the variables."""
        return (init_settings,)

    @property
    def source(self) -> Path | None:
        """The configuration file, or None if variables alone were given."""
        return self._source

    @property
    def paths(self) -> StatePaths:
        """Where things lie in `state_dir`."""
        return StatePaths(self.state_dir)

    @property
    def database_url_effective(self) -> str:
        """The database's URL with the driver that the store uses."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{self.paths.database}"
        scheme, rest = self.database_url.split(":", 1)
        driver = "sqlite+aiosqlite" if scheme.startswith("sqlite") else "postgresql+psycopg"
        return f"{driver}:{rest}"

    @property
    def webhook_url(self) -> str:
        """The address that forges send to, without the forge's name.

        A port of its own is reached directly; behind https a proxy stands, which can find it by the path.
        """
        if self.web.webhook_url:
            return f"{self.web.webhook_url}/webhooks"
        public = urlsplit(self.public_url)
        if not self.web.webhook_port or public.scheme == "https":
            return f"{self.public_url}/webhooks"
        host = public.netloc.rpartition("@")[2]
        host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
        return f"http://{host}:{self.web.webhook_port}/webhooks"

    def project(self, name: str) -> ProjectSettings:
        """Return a project's settings; raises NotFoundError with the names there are."""
        if name not in self.projects:
            known = ", ".join(sorted(self.projects)) or "none is configured"
            raise NotFoundError(f"there is no project {name!r}; known projects: {known}")
        return self.projects[name]

    def forge_of(self, project: str) -> Forge:
        """Return the settings of a project's forge; raises NotFoundError."""
        name = self.project(project).forge
        if name not in self.forges:
            raise NotFoundError(f"there is no [forges.{name}], the forge of project {project!r}")
        return self.forges[name]

    def project_of_unit(self, unit: str) -> list[str]:
        """Return the projects that a unit belongs to, in the order of the file."""
        return [
            name
            for name, project in self.projects.items()
            if any(fnmatchcase(unit, pattern) for pattern in project.units)
        ]

    def secrets(self) -> tuple[str, ...]:
        """Return every configured secret value, the longest first."""
        urls = [password for url in (self.redis_url, self.database_url) for password in passwords_in(url)]
        found = {value for section in _sections(self) for value in _secret_values(section)}
        found |= {form for password in urls if password for form in (password, unquote(password))}
        return tuple(sorted(found, key=lambda value: (-len(value), value)))

    def closed_paths(self) -> tuple[Path, ...]:
        """Return the files and folders that untrusted work must not see; not all of them need exist."""
        closed = [SYSTEM_FOLDER, self.state_dir, *self._secret_files]
        closed += [self._source] if self._source else []
        closed += [project.path for project in self.projects.values() if project.path]
        closed += [
            Path(project.repo)
            for project in self.projects.values()
            if isinstance(self.forges.get(project.forge), LocalForge)
        ]
        if self.database_url.startswith("sqlite"):
            database = self.database_url_effective.removeprefix("sqlite+aiosqlite:///")
            endings = ("", "-wal", "-shm", ".next-writer", ".writers", ".lock")
            closed += [Path(database + end) for end in endings]
        if self.redis_url.startswith("unix://"):
            closed.append(Path(urlsplit(self.redis_url).path))
        closed += socket_folders(self.database_url)
        return tuple(dict.fromkeys(closed))


def load(
    config: Path | None = None, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Settings:
    """Return the settings from the file and the variables.

    The file is `config`, else `$PIMAINTENO_CONFIG`, else the first that exists of `./pimainteno.toml`,
    the one in `~/.config/pimainteno` and the one in `/etc/pimainteno`. Without any, the variables alone
    are enough. Raises ConfigurationError.
    """
    env = os.environ if env is None else env
    cwd = Path.cwd() if cwd is None else cwd
    home = Path(env.get("HOME") or Path.home())
    origins = Origins(_find(config, env, cwd, home))
    if origins.file is None and not any(is_setting(name) for name in env):
        looked = ", ".join(str(path) for path in _candidates(cwd, home))
        raise ConfigurationError(
            f"no configuration: none of {looked} exists; write one, or name it with --config"
        )
    variables = VariableSource(Settings, origins, home, cwd, env)
    file = FileSource(Settings, origins, home)
    defaults = StateDirSource(Settings, env, home)
    try:
        settings = Settings(_build_sources=((variables, file, defaults), {}))
    except ValidationError as error:
        raise ConfigurationError(first_line(error.errors(include_input=False), origins, Settings)) from None
    settings = _addressed(_located(settings, origins, cwd, home))
    _check_oauth(settings, origins)
    settings._source = origins.file  # noqa: SLF001 - our own class, right after it was made
    settings._secret_files = tuple(origins.secret_files)  # noqa: SLF001
    return settings


def _candidates(cwd: Path, home: Path) -> tuple[Path, ...]:
    return (cwd / FILE_NAME, home / ".config/pimainteno" / FILE_NAME, SYSTEM_FOLDER / FILE_NAME)


def _find(config: Path | None, env: Mapping[str, str], cwd: Path, home: Path) -> Path | None:
    named_file = config or (Path(env["PIMAINTENO_CONFIG"]) if env.get("PIMAINTENO_CONFIG") else None)
    if named_file is not None:
        return cwd / named_file
    return next((path for path in _candidates(cwd, home) if os.path.lexists(path)), None)


def _sections(section: Settings | Section) -> Iterator[Settings | Section]:
    yield section
    for name in type(section).model_fields:
        value = getattr(section, name)
        for each in value.values() if isinstance(value, dict) else [value]:
            if isinstance(each, Section):
                yield from _sections(each)


def _secret_values(section: Settings | Section) -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()


def _addressed(settings: Settings) -> Settings:
    """Return the settings with the page's address at the configured port, where no address is given."""
    if "public_url" in settings.model_fields_set or not settings.web.port:
        return settings
    return settings.model_copy(update={"public_url": f"http://127.0.0.1:{settings.web.port}"})


def _check_oauth(settings: Settings, origins: Origins) -> None:
    """Raise ConfigurationError where people are to log in with a forge that is none."""
    for name, entry in settings.web.oauth.items():
        forge = settings.forges.get(entry.forge)
        if forge is None or isinstance(forge, LocalForge):
            known = ", ".join(sorted(k for k, v in settings.forges.items() if not isinstance(v, LocalForge)))
            where = origins.where(("web", "oauth", name, "forge"))
            raise ConfigurationError(
                f"{where}: the name of a GitHub or GitLab forge is expected; known: {known or 'none'}"
            )


def _located(settings: Settings, origins: Origins, cwd: Path, home: Path) -> Settings:
    """Return the settings with whole paths for local repositories; raises ConfigurationError.

    A host that only watches has a Redis URL and projects, and no forge at all.
    """
    projects: dict[str, ProjectSettings] = {}
    watches_only = not settings.forges and bool(settings.redis_url)
    for name, project in settings.projects.items():
        forge = settings.forges.get(project.forge)
        if forge is None and not watches_only:
            known = ", ".join(sorted(settings.forges)) or "none is configured"
            where = origins.where(("projects", name, "forge"))
            raise ConfigurationError(f"{where}: the name of a forge is expected; known forges: {known}")
        key = ("projects", name, "repo")
        if isinstance(forge, LocalForge):
            folder = origins.file.parent if origins.file and key not in origins.variables else cwd
            repo = os.path.normpath(whole(project.repo, folder, home))
            projects[name] = project.model_copy(update={"repo": repo})
        elif forge is not None and not REPOSITORY.fullmatch(project.repo):
            raise ConfigurationError(f"{origins.where(key)}: owner/name is expected")
        else:
            projects[name] = project
    return settings.model_copy(update={"projects": projects})
