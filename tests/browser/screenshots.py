"""Makes the pictures of README and docs/page.md from the seeded week: python -m tests.browser.screenshots.

python -m tests.browser.screenshots            writes docs/images
python -m tests.browser.screenshots --all DIR  writes every page, light, dark and narrow, to look at
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from playwright.sync_api import sync_playwright

from tests.browser.site import CHROMIUM, TOKENS, filled, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, StorageState

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MOST_BYTES = 200 * 1024
MORNING = 9
"""The hour of the viewer's day, whenever the pictures are made."""


@dataclass(frozen=True)
class Picture:
    """One file: a page at a size, in a theme."""

    name: str
    path: str
    scheme: Literal["light", "dark"] = "light"
    width: int = 1200
    height: int = 900
    scale: float = 1.0
    login: bool = True


PICTURES = (
    Picture("first-light", "/"),
    Picture("first-dark", "/", "dark"),
    Picture("proposal", "/proposals/{Greet people who have one name only}", height=1300),
    Picture("narrow", "/", width=390, height=844, scale=2.0),
    Picture("history", "/history", height=750),
    Picture("project", "/projects/camera", height=1200),
)
PATHS = {
    "first": "/",
    "none": "/?q=nothing-like-this",
    "projects": "/projects",
    "project": "/projects/weather-station",
    "bare": "/projects/attic-archive",
    "local": "/proposals/{Greet people who have one name only}",
    "huge": "/proposals/{Make the lock file anew after the registry moved}",
    "sensors": "/proposals/{Read the sign bit of temperatures below zero}",
    "snow": "/proposals/{Draw the icon for snow}",
    "edited": "/proposals/{Keep seven backups, not six}",
    "waiting": "/proposals/{shop-mail.service failed (exit-code)}",
    "working": "/proposals/{heating-control.service failed (exit-code)}",
    "refused": "/proposals/{Start the pump before the valve opens}",
    "history": "/history",
    "filtered": "/history?kind=proposal.&actor=ann",
    "line": "/history/100",
    "file": "/proposals/{Make the lock file anew after the registry moved}/files/0",
    "sessions": "/sessions",
    "missing": "/proposals/99999",
    "login": "/login",
}


def main() -> None:
    """Write the pictures."""
    wanted: tuple[Picture, ...] = PICTURES
    folder = IMAGES
    if "--all" in sys.argv:
        folder = Path(sys.argv[sys.argv.index("--all") + 1])
        wanted = tuple(_every())
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pm-pictures-", dir="/var/tmp") as state:
        store, ids = filled()
        with served(Path(state), store=store, zone=zone()) as site, sync_playwright() as playwright:
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
            login = _login(browser, site.address)
            for picture in wanted:
                state_of = login if picture.login else None
                _take(browser, site.address, picture, ids, folder / f"{picture.name}.png", state_of)
            browser.close()


def zone() -> str:
    """Return the time zone in which it is morning now: "today" is always as long as in the picture before."""
    east = (MORNING - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-east:+d}"


def _every() -> list[Picture]:
    sizes: dict[str, dict[str, Any]] = {
        "light": {},
        "dark": {"scheme": "dark"},
        "narrow": {"width": 390, "height": 844},
    }
    return [
        Picture(f"{name}-{size}", path, login=name != "login", **given)
        for name, path in PATHS.items()
        for size, given in sizes.items()
    ]


def _login(browser: Browser, address: str) -> StorageState:
    """Log in once, so that the history is not full of it."""
    context = browser.new_context(base_url=address)
    form: dict[str, str | float | bool] = {"token": TOKENS["operator"], "next": "/"}
    context.request.post("/login", form=form, headers={"origin": address})
    state = context.storage_state()
    context.close()
    return state


def _take(
    browser: Browser,
    address: str,
    picture: Picture,
    ids: dict[str, int],
    path: Path,
    login: StorageState | None,
) -> None:
    context = browser.new_context(
        base_url=address,
        viewport={"width": picture.width, "height": picture.height},
        device_scale_factor=picture.scale,
        color_scheme=picture.scheme,
        reduced_motion="reduce",
        timezone_id=zone(),
        storage_state=login,
    )
    page = context.new_page()
    page.goto(_address(picture.path, ids))
    _still(page)
    page.screenshot(path=path, full_page="--all" in sys.argv, animations="disabled")
    context.close()
    size = path.stat().st_size
    print(f"{path}: {size // 1024} KB")
    if size > MOST_BYTES and "--all" not in sys.argv:
        raise SystemExit(f"{path.name} is larger than {MOST_BYTES // 1024} KB: show less of the page")


def _still(page: Page) -> None:
    page.evaluate("document.fonts.ready")


def _address(path: str, ids: dict[str, int]) -> str:
    before, brace, rest = path.partition("{")
    title, _, after = rest.partition("}")
    return f"{before}{ids[title]}{after}" if brace else path


if __name__ == "__main__":
    main()
