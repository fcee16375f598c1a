from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from app.web.assets import FOLDER, asset, assets
from tests.web.conftest import TOKENS

if TYPE_CHECKING:
    from tests.web.conftest import Site


async def test_a_page_names_files_by_their_content(site: Site) -> None:
    async with site.client(token=TOKENS["viewer"], html=True) as client:
        text = (await client.get("/")).text
        named = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', text))
        assert asset("style.css") in named
        for address in named:
            answer = await client.get(address)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", sorted(assets()))
async def test_each_file(site: Site, name: str) -> None:
    async with site.client(peer="192.0.2.7") as client:
        answer = await client.get(f"/static/{name}")
        assert answer.content == (FOLDER / name).read_bytes()
        assert answer.headers["content-type"].partition(";")[0] in {
            "text/css",
            "text/javascript",
            "image/svg+xml",
        }
        assert answer.headers["cache-control"] == "public, max-age=300"
        again = await client.get(f"/static/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        old = await client.get(f"/static/{name}?v=0123456789ab")
        assert old.headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize("name", ["nothing.css", "VENDORED.md", "..%2Fassets.py", "x" * 10_000])
async def test_no_other_file(site: Site, name: str) -> None:
    async with site.client(peer="192.0.2.7") as client:
        assert (await client.get(f"/static/{name}")).status_code == 404


def test_files_of_others_are_as_they_were_published() -> None:
    told = (FOLDER / "VENDORED.md").read_text()
    sums = dict(re.findall(r"^\| `([^`]+)` .* `([0-9a-f]{64})` \|$", told, re.MULTILINE))
    assert set(sums) == {path.name for path in FOLDER.glob("*.min.js")} == {"htmx.min.js", "hx-sse.min.js"}
    for name, expected in sums.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == expected, name
