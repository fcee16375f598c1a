"""What the GitLab double sends: signed, shaped as documented, and in whatever order a test wants."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.doubles.conftest import NAME, gitlab_client, listener

if TYPE_CHECKING:
    from tests.doubles.gitlab import GitLab

DRAFT = {"title": "Draft: Fix it", "source_branch": "fix", "target_branch": "main"}
EXAMPLES = Path(__file__).parents[1] / "data/gitlab/webhooks"
SIGNING = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def test_deliveries_are_signed_and_shaped_as_documented(
    gitlab: GitLab,
) -> None:
    with listener() as (url, came), gitlab_client(gitlab) as web:
        gitlab.webhook(NAME, url, "s3cret", SIGNING)
        web.post("/projects/me%2Fgreeter/merge_requests", json=DRAFT).raise_for_status()
        gitlab.comment(NAME, 1, "Hello")
        gitlab.status(NAME, 1, "test", "failed")
        gitlab.approve(NAME, 1)
        gitlab.delete_branch(NAME, "fix")
        gitlab.webhooks.settle()
    told = [(delivery.event, delivery.action) for delivery in gitlab.webhooks.deliveries]
    assert told == [
        ("merge_requests", "open"),
        ("note", "create"),
        ("pipeline", "failed"),
        ("merge_requests", "approved"),
        ("push", ""),
        ("merge_requests", "close"),
    ]
    key = base64.b64decode(SIGNING.removeprefix("whsec_"))
    for headers, body in came:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{digest}"
        assert headers["x-gitlab-token"] == "s3cret"
        kind = json.loads(body)["object_kind"]
        example = "note_merge_request" if kind == "note" else kind
        assert _differences(json.loads(body), json.loads((EXAMPLES / f"{example}.json").read_text())) == []
    assert [headers["x-gitlab-event"] for headers, _ in came][:3] == [
        "Merge Request Hook",
        "Note Hook",
        "Pipeline Hook",
    ]


NEWER = {"oldrev"}  # only where a push changed the merge request


def _differences(payload: Any, example: Any) -> list[str]:
    """Return which keys the documented example has not."""
    if isinstance(payload, dict) and isinstance(example, dict):
        unknown = [key for key in payload if key not in example and key not in NEWER]
        both = [_differences(value, example[key]) for key, value in payload.items() if key in example]
        return unknown + [each for found in both for each in found]
    return []


def test_deliveries_are_held_dropped_repeated_and_reordered_on_demand(gitlab: GitLab) -> None:
    with listener() as (url, came):
        gitlab.webhook(NAME, url)
        gitlab.webhooks.hold()
        gitlab.open(NAME, "fix")
        gitlab.close(NAME, 1)
        gitlab.reopen(NAME, 1)
        gitlab.webhooks.settle()
        assert came == []
        opened, closed, reopened = gitlab.webhooks.held
        gitlab.webhooks.release([reopened, opened])
        gitlab.redeliver(opened)
        gitlab.webhooks.settle()
        actions = [json.loads(body)["object_attributes"]["action"] for _, body in came]
        assert actions == ["reopen", "open", "open"]
        ids = [headers["webhook-id"] for headers, _ in came]
        assert ids == [reopened.id, opened.id, opened.id]
        assert (closed.statuses, opened.statuses) == ([], [202, 202])
