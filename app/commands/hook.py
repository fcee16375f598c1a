"""`hook`: register our webhook on a project's forge, so that what people do there is seen at once."""

import ipaddress
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.base import DONE, NOTHING, Config, load, perform
from app.core.errors import ConfigurationError

if TYPE_CHECKING:
    from app.core.redact import Redactor
    from app.core.settings import GitHubForge, GitLabForge, Settings

NAMES = {"github": "GitHub", "gitlab": "GitLab"}
AT_HOME = (".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain")
"""How names end that are known in one house or company alone."""


def hook(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="A project of the configuration.")],
    config: Config = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the webhook away again.")] = False,
) -> None:
    """Have a forge tell us at once what happens there.

    Registers a webhook on the project's repository that sends to public_url, or to web.webhook_url,
    signed with the forge's webhook_secret, or with a fresh secret of its own where none is configured.
    Without a webhook the forge is polled, which takes a few minutes longer and needs no address that it
    can reach.
    """
    settings = load(config)
    forge = settings.forge_of(project)
    if forge.kind == "local":
        raise ConfigurationError(
            f"project {project!r} is on a local forge, which has no webhook: nothing happens there unseen"
        )
    url = f"{settings.webhook_url}/{settings.project(project).forge}"
    if remove:
        perform(_remove(settings, forge, project, url))
    _check_reachable(settings, forge)
    perform(_register(settings, forge, project, url))


async def _register(settings: "Settings", forge: "GitHubForge | GitLabForge", project: str, url: str) -> int:
    import secrets

    from app.commands.screen import say
    from app.core import hooks
    from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError
    from worker.forges.registry import forge_for

    known = hooks.configured(forge) or hooks.kept(settings.paths.hooks, project)
    secret = known or secrets.token_urlsafe(32)
    redactor = _quiet(settings, secret)
    there = forge_for(settings, project)
    await there.look()
    if not known:  # before the forge knows it: the first delivery may come at once
        hooks.keep(settings.paths.hooks, project, secret)
    try:
        made = await there.hook(url, secret)
    except ForgeError as error:
        refused = isinstance(error, ForgeAccessError | ForgeRefusedError)
        if refused and not known:  # after any other error the hook may be there
            hooks.forget(settings.paths.hooks, project)
        raise ForgeError(redactor.text(str(error))) from None  # it may repeat what it was sent
    repo, name = settings.project(project).repo, NAMES[forge.kind]
    say(
        f"{repo} on {name} now has a webhook to {url}: what happens there is seen at once"
        if made
        else f"the webhook of {repo} on {name} to {url} was there already; it is brought up to date"
    )
    say(
        f"it is signed with webhook_secret of [forges.{settings.project(project).forge}]"
        if hooks.configured(forge)
        else f"its secret is kept in {settings.paths.hooks / project}; a page that runs here knows it already"
    )
    say(f"whether deliveries arrive is shown on {name}, in the project's Settings, Webhooks")
    return DONE


async def _remove(settings: "Settings", forge: "GitHubForge | GitLabForge", project: str, url: str) -> int:
    from app.commands.screen import say, warn
    from app.core import hooks
    from worker.forges.registry import forge_for

    _quiet(settings, hooks.kept(settings.paths.hooks, project))
    there = forge_for(settings, project)
    await there.look()
    removed = await there.unhook(url)
    forgotten = hooks.forget(settings.paths.hooks, project)
    where, name = f"{settings.project(project).repo} on {NAMES[forge.kind]}", NAMES[forge.kind]
    if not removed and not forgotten:
        warn(f"{where} has no webhook to {url}; one to another address is taken away on {name} itself")
        return NOTHING
    say(f"{where} has no webhook to {url} any more; what happens there is asked for every few minutes")
    return DONE


def _quiet(settings: "Settings", secret: str) -> "Redactor":
    """Let only warnings reach standard error, without the secret."""
    from app.core import logs
    from app.core.redact import Redactor

    redactor = Redactor((*settings.secrets(), secret))
    logs.configure(redactor, process="cli", level="warning")
    return redactor


def _check_reachable(settings: "Settings", forge: "GitHubForge | GitLabForge") -> None:
    """Raise ConfigurationError where the forge cannot reach our webhooks, by the looks of both addresses."""
    from urllib.parse import urlsplit

    from app.core.settings_sections import is_loopback

    ours = urlsplit(settings.webhook_url).hostname or ""
    key, address = ("web.webhook_url", settings.web.webhook_url)
    if not address:
        key, address = "public_url", settings.public_url
    theirs = urlsplit(forge.api_url if forge.kind == "github" else forge.url).hostname or ""
    if is_loopback(theirs) or not (is_loopback(ours) or _is_private(ours)):
        return
    if is_loopback(ours) or not _is_private(theirs):
        raise ConfigurationError(
            f"{NAMES[forge.kind]} at {theirs} cannot reach {address}: set {key} to an "
            "address that it can reach; without a webhook it is polled, which needs none"
        )


def _is_private(host: str) -> bool:
    """Tell whether a host name or address means something in one network alone."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(AT_HOME)
