"""What the events of GitHub and GitLab lead to: one proposal, a whole project, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core.queue import Queue
from tests.web.sending import (
    BRANCH,
    GROUP,
    HEAD,
    REPO,
    github,
    gitlab,
    jobs_of,
    merge_request,
    ours,
    pull_request,
    row_of,
    settings_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from app.core.settings import Settings
    from app.store.database import Store
    from tests.web.conftest import Site


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "state")


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A forge: from outside, without a token."""
    async with site.client(peer="192.0.2.7", base="https://bot.example.org") as client:
        yield client


@pytest.mark.parametrize(
    "about",
    [
        ("pull_request", {"number": 7}),
        ("pull_request", {"pull_request": {"number": 7}}),
        ("pull_request_review", {"pull_request": {"number": 7, "head": None}}),
        ("pull_request_review_comment", {"pull_request": {"head": {"ref": BRANCH}}}),
        ("issue_comment", {"issue": {"number": 7, "pull_request": {"url": "https://x"}}}),
        ("check_run", {"check_run": {"head_sha": HEAD}}),
        ("check_run", {"check_run": {"check_suite": {"head_branch": BRANCH}}}),
        ("check_suite", {"check_suite": {"head_sha": "c" * 40, "head_branch": BRANCH}}),
        ("workflow_run", {"workflow_run": {"head_branch": BRANCH}}),
        ("status", {"sha": HEAD}),
        ("push", {"ref": f"refs/heads/{BRANCH}"}),
        ("push", {"ref": "refs/heads/elsewhere", "after": HEAD}),
        ("delete", {"ref": BRANCH, "ref_type": "branch"}),
    ],
    ids=lambda about: about[0],
)
async def test_what_githubs_events_lead_to(
    client: httpx.AsyncClient, store: Store, about: tuple[str, dict[str, Any]]
) -> None:
    number = await ours(store)
    await ours(store, number=8, branch=f"{BRANCH}-2", head_sha="d" * 40)
    event, payload = about
    repository = {"full_name": REPO, "default_branch": "main"}
    answer = await github(event, {"action": "x", "repository": repository, "new": [1]} | payload).to(client)
    assert answer.json() == {"result": "look"}
    assert [job.args for job in await jobs_of(store)] == [{"proposal_id": number}]


@pytest.mark.parametrize(
    "about",
    [
        ("Merge Request Hook", "merge_request", {"object_attributes": {"iid": 7}}),
        ("Merge Request Hook", "merge_request", {"object_attributes": {"source_branch": BRANCH}}),
        ("Note Hook", "note", {"merge_request": {"iid": 7}}),
        ("Confidential Note Hook", "note", {"merge_request": {"last_commit": {"id": HEAD}}}),
        ("Pipeline Hook", "pipeline", {"object_attributes": {"sha": HEAD}}),
        ("Pipeline Hook", "pipeline", {"merge_request": {"iid": 7}}),
        ("Job Hook", "build", {"ref": BRANCH}),
        ("Push Hook", "push", {"ref": f"refs/heads/{BRANCH}"}),
        ("", "push", {"ref": f"refs/heads/{BRANCH}"}),
    ],
    ids=lambda about: about[0],
)
async def test_what_gitlabs_events_lead_to(
    client: httpx.AsyncClient, store: Store, about: tuple[str, str, dict[str, Any]]
) -> None:
    number = await ours(store, project="lab")
    hook, kind, payload = about
    project = {"path_with_namespace": GROUP, "default_branch": "main"}
    answer = await gitlab(hook, {"object_kind": kind, "project": project} | payload).to(client)
    assert answer.json() == {"result": "look"}
    assert [job.args for job in await jobs_of(store)] == [{"proposal_id": number}]


@pytest.mark.parametrize(
    "repository",
    [
        {"git_ssh_url": f"git@gitlab.example.org:{GROUP}.git", "homepage": ""},
        {"git_ssh_url": f"ssh://git@gitlab.example.org:2222/{GROUP}.git"},
        {"homepage": f"https://gitlab.example.org/{GROUP}"},
    ],
)
async def test_a_job_of_gitlabs_names_its_project_by_addresses(
    client: httpx.AsyncClient, store: Store, repository: dict[str, str]
) -> None:
    await ours(store, project="lab")
    payload = {
        "object_kind": "build",
        "project_name": "House / Greeter",
        "repository": repository,
        "sha": HEAD,
    }
    assert (await gitlab("Job Hook", payload).to(client)).json() == {"result": "look"}


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("push", {"ref": "refs/heads/main", "after": "e" * 40}),
        ("ping", {"zen": "Speak like a human."}),
        ("repository", {"action": "archived"}),
        ("repository", {"action": "edited", "changes": {"default_branch": {"from": "master"}}}),
    ],
)
async def test_what_concerns_the_project_as_a_whole(
    client: httpx.AsyncClient, store: Store, event: str, payload: dict[str, Any]
) -> None:
    repository = {"repository": {"full_name": REPO, "default_branch": "main"}}
    for _ in range(2):
        assert (await github(event, payload | repository).to(client)).json() == {"result": "look"}
    found = [(job.queue, job.name, job.args) for job in await jobs_of(store)]
    assert found == [(Queue.PUBLISHER, "poll", {"project": name}) for name in ("greeter", "second")]


