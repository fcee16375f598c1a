"""`[web]` of the configuration: where the page listens, and who may look and act."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, Strict, model_validator

from app.core import passwords
from app.core.settings_sections import NONE, FileToo, Name, Plain, Secret, Section

RoleName = Literal["viewer", "operator", "administrator"]
Port = Annotated[int, Field(ge=0, le=65535)]


def _password_hash(value: SecretStr) -> SecretStr:
    if value.get_secret_value():
        passwords.parse(value.get_secret_value())
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("an address or a network such as 10.0.0.0/8 is expected") from None
    return value


def _header(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9-]{1,100}", value):
        raise ValueError("the name of a header such as Remote-User is expected")
    return value.lower()


def _optional_url(value: str) -> str:
    if value and not re.match(r"https?://[^\s/?#]+", value):
        raise ValueError("a URL with https:// or http:// is expected")
    return value.rstrip("/")


Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], Strict(strict=False)]
Header = Annotated[str, AfterValidator(_header)]


class WebToken(Section):
    """A token for scripts. An empty one opens nothing."""

    token: Secret = NONE
    role: RoleName = "viewer"


class WebUser(Section):
    """Somebody who logs in with a password. An empty hash opens nothing."""

    password_hash: Annotated[SecretStr, FileToo(), AfterValidator(_password_hash)] = NONE
    role: RoleName = "viewer"


class WebOAuth(Section):
    """Login with the account that people have at a forge."""

    forge: Name
    client_id: Plain
    client_secret: Secret = NONE
    scopes: str = ""
    roles: dict[str, RoleName] = {}

    @model_validator(mode="after")
    def _has_secret(self) -> WebOAuth:
        if not self.client_secret.get_secret_value():
            raise ValueError("client_secret or client_secret_file is expected")
        return self


class WebProxy(Section):
    """A proxy in front of us that says who calls; nobody is believed without `addresses`."""

    addresses: Networks = ()
    user_header: Annotated[str, Field(min_length=1), AfterValidator(_header)] = "remote-user"
    role_header: Header = ""
    role: Literal["", "viewer", "operator", "administrator"] = ""
    roles: dict[str, RoleName] = {}


class WebSettings(Section):
    """`[web]`: where the page and the interface listen, and who may call."""

    host: str = "127.0.0.1"
    port: Port = 8300
    login: bool = True
    webhook_host: str = ""
    webhook_port: Port = 0
    webhook_url: Annotated[str, AfterValidator(_optional_url)] = ""
    tokens: dict[Name, WebToken] = {}
    users: dict[Name, WebUser] = {}
    oauth: dict[Name, WebOAuth] = {}
    proxy: WebProxy = WebProxy()

    @model_validator(mode="after")
    def _two_ports(self) -> WebSettings:
        if self.webhook_port and self.webhook_port == self.port and self.webhook_host in {"", self.host}:
            raise ValueError("webhook_port: another port than that of the page is expected")
        return self
