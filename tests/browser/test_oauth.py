"""Out to a forge and back in a real browser, whose rules for cookies between two sites are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.conftest import REPORTS_VIOLATIONS, WIDE, Watched
from tests.browser.site import served
from tests.doubles.github import GitHub
from tests.doubles.gitlab import GitLab
from tests.doubles.origin import made

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser


@pytest.mark.parametrize("kind", ["github", "gitlab"])
async def test_a_login_at_the_forge_leads_back_to_where_one_wanted_to_go(
    kind: str, browser: Browser, told: tuple[Path, dict[str, int]], place: Path
) -> None:
    origin = made(place / "owner")
    origin.commit({"a.txt": "1\n"})
    repos = {"me/theirs": origin.bare}
    with GitHub(place / "f", repos=repos) if kind == "github" else GitLab(place / "f", repos=repos) as forge:
        abroad = forge.url.replace("127.0.0.1", "localhost")  # another site, as far as cookies go

        def known(ours: str) -> str:
            client, secret = forge.oauth.register(f"{ours}/login/oauth/abroad/callback", "read_user")
            address = f'kind = "{kind}"\n{"api_url" if kind == "github" else "url"} = "{abroad}"\n'
            application = f'forge = "there"\nclient_id = "{client}"\nclient_secret = "{secret}"\n'
            return (
                f'[forges.there]\n{address}[projects.theirs]\nforge = "there"\nrepo = "me/theirs"\n'
                f'[web.oauth.abroad]\n{application}roles = {{ octocat = "operator" }}\n'
            )

        with served(place, store=told[0], known=known) as site:
            watched = Watched(site.address, allowed=[f"asked another origin: {abroad}/"])
            context = await browser.new_context(viewport=WIDE, base_url=site.address)
            await context.add_init_script(REPORTS_VIOLATIONS)
            watched.over(context)
            page = await context.new_page()
            await page.goto("/history?project=shop")
            await page.get_by_role("link", name="Log in with abroad").click()
            await page.wait_for_url("**/history?project=shop")
            await expect(page.get_by_role("banner")).to_contain_text("octocat@abroad")
            await page.get_by_role("link", name="octocat@abroad").click()
            await expect(page.get_by_role("row", name="octocat@abroad")).to_contain_text("This one")
            cookies = {cookie["name"].partition("-")[0] for cookie in await context.cookies(site.address)}
            assert cookies == {"pimainteno"}
            await context.close()
        assert watched.left == []
        assert any("authorize" in request.path for request in forge.requests)
