"""The files that pages load: their addresses carry a hash of the content, so that browsers may keep them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request  # noqa: TC002 - FastAPI reads it
from fastapi.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable

MEDIA = {"style.css": "text/css", "icon.svg": "image/svg+xml", "page.js": "text/javascript"}
FOLDER = Path(__file__).parent / "static"
CONTENT = {name: (FOLDER / name).read_bytes() for name in MEDIA}
MARKS = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in CONTENT.items()}

AN_HOUR, FOR_GOOD = "max-age=3600", "max-age=31536000, immutable"


def asset(name: str) -> str:
    """Return the address of a file as it is now."""
    return f"/static/{name}?v={MARKS[name]}"


def route(name: str) -> Callable[[Request], Response]:
    """Return what answers with a file; it holds nothing that needs a login."""

    def static(request: Request) -> Response:
        kept = FOR_GOOD if request.query_params.get("v") == MARKS[name] else AN_HOUR
        return Response(CONTENT[name], media_type=MEDIA[name], headers={"Cache-Control": kept})

    return static
