"""A proposal's page with what is rare: long changes, prices, commits of people, a failure that came back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from app.core.base import now
from app.core.models import ProposalState
from app.core.settings_sections import PriceSettings
from app.store import runs
from tests.web.conftest import Site, add_proposal, make_settings
from tests.web.html_of import check_page, words_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.conftest import Make

LONG = "diff --git a/long.txt b/long.txt\n--- a/long.txt\n+++ b/long.txt\n@@ -0,0 +1,20000 @@\n" + "".join(
    f"+line {at}\n" for at in range(20_000)
)
BINARY = "diff --git a/logo.png b/logo.png\nBinary files a/logo.png and b/logo.png differ\n"


async def with_diff(site: Site, diff: str, **columns: Any) -> int:
    number = await add_proposal(site.store, **columns)
    async with site.store.write() as tx:
        run = await runs.latest(tx, number)
        assert run is not None
        await runs.update(tx, run.id, diff=diff)
    return number


async def test_twenty_thousand_lines_stay_usable(site: Site) -> None:
    number = await with_diff(site, BINARY + LONG)
    async with site.reader(html=True) as client:
        text = check_page(await client.get(f"/proposals/{number}"))
        assert len(text) < 400_000
        assert 'href="#file-1">long.txt</a>' in text
        assert "+20,000" in words_of(text)
        assert "binary file: its content is not shown" in text
        assert f'href="/proposals/{number}/files/1"' in text
        alone = check_page(await client.get(f"/proposals/{number}/files/1"))
        assert "+line 19998\n" in alone
        assert "Left out here: 1 line." in words_of(alone)
        for file in ("2", "-1", "9" * 30):
            missing = await client.get(f"/proposals/{number}/files/{file}")
            assert missing.status_code == 404
            assert "has no file" in check_page(missing)


async def test_the_cost_stands_where_there_are_prices(make_site: Make, tmp_path: Path) -> None:
    prices = {"scripted": PriceSettings(input=1000.0, cached=0.0, output=2000.0)}
    site = make_site(make_settings(tmp_path / "state", prices=prices))
    number = await add_proposal(site.store)
    async with site.reader(html=True) as client:
        assert "Cost $1.60" in words_of(check_page(await client.get(f"/proposals/{number}")))


async def test_rare_facts_are_told(site: Site) -> None:
    number = await add_proposal(
        site.store,
        state=ProposalState.CLOSED,
        snoozed_until=now() + timedelta(days=2),
        follows=1,
        merge_commit="e" * 40,
        failing=("lint",),
        ci="failure",
        review="changes_requested",
    )
    other = await add_proposal(site.store, foreign_sha="c" * 40)
    async with site.reader(html=True) as client:
        words = words_of(check_page(await client.get(f"/proposals/{number}")))
        for said in ("Snoozed until", "proposal 1 , whose failure came back", "Merged as eeeeeeeeee"):
            assert said in words
        assert "CI failure lint Review changes requested" in words
        assert "A person's commit cccccccccc is on the branch" in words_of(
            check_page(await client.get(f"/proposals/{other}"))
        )


async def test_enormous_words_do_not_break_the_page(site: Site) -> None:
    number = await add_proposal(site.store, title="t" * 10_000, unit="u" * 10_000, reason="r" * 10_000)
    async with site.reader(html=True) as client:
        text = check_page(await client.get(f"/proposals/{number}"))
    assert "t" * 601 not in text
    assert "u" * 201 not in text
    assert len(text) < 20_000
