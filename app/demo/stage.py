"""What the demo plays on: its project, a PiMainteno of its own, and the way to both."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.commands.base import quiet_logs
from app.commands.screen import steps
from app.core import redis
from app.core.queue import Bell
from app.demo import house, project, service
from app.demo.model import ModelServer
from app.demo.parts import running_parts
from app.demo.script import Script
from app.store.database import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.commands.screen import Steps
    from app.core.settings import CodexSettings, Settings
    from app.demo.parts import Parts
    from app.demo.project import Project
    from app.demo.service import Manager


@dataclass(frozen=True)
class Stage:
    """What the story plays on; `manager` is the systemd that the watcher watches, if one answers."""

    settings: Settings
    project: Project
    manager: Manager | None
    store: Store
    bell: Bell
    parts: Parts
    steps: Steps


@asynccontextmanager
async def staged(codex: CodexSettings | None, port: int) -> AsyncIterator[Stage]:
    """Set the stage, with the scripted model where `codex` is None, and clear it away afterwards."""
    async with AsyncExitStack() as held:
        at = held.enter_context(house.folder())
        shown = held.enter_context(steps())
        shown.step(
            f"A project is made: {project.NAME}, a git repository and the checkout its service runs from"
        )
        made = await project.make(at)
        if codex is None:
            model = await held.enter_async_context(ModelServer(Script()))
            codex = house.scripted_model(model.base_url)
        env = house.environment(codex)
        manager = await service.manager()
        settings = house.configure(at, made, codex, port, env, bus=manager.bus if manager else None)
        quiet_logs(settings)
        shown.step(f"PiMainteno starts: web, worker and watcher, with everything of theirs in {at}")
        shown.busy("starting")
        parts = await held.enter_async_context(running_parts(settings, env))
        store = await held.enter_async_context(Store.opened(settings.database_url_effective))
        url = await held.enter_async_context(redis.running(settings))
        bell = await held.enter_async_context(Bell(url))
        await parts.ready(bell)
        yield Stage(settings, made, manager, store, bell, parts, shown)
