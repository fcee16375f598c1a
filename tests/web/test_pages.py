"""The pages for people: what they show, and that nothing shown can run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.core.changes import CheckResult
from app.core.models import ProposalState
from app.store import pauses
from tests.web.conftest import CANARY, HOSTILE, Site, add_proposal, make_settings
from tests.web.html_of import check_page, words_of

if TYPE_CHECKING:
    from pathlib import Path

    from app.core.changes import Verdict
    from tests.web.conftest import Make


async def test_an_empty_page_tells_a_newcomer_what_to_do(site: Site, make_site: Make, tmp_path: Path) -> None:
    async with site.reader(html=True) as client:
        text = check_page(await client.get("/"))
    assert "Nothing is open" in text
    assert "pimainteno fix greeter" in text
    bare = make_site(make_settings(tmp_path / "state", projects={}, forges={}))
    async with bare.reader(html=True) as client:
        assert "[projects.greeter]" in check_page(await client.get("/"))


async def test_the_list_says_what_is_open(site: Site) -> None:
    number = await add_proposal(site.store)
    await add_proposal(site.store, state=ProposalState.MERGED, title="Long done")
    async with site.reader(html=True) as client:
        text = check_page(await client.get("/"))
    words = words_of(text)
    for said in (
        "1 is ready for your review.",
        "Spell the name right greeter · greeter.service · on pi-1".replace(" · ", " "),
        "Review here , then merge it once last just now fail → pass just now",
        "failures today 0 open 1 merged this week 1 tokens this week 3,000",
    ):
        assert said in words, words
    assert f'href="/proposals/{number}"' in text
    assert "Long done" not in text


async def test_a_pause_is_said(site: Site) -> None:
    async with site.store.write() as tx:
        await pauses.set_(tx, "the API key was refused", "pimainteno")
    async with site.reader(html=True) as client:
        assert "the API key was refused" in (await client.get("/")).text


async def test_a_proposal_shows_failure_cause_proof_change_and_history(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.reader(html=True) as client:
        text = check_page(await client.get(f"/proposals/{number}"))
    for said in (
        "NameError: name &#39;nmae&#39; is not defined", "The argument is misspelled.", "the model says",
        "pytest -q", "1 failed", "1 passed", "proposal.opened",
        '<span class="r" data-n="2">-    <span class="k">return</span>', ">+It greets people.\n</span>",
        "scripted", "## What failed",
    ):  # fmt: skip
        assert said in text
    assert 'method="post"' not in text
    assert "log in" in text


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([("fail", "pass"), ("pass", "pass")], "Proven: at least one check fails without this change"),
        ([("pass", "pass")], "No check shows the failure"),
        ([("fail", "pass"), ("pass", "fail")], ""),
    ],
)
async def test_the_proof_ends_with_what_it_is_worth(
    site: Site, verdicts: list[tuple[Verdict, Verdict]], said: str
) -> None:
    checks = tuple(CheckResult(command="x", before=before, after=after) for before, after in verdicts)
    number = await add_proposal(site.store, checks=checks)
    async with site.reader(html=True) as client:
        text = words_of(check_page(await client.get(f"/proposals/{number}")))
    assert said in text
    assert ("Proven" in text) is said.startswith("Proven")
    assert ("No check" in text) is said.startswith("No check")


async def test_every_decision_is_named_as_a_command(site: Site) -> None:
    number = await add_proposal(site.store, state=ProposalState.WAITING)
    async with site.reader(html=True) as client:
        text = check_page(await client.get(f"/proposals/{number}"))
    assert f"pimainteno close {number}" in text
    assert f"pimainteno retry {number}" in text


async def test_each_check_of_a_project_has_a_line(make_site: Make, tmp_path: Path) -> None:
    project = {"forge": "here", "repo": "/srv/git/greeter.git", "checks": ("a b", "c d")}
    site = make_site(make_settings(tmp_path / "state", projects={"greeter": project}))
    async with site.reader(html=True) as client:
        assert "<div><code>a b</code></div><div><code>c d</code></div>" in check_page(
            await client.get("/projects/greeter")
        )


@pytest.mark.parametrize("state", list(ProposalState))
async def test_a_proposal_is_shown_in_every_state(site: Site, state: ProposalState) -> None:
    number = await add_proposal(
        site.store, state=state, reason="for a reason", url=None, number=None, head_sha=None
    )
    async with site.reader(html=True) as client:
        text = check_page(await client.get(f"/proposals/{number}"))
    assert re.search(rf'<span class="chip [a-z]+">{state}</span>', text)
    assert "for a reason" in text


@pytest.mark.parametrize("path", ["/", "/proposals/{}", "/projects", "/projects/greeter", "/history"])
async def test_hostile_and_secret_text_is_harmless_everywhere(site: Site, path: str) -> None:
    evil = f"{HOSTILE} {CANARY} \x1b[31mred\x1b[0m \u202egnp.exe"
    number = await add_proposal(
        site.store,
        title=evil,
        log=evil,
        reason=evil,
        body=evil,
        codex_md_diff=f"+{evil}",
        url=f"javascript:alert('{CANARY}')",
    )
    async with site.reader(html=True) as client:
        text = check_page(await client.get(path.format(number)))
    assert HOSTILE not in text
    assert CANARY not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert 'href="javascript' not in text


async def test_projects_and_history(site: Site) -> None:
    await add_proposal(site.store)
    async with site.reader(html=True) as client:
        assert "/srv/git/greeter.git" in check_page(await client.get("/projects"))
        assert "Spell the name right" in check_page(await client.get("/projects/greeter"))
        assert "/history/" in check_page(await client.get("/history?project=greeter"))
        missing = await client.get("/projects/nobody")
    assert missing.status_code == 404
    assert "greeter, remote" in check_page(missing)


async def test_long_logs_are_cut_at_their_beginning(site: Site) -> None:
    number = await add_proposal(site.store, log="\n".join(f"line {at}" for at in range(5000)))
    async with site.reader(html=True) as client:
        text = check_page(await client.get(f"/proposals/{number}"))
    assert "line 4999" in text
    assert ">line 999<" not in text
    assert "Left out before these: 1,000 lines." in text


async def test_errors_are_pages_for_people(site: Site) -> None:
    async with site.reader(html=True) as client:
        missing = await client.get("/proposals/77")
        assert missing.status_code == 404
        assert "There is no proposal 77" in check_page(missing)
        nowhere = await client.get("/nothing")
        assert nowhere.status_code == 404
        assert "/nothing: Not Found" in check_page(nowhere)
    async with site.client(peer="192.0.2.7", html=True, hx_request="true") as client:
        stranger = await client.get("/proposals/77")
        assert stranger.status_code == 401
        assert 'href="/login?next=/proposals/77"' in check_page(stranger)
        assert stranger.headers["www-authenticate"] == "Bearer"
    async with site.client(peer="127.0.0.1", html=True) as client:
        stranger = await client.get("/history?project=greeter")
    assert (stranger.status_code, stranger.headers["location"]) == (
        303,
        "/login?next=/history%3Fproject%3Dgreeter",
    )
