"""Whether this process lives, and whether it can work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from app.core.errors import PimaintenoError
from app.web.context import TheWeb  # noqa: TC001 - FastAPI reads it
from app.web.guard import GuardedRoute

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from app.web.context import Web

router = APIRouter(route_class=GuardedRoute)
PATIENCE_S = 3.0


@router.api_route("/healthz", methods=["GET", "HEAD"])
async def healthz() -> JSONResponse:
    """Say that the loop lives; open to anyone, and tells nothing else."""
    return JSONResponse({"status": "ok"})


@router.api_route("/readyz", methods=["GET", "HEAD"])
async def readyz(web: TheWeb) -> JSONResponse:
    """Say whether database and Redis answer; 503 names what does not."""
    database, redis = await asyncio.gather(_state(web, web.store.ping()), _state(web, web.bell.ping()))
    ready = database == redis == "ok"
    return JSONResponse(
        {"status": "ready" if ready else "not ready", "database": database, "redis": redis},
        status_code=200 if ready else 503,
    )


async def _state(web: Web, question: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await question
    except TimeoutError:
        return f"no answer within {PATIENCE_S:.0f} s"
    except PimaintenoError as error:
        return web.redactor.text(str(error))
    return "ok"
