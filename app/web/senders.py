"""The forges that may send deliveries: what they sign with, and which projects are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core import hooks, logs
from app.core.settings import GitHubForge, GitLabForge
from app.core.settings_sections import signing_key
from app.web import signatures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.redact import Redactor
    from app.core.settings import Settings
    from app.web.notices import Kind


@dataclass(frozen=True)
class Sender:
    """One forge's secrets, any of which will do."""

    kind: Kind
    secrets: tuple[str, ...]
    keys: tuple[bytes, ...] = ()

    def check(self, headers: Mapping[str, str], body: bytes | bytearray) -> None:
        """Raise UnauthorisedError unless the forge sent this."""
        if self.kind == "github":
            signatures.check_github(headers, body, self.secrets)
        else:
            signatures.check_gitlab(headers, body, tokens=self.secrets, keys=self.keys)


class Senders:
    """All forges that webhooks can come from. Secrets that `pimainteno hook` makes meanwhile count too."""

    def __init__(self, settings: Settings, redactor: Redactor) -> None:
        self._forges = {
            name: forge
            for name, forge in settings.forges.items()
            if isinstance(forge, GitHubForge | GitLabForge)
        }
        self._kept = hooks.Kept(settings, redactor.learn)
        self._projects: dict[tuple[str, str], tuple[str, ...]] = {}
        for name, project in settings.projects.items():
            key = (project.forge, project.repo.casefold())
            self._projects[key] = (*self._projects.get(key, ()), name)

    def find(self, forge: str) -> Sender | None:
        """Return a forge's secrets; None where there are none, or no such forge, so that nobody may send."""
        known = self._forges.get(forge)
        if known is None:
            return None
        secrets = tuple(filter(None, (hooks.configured(known), *self._kept.of(forge))))
        token = known.signing_token.get_secret_value() if isinstance(known, GitLabForge) else ""
        keys = (signing_key(token),) if token else ()
        return Sender(known.kind, secrets, keys) if secrets or keys else None

    def projects(self, forge: str, *repositories: str) -> tuple[str, ...]:
        """Return the projects of a forge that are kept in one of these repositories."""
        found = (self._projects.get((forge, name.casefold()), ()) for name in repositories if name)
        return tuple(dict.fromkeys(project for projects in found for project in projects))

    def any(self) -> bool:
        """Tell whether there is a forge that may send."""
        return any(self.find(forge) for forge in self._forges)

    def tell_polled(self) -> None:
        """Log which forges have projects and no webhook."""
        for forge in dict.fromkeys(forge for forge, _ in self._projects):
            if forge in self._forges and self.find(forge) is None:
                logs.get().info(
                    "no webhook: what happens on this forge is polled; set webhook_secret, or run "
                    "`pimainteno hook PROJECT`, to hear of it at once",
                    forge=forge,
                )
