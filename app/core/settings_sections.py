"""The sections of the configuration as frozen models, defaults included."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    Strict,
    model_validator,
)

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
UNIT = re.compile(
    r"[A-Za-z0-9:_.\\@*?!\[\]-]+"
    r"(\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)|\*)"
)
PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:RSA )?PRIVATE KEY-----.+-----END (?:RSA )?PRIVATE KEY-----", re.DOTALL
)
BRANCH = re.compile(r"(?![-/.])(?!.*(\.\.|//|@\{|\.lock$|[/.]$))[^\x00-\x20\x7f~^:?*\[\\]{0,200}")


class FileToo:
    """Marks a key that can also be given as `<key>_file`."""


class Place:
    """Marks a path: `~` is the home, and a relative one starts at the configuration file's folder."""


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(
            "a name of a-z, 0-9 and '-' is expected, 40 characters at most, not starting with '-'"
        )
    return value


def _unit(value: str) -> str:
    if len(value) > 255 or not UNIT.fullmatch(value):
        raise ValueError("a unit name or pattern with its suffix is expected, such as greeter.service")
    return value


def _branch(value: str) -> str:
    if value and not BRANCH.fullmatch(value):
        raise ValueError("the name of a git branch is expected")
    return value


def _clock(value: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError("a time of day such as 03:30 is expected")
    return value


def _bus(value: str) -> str:
    if value not in {"system", "user"} and not re.match(r"[a-z-]+:\S", value):
        raise ValueError("'system', 'user' or a D-Bus address such as unix:path=/run/bus is expected")
    return value


def _safe_url(value: str, schemes: frozenset[str]) -> str:
    """Check an address that tokens or code travel to; in the clear it may only be this machine."""
    try:
        url = urlsplit(value)
        host = url.hostname or ""
        _ = url.port
    except ValueError:
        url, host = urlsplit(""), ""
    expected = " or ".join(f"{scheme}://" for scheme in sorted(schemes))
    if url.scheme not in {*schemes, "http"} or not (host or url.scheme == "file"):
        raise ValueError(f"a URL with {expected} is expected (http:// on loopback alone)")
    if url.scheme == "http" and not is_loopback(host):
        raise ValueError(f"{expected} is expected: http:// is accepted on loopback alone")
    if url.password is not None or (url.username is not None and url.scheme != "ssh"):
        raise ValueError("a URL without a user name or password is expected; the token has a key of its own")
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _api_url(value: str) -> str:
    return _safe_url(value, frozenset({"https"}))


def _clone_url(value: str) -> str:
    return _safe_url(value, frozenset({"https", "ssh", "file"})) if value else value


def signing_key(token: str) -> bytes:
    """Return the key in a signing token: the base64 behind `whsec_`; ValueError where it is none."""
    coded = token.removeprefix("whsec_")
    try:
        key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("whsec_ and base64 is expected, as GitLab has shown it")
    return key


def _signing_token(value: SecretStr) -> SecretStr:
    if value.get_secret_value():
        signing_key(value.get_secret_value())
    return value


def _page_url(value: str) -> str:
    if not re.match(r"https?://[^\s/?#]+", value):
        raise ValueError("a URL with https:// or http:// is expected")
    return value.rstrip("/")


def _plain(value: str) -> str:
    if not value or not value.isprintable() or set(value) & set("<>"):
        raise ValueError("one line of text without < and > is expected")
    return value


def _none_if_empty(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    return None if value == "" else value


def _as_text(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Secret = Annotated[SecretStr, FileToo()]
Name = Annotated[str, AfterValidator(_name)]
Plain = Annotated[str, AfterValidator(_plain)]
Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(strict=False)]
OptionalPath = Annotated[Path | None, Strict(strict=False), BeforeValidator(_none_if_empty), Place()]
ApiUrl = Annotated[str, AfterValidator(_api_url)]
PageUrl = Annotated[str, AfterValidator(_page_url)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NONE = SecretStr("")


class Section(BaseModel):
    """Base of all sections: frozen, and strict about keys and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class CodexSettings(Section):
    """`[codex]`: the command line tool, its model server, and what it may spend."""

    command: str = ""
    base_url: ApiUrl = "https://api.openai.com/v1"
    model: Annotated[str, Field(min_length=1)] = "gpt-5.5"
    api_key: Secret = NONE
    timeout_s: Seconds = 1800.0
    idle_s: Seconds = 300.0
    token_limit: Count = 400_000
    daily_token_limit: Count = 4_000_000


class PriceSettings(Section):
    """`[prices.MODEL]`: what a model costs, in US dollars for a million tokens."""

    input: Dollars
    cached: Dollars
    output: Dollars

    @model_validator(mode="before")
    @classmethod
    def _is_whole_name(cls, given: object) -> object:
        if isinstance(given, dict) and any(isinstance(value, dict) for value in given.values()):
            raise ValueError('a model\'s name with a dot goes in quotation marks, as in [prices."gpt-5.5"]')
        return given


class WatchSettings(Section):
    """`[watch]`: the host events that become reports."""

    bus: Annotated[str, AfterValidator(_bus)] = "system"
    journal: OptionalPath = None
    settle_s: Annotated[float, Field(ge=0)] = 30.0
    scan_at: Annotated[str, AfterValidator(_clock)] = "03:30"
    ticks: bool = True


class LimitSettings(Section):
    """`[limits]`: how much may be proposed."""

    open_proposals: Count = 10
    proposals_per_hour: Annotated[int, Field(ge=0)] = 2
    max_files: Count = 100
    max_patch_bytes: Count = 4_194_304


class CommitSettings(Section):
    """`[commit]`: whom commits are from."""

    name: Plain = "PiMainteno"
    email: Plain = "pimainteno@localhost"


class WorkerSettings(Section):
    """`[worker]`: leases, the sweeper, and how much runs at once."""

    lease_s: Seconds = 30.0
    sweep_s: Seconds = 10.0
    poll_s: Seconds = 300.0
    agents: Count = 1
    max_attempts: Count = 5


class GitHubForge(Section):
    """A forge of kind github, with a token or as a GitHub App."""

    kind: Literal["github"]
    api_url: ApiUrl = "https://api.github.com"
    token: Secret = NONE
    app_id: Annotated[str, BeforeValidator(_as_text)] = ""
    private_key: Secret = NONE
    webhook_secret: Secret = NONE
    ca_file: OptionalPath = None

    @model_validator(mode="after")
    def _one_identity(self) -> GitHubForge:
        if bool(self.app_id) != bool(self.private_key.get_secret_value()):
            raise ValueError("app_id and private_key are expected together")
        if self.app_id and self.token.get_secret_value():
            raise ValueError("either token, or app_id and private_key, is expected")
        if self.app_id and not PRIVATE_KEY.search(self.private_key.get_secret_value()):
            raise ValueError("private_key: the .pem file that GitHub made for the App is expected")
        return self


class GitLabForge(Section):
    """A forge of kind gitlab."""

    kind: Literal["gitlab"]
    url: ApiUrl = "https://gitlab.com"
    token: Secret = NONE
    webhook_secret: Secret = NONE
    signing_token: Annotated[SecretStr, FileToo(), AfterValidator(_signing_token)] = NONE
    ca_file: OptionalPath = None


class LocalForge(Section):
    """A bare repository on this machine; its proposals are reviewed on our own page."""

    kind: Literal["local"]


Forge = GitHubForge | GitLabForge | LocalForge


class ProjectSettings(Section):
    """`[projects.NAME]`: a repository to look after, its units, and the checks that prove it works."""

    forge: Name
    repo: Plain
    clone_url: Annotated[str, AfterValidator(_clone_url)] = ""
    branch: Annotated[str, AfterValidator(_branch)] = ""
    path: OptionalPath = None
    units: Annotated[tuple[Annotated[str, AfterValidator(_unit)], ...], Strict(strict=False)] = ()
    prepare: Texts = ()
    checks: Texts = ()
    check_network: bool = False
    check_timeout_s: Seconds = 600.0
    draft: bool = True
    share_log: Literal["auto", "yes", "no"] = "auto"
    reviewers: Texts = ()
    assignees: Texts = ()
    labels: Texts = ("pimainteno",)
