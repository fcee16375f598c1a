"""Projects at a glance, and one with its units, limits and codex.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core.base import now
from app.core.changes import CodexMd
from app.core.models import ProjectView, ProposalState
from app.core.units import UnitCounts, UnitState, UnitStates
from app.store import projects, units
from app.web.project_pages import Standing, files_at
from tests.web.conftest import HOSTILE, Site, add_proposal
from tests.web.html_of import check_page, words_of

if TYPE_CHECKING:
    from app.core.settings import Settings


async def tell(site: Site, *items: UnitState) -> None:
    sent = int(now().timestamp() * 1e6)
    async with site.store.write() as tx:
        await units.told(tx, UnitStates(host="pi-1", sent=sent, full=True, items=items))


def unit(name: str = "greeter.service", **more: str) -> UnitState:
    return UnitState(project="greeter", unit=name, **({"load": "loaded", "active": "active"} | more))


async def test_a_glance_tells_what_fails_and_what_needs_people(site: Site) -> None:
    await add_proposal(site.store)
    await add_proposal(site.store, state=ProposalState.WORKING)
    await tell(site, unit(active="failed", result="exit-code"), unit("b.service"))
    async with site.reader(html=True) as client:
        words = words_of(check_page(await client.get("/projects")))
    assert "greeter /srv/git/greeter.git local failing 1 failed of 2 1 needs you 2 open" in words
    assert "remote me/remote GitHub unknown no watcher has told of them none open" in words


async def test_a_project_shows_its_units_limits_and_proposals(site: Site) -> None:
    await add_proposal(site.store, title="Present")
    await add_proposal(site.store, title="Past", state=ProposalState.MERGED)
    await tell(
        site, unit(active="failed", result="oom-kill", sub="failed"), unit("x.timer", load="not-found")
    )
    async with site.reader(html=True) as client:
        text = check_page(await client.get("/projects/greeter"))
    words = words_of(text)
    for said in ("greeter.service pi-1 failed oom-kill", "x.timer pi-1 not-found", "1 of 10 at most"):
        assert said in words, words
    assert text.index(">Present</a>") < text.index('id="past"') < text.index(">Past</a>")
    assert "1 opened, of 2 at most" in words


async def test_codex_md_is_rendered_and_harmless(site: Site) -> None:
    text = f"# Greeter\n\nIt *greets*. {HOSTILE} ![x](https://evil.example/x.png)\n"
    async with site.store.write() as tx:
        await projects.keep_codex_md(tx, "greeter", CodexMd(text=text, commit="a" * 40, cut=True))
    async with site.reader(html=True) as client:
        page = check_page(await client.get("/projects/greeter"))
    assert "<h3>Greeter</h3>" in page
    assert "It <em>greets</em>." in page
    assert HOSTILE not in page
    assert "It is longer than this page takes" in page


async def test_pages_of_past_proposals(site: Site) -> None:
    for at in range(51):
        await add_proposal(site.store, title=f"Fix {at}", state=ProposalState.MERGED)
    async with site.reader(html=True) as client:
        first = check_page(await client.get("/projects/greeter"))
        assert ">Fix 0<" not in first
        older = first.split('href="?cursor=')[1].split("#")[0]
        second = check_page(await client.get(f"/projects/greeter?cursor={older}"))
        assert ">Fix 0<" in second
        bad = await client.get("/projects/greeter?cursor=bad")
    assert bad.status_code == 400
    assert 'href="/projects/greeter">Start from the first page</a>' in check_page(bad)


@pytest.mark.parametrize(
    ("counts", "needs", "health"),
    [
        (UnitCounts(failed=1, active=9), 3, "failing"),
        (UnitCounts(active=9), 3, "needs you"),
        (UnitCounts(missing=1), 0, "unit missing"),
        (UnitCounts(silent=1), 0, "not heard of"),
        (UnitCounts(active=1), 0, "fine"),
        (UnitCounts(), 0, "unknown"),
    ],
)
def test_health_is_one_word(counts: UnitCounts, needs: int, health: str) -> None:
    assert Standing(view("here", None), counts, needs).health == health


def view(forge: str, url: str | None) -> ProjectView:
    return ProjectView(
        name="x", forge=forge, repo="me/x", url=url, units=(), open=0, last_scan=None, last_commit=None,
        summary=None,
    )  # fmt: skip


def test_files_are_seen_on_their_forge(settings: Settings) -> None:
    assert files_at(settings, view("hub", "https://hub.example/me/x"), "main") == (
        "https://hub.example/me/x/blob/main"
    )
    for project, branch in (
        (view("here", "https://hub.example/x"), "main"),
        (view("hub", "javascript:alert(1)"), "main"),
        (view("hub", None), "main"),
        (view("hub", "https://hub.example/me/x"), None),
        (view("gone", "https://hub.example/me/x"), "main"),
    ):
        assert files_at(settings, project, branch) == ""