@pytest.mark.parametrize(
    "changes",
    [
        {"repository": {"name": {"from": "greeter"}}},
        {"owner": {"from": {"user": {"login": "me"}}}},
        {"owner": {"from": {"organization": {"login": "me"}}}},
    ],
)
async def test_a_repository_that_was_renamed_or_moved_is_still_ours(
    client: httpx.AsyncClient, store: Store, changes: dict[str, Any]
) -> None:
    owner, name = ("me", "welcomer") if "repository" in changes else ("us", "greeter")
    repository = {"full_name": f"{owner}/{name}", "name": name, "owner": {"login": owner}}
    sent = github("repository", {"action": "renamed", "changes": changes, "repository": repository})
    assert (await sent.to(client)).json() == {"result": "look"}
    assert [job.name for job in await jobs_of(store)] == ["poll", "poll"]


async def test_two_projects_on_one_repository(client: httpx.AsyncClient, store: Store) -> None:
    first = await ours(store)
    second = await ours(store, project="second")
    await ours(store, project="other")
    await ours(store, project="quiet")
    assert (await github("pull_request", pull_request()).to(client)).json() == {"result": "look"}
    assert [job.args["proposal_id"] for job in await jobs_of(store)] == [first, second]


async def test_the_name_of_a_repository_is_the_same_in_capitals(
    client: httpx.AsyncClient, store: Store
) -> None:
    await ours(store)
    sent = github("pull_request", pull_request(repo="Me/GREETER"))
    assert (await sent.to(client)).json() == {"result": "look"}


IGNORED = {
    "another repository": (
        github("pull_request", pull_request(repo="them/other")),
        "ignored: repository them/other is none of ours",
    ),
    "a repository of another forge": (
        gitlab("Merge Request Hook", merge_request(repo=REPO)),
        f"ignored: repository {REPO} is none of ours",
    ),
    "no repository": (
        github("ping", {"zen": "x"}),
        "ignored: repository without a name is none of ours",
    ),
    "a pull request of others": (
        github("pull_request", {**pull_request(number=8), "pull_request": {}}),
        "ignored: no proposal of ours",
    ),
    "a comment on an issue": (
        github(
            "issue_comment", {"action": "created", "issue": {"number": 7}, "repository": {"full_name": REPO}}
        ),
        "ignored: event issue_comment created",
    ),
    "an event that nobody knows": (
        github("quantum_leap", {"action": "leapt", "repository": {"full_name": REPO}}),
        "ignored: event quantum_leap leapt",
    ),
    "no event": (
        github("", pull_request()),
        "ignored: event without a name synchronize",
    ),
    "a tag": (
        github("delete", {"ref": BRANCH, "ref_type": "tag", "repository": {"full_name": REPO}}),
        "ignored: event delete",
    ),
    "a tag of gitlab's": (
        gitlab("Tag Push Hook", {"object_kind": "tag_push", "ref": "refs/tags/v1"}),
        "ignored: event tag_push",
    ),
    "a hook of the whole instance": (
        gitlab("System Hook", merge_request()),
        "ignored: event system update",
    ),
    "a note on a commit": (
        gitlab("Note Hook", {"object_kind": "note", "project": {"path_with_namespace": GROUP}}),
        "ignored: event note",
    ),
}


@pytest.mark.parametrize("name", IGNORED)
async def test_what_is_none_of_ours_is_a_row_and_nothing_else(
    client: httpx.AsyncClient, store: Store, name: str
) -> None:
    await ours(store)
    await ours(store, project="lab")
    sent, result = IGNORED[name]
    answer = await sent.to(client)
    assert (answer.status_code, answer.json()) == (202, {"result": result})
    row = await row_of(store, sent)
    assert row is not None
    assert (row.result, row.proposal_id) == (result, None)
    assert row.done_at is not None
    assert await jobs_of(store) == []


async def test_a_fork_with_a_branch_of_our_name_is_none_of_ours(
    client: httpx.AsyncClient, store: Store
) -> None:
    await ours(store)
    await ours(store, project="lab")
    payload = pull_request(number=9)
    payload["pull_request"]["head"] = {"ref": BRANCH, "sha": "f" * 40, "repo": {"full_name": "them/greeter"}}
    assert (await github("pull_request", payload).to(client)).json()["result"].startswith("ignored")
    theirs = merge_request(number=9)
    theirs["object_attributes"] |= {"source_project_id": 6, "last_commit": {"id": "f" * 40}}
    assert (await gitlab("Merge Request Hook", theirs).to(client)).json()["result"].startswith("ignored")


STRANGE: list[Any] = [None, "", [], {}, 0, -1, 2**70, 1.5, True, "\ud800", "\0", "x" * 5000, [["x"]]]


@pytest.mark.parametrize(
    "strange", STRANGE, ids=lambda value: str(value)[:9].encode("ascii", "replace").decode()
)
async def test_strange_values_lead_nowhere_and_break_nothing(
    client: httpx.AsyncClient, store: Store, strange: Any
) -> None:
    await ours(store)
    for key in ("action", "number", "pull_request", "repository"):
        answer = await github("pull_request", {**pull_request(number=8), key: strange}).to(client)
        assert answer.status_code == 202, answer.text
    head = {"ref": strange, "sha": strange, "repo": strange}
    whole = {"number": strange, "pull_request": {"number": strange, "head": head}}
    answer = await github("pull_request", {**pull_request(), **whole}).to(client)
    assert answer.json() == {"result": "ignored: no proposal of ours"}
    for kind in ("merge_request", "note", "pipeline", "build", "push", strange):
        payload = {"object_kind": kind, "object_attributes": strange, "merge_request": strange}
        more = {"ref": strange, "sha": strange, "project": strange, "repository": strange}
        assert (await gitlab("", payload | more).to(client)).status_code == 202
