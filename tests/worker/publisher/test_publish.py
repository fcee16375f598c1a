"""From a changeset to an open proposal: once, with the guards, and never over somebody else's work."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from app.core.base import now
from app.core.models import ProposalState
from tests.worker.publisher.conftest import FIXED, PASSED
from worker.forges.local import LocalForge
from worker.publisher import mirror as mirrors
from worker.publisher import publish as publishing

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.core.changes import CheckResult
    from tests.worker.publisher.conftest import House

HEADINGS = ["## What failed", "## Why", "## The change", "## Proof", "## codex.md", "## Run"]
SUMMARY: dict[str, str | None] = {"app.py": FIXED, "codex.md": "# greeter\n"}


async def test_a_changeset_becomes_an_open_proposal(house: House) -> None:
    base = house.branches()["main"]
    diff = "--- /dev/null\n+++ b/codex.md\n@@ -0,0 +1 @@\n+# greeter\n"
    job = await house.ready(SUMMARY, codex_md_diff=diff)
    assert await house.do(job) == []
    proposal, run = await house.proposal(), await house.run()
    assert proposal.state is ProposalState.OPEN
    assert (proposal.number, proposal.url, proposal.draft) == (1, "https://pm.example/proposals/1", True)
    assert (proposal.title, proposal.reason, proposal.checks) == ("Count to three", None, PASSED)
    assert "+# greeter" in proposal.codex_md_diff
    assert house.branches() == {"main": base, proposal.branch: proposal.head_sha}
    assert (run.stage, run.commit_sha, proposal.pushed) == ("open", proposal.head_sha, (proposal.head_sha,))
    assert house.show(f"{proposal.branch}:app.py") + "\n" == FIXED
    assert house.show(f"{proposal.branch}:codex.md") == "# greeter"
    assert "Author: PiMainteno <pimainteno@localhost>" in house.show(proposal.branch)
    message = house.origin.git(f"--git-dir={house.origin.bare}", "log", "-1", "--format=%B", proposal.branch)
    assert message.split("\n\n") == ["Count to three", "Three was not written large.", "Pimainteno-Run: 1"]
    assert re.findall(r"^## .*", proposal.body, re.MULTILINE) == HEADINGS
    assert "error: no three" in proposal.body  # a local repository is not public
    assert "| `pytest -q` | fail | pass |" in proposal.body
    marker = proposal.body.rsplit("<!-- pimainteno: ", 1)[1].removesuffix(" -->\n")
    assert json.loads(marker)["proposal"] == 1
    (event,) = await house.events("proposal.opened")
    assert (event.proposal, event.run, event.data["url"]) == (1, 1, proposal.url)


def _die_before(name: str, owner: type | Any) -> Callable[[pytest.MonkeyPatch], None]:
    def arm(patch: pytest.MonkeyPatch) -> None:
        async def dies(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(owner, name, dies)

    return arm


def _die_after(name: str, owner: type | Any) -> Callable[[pytest.MonkeyPatch], None]:
    def arm(patch: pytest.MonkeyPatch) -> None:
        real = getattr(owner, name)

        async def dies(*args: Any, **more: Any) -> None:
            await real(*args, **more)
            raise KeyboardInterrupt

        patch.setattr(owner, name, dies)

    return arm


CRASHES = {
    "before the commit": _die_before("commit", publishing),
    "after the commit": _die_after("commit", publishing),
    "after the ledger": _die_before("push", mirrors.Mirror),
    "after the push": _die_after("push", mirrors.Mirror),
    "after the push is written": _die_after("push", publishing),
    "before the request": _die_before("open", LocalForge),
    "after the request": _die_after("open", LocalForge),
    "after all": _die_after("show", publishing),
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
async def test_a_crash_anywhere_leaves_one_of_each(
    house: House, crash: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await house.ready()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        crash(patch)
        await house.call(job)
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):  # the same again, if it comes by there
        crash(patch)
        job = await house.again(job)
        await house.call(job)
    job = await house.again(job)
    await house.call(job)
    proposal = await house.proposal()
    assert proposal.state is ProposalState.OPEN
    assert set(house.branches()) == {"main", proposal.branch}
    assert proposal.pushed == (proposal.head_sha,)
    assert house.origin.git(f"--git-dir={house.origin.bare}", "rev-list", "--count", proposal.branch) == "2"
    kinds = [event.kind for event in await house.events()]
    assert kinds.count("proposal.opened") == 1
    assert "proposal.updated" not in kinds


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({".github/workflows/x.yml": "x"}, ".github/workflows/x.yml"),
        ({"../x": "x"}, "../x"),
        ({"key.py": "password = 'hunter2-very-secret'\n"}, "key.py"),
    ],
)
async def test_guards_stand_here_too(house: House, files: dict[str, str | None], words: str) -> None:
    before = house.branches()
    await house.do(await house.ready(files))
    proposal = await house.proposal()
    assert proposal.state is ProposalState.REFUSED
    assert words in (proposal.reason or "")
    assert house.branches() == before
    assert (await house.events("run.refused"))[0].text == proposal.reason


async def test_manifests_are_pointed_out(house: House) -> None:
    await house.do(await house.ready({"app.py": FIXED, "requirements.txt": "x\n"}))
    assert "Look closely at:\n\n- It changes the manifest requirements.txt." in (await house.proposal()).body


@pytest.mark.parametrize(
    ("project", "checks", "draft"),
    [
        ('draft = false\nchecks = ["pytest -q"]', PASSED, False),
        ("draft = false", (), True),
        ('draft = true\nchecks = ["x"]', PASSED, True),
    ],
)
async def test_without_checks_it_stays_a_draft(
    house: House, project: str, checks: tuple[CheckResult, ...], draft: bool
) -> None:
    house.configure(project=project)
    await house.do(await house.ready(checks=checks))
    assert (await house.proposal()).draft is draft


async def test_the_owner_may_keep_the_log(house: House) -> None:
    house.configure(project='share_log = "no"')
    await house.do(await house.ready())
    assert "error: no three" not in (await house.proposal()).body


async def test_a_hostile_title_is_harmless(house: House) -> None:
    answer = (await _answer(house)).model_copy(update={"title": "Fixes #1 @ann\n\nInjected: yes [skip ci]"})
    await house.do(await house.made(answer=answer))
    proposal = await house.proposal()
    assert re.fullmatch(r"F\u200bixes #\u200b1 @\u200bann Injected: yes \(skip ci\)", proposal.title)
    message = house.origin.git(f"--git-dir={house.origin.bare}", "log", "-1", "--format=%B", proposal.branch)
    assert message.split("\n")[0] == proposal.title


async def _answer(house: House) -> Any:
    from tests.worker.publisher.conftest import ANSWER

    (job,) = await house.fail()
    await house.do(job)
    return ANSWER


async def test_what_a_person_closed_is_not_opened(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await house.ready()
    real = publishing._described

    async def meanwhile(*args: Any) -> Any:
        await house.set_proposal(state=ProposalState.CLOSED, reason="closed by ann")
        return await real(*args)

    monkeypatch.setattr(publishing, "_described", meanwhile)
    await house.do(job)
    proposal = await house.proposal()
    assert (proposal.state, proposal.reason, proposal.url) == (ProposalState.CLOSED, "closed by ann", None)
    assert await house.events("proposal.opened") == []


async def test_a_closed_proposal_is_not_even_pushed(house: House) -> None:
    job = await house.ready()
    await house.set_proposal(state=ProposalState.CLOSED)
    await house.do(job)
    assert list(house.branches()) == ["main"]
    assert (await house.events("run.skipped"))[0].text == "the proposal is closed by now"


async def test_a_run_without_changes_fails(house: House) -> None:
    await house.do(await house.ready({}))
    assert (await house.proposal()).state is ProposalState.FAILED


async def test_times_of_a_run_make_the_commit(house: House) -> None:
    at = now()
    await house.do(await house.ready(started_at=at))
    branch = (await house.proposal()).branch
    seconds = house.origin.git(f"--git-dir={house.origin.bare}", "log", "-1", "--format=%ct", branch)
    assert int(seconds) == int(at.timestamp())


async def test_a_row_that_names_the_default_branch_moves_nothing(house: House) -> None:
    job, before = await house.ready(), house.branches()
    await house.set_proposal(branch="main", pushed=(before["main"],))
    await house.do(job)
    assert house.branches() == before
    proposal = await house.proposal()
    assert proposal.state is ProposalState.REFUSED
    assert "main is no branch of ours" in (proposal.reason or "")


async def test_a_commit_that_is_not_the_changeset_is_not_pushed(house: House) -> None:
    job = await house.ready()
    house.origin.commit({".github/workflows/x.yml": "on: push\n"}, "not of this run")
    before = house.branches()
    await house.set_run(stage="commit", commit_sha=before["main"])
    await house.do(job)
    assert house.branches() == before
    proposal = await house.proposal()
    assert proposal.state is ProposalState.REFUSED
    assert "is not what the changeset says" in (proposal.reason or "")


async def test_the_guards_hold_also_where_the_row_says_that_it_is_committed(house: House) -> None:
    job = await house.ready({".github/workflows/x.yml": "on: push\n"})
    before = house.branches()
    await house.set_run(stage="commit", commit_sha=before["main"])
    await house.do(job)
    assert house.branches() == before
    assert "is protected" in ((await house.proposal()).reason or "")


async def test_only_branches_of_ours_are_deleted(house: House) -> None:
    proposal = await house.opened()
    before = house.branches()
    await house.set_proposal(branch="main", state=ProposalState.REFUSED)
    await house.do(await house.ask("retry", proposal.id, discard=True))
    assert house.branches() == before
