"""Which forge a project lives on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.settings import GitHubForge as GitHubSettings
from app.core.settings import LocalForge as LocalSettings
from worker.forges.local import LocalForge

if TYPE_CHECKING:
    from app.core.settings import Settings
    from worker.forges.base import Forge


def forge_for(settings: Settings, project: str) -> Forge:
    """Return a project's forge; raises NotFoundError for an unknown project or forge.

    Raises ConfigurationError for a forge without a token.
    """
    ours = settings.project(project)
    forge = settings.forge_of(project)
    if isinstance(forge, LocalSettings):
        return LocalForge(clone_url=ours.clone_url or ours.repo, public_url=settings.public_url)
    if isinstance(forge, GitHubSettings):
        from worker.forges.github.forge import on_github  # heavy: only where it is configured

        return on_github(project, ours, forge)
    from worker.forges.gitlab.forge import on_gitlab

    return on_gitlab(project, ours, forge)
