"""The files in `static`: each is served under an address that changes with its content, and kept for good."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from markupsafe import Markup

from app.core.errors import NotFoundError
from app.web.guard import GuardedRoute

router = APIRouter(route_class=GuardedRoute)
FOLDER = Path(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_GOOD = "public, max-age=31536000, immutable"
FOR_NOW = "public, max-age=300"


@dataclass(frozen=True)
class Asset:
    """A file, and what its address ends with."""

    content: bytes
    media_type: str
    version: str


@cache
def assets() -> dict[str, Asset]:
    """Return all files by name; they are read once."""
    return {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}


def asset(name: str) -> Markup:
    """Return the address of a file, for templates; it is ours, and redaction must not touch it."""
    return Markup("/static/{}?v={}").format(name, assets()[name].version)


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
async def static(request: Request, name: str) -> Response:
    """Return a file that holds nothing that needs a login."""
    found = assets().get(name)
    if found is None:
        raise NotFoundError(f"There is no file {name[:40]!r} here")
    kept = FOR_GOOD if request.query_params.get("v") == found.version else FOR_NOW
    tag = f'"{found.version}"'
    headers = {"Cache-Control": kept, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
