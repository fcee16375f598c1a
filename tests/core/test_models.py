from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.base import now
from app.core.changes import Answer, Change, Changeset, Summary, Usage
from app.core.models import ACTIVE, Kind, Proposal, ProposalState
from app.core.reports import Failure
from tests import contract

ANSWER = {"verdict": "fixed", "title": "t", "cause": "c", "change": "h", "risk": "low", "confidence": 0.5}


@given(st.binary(max_size=200))
def test_any_content_survives_json(content: bytes) -> None:
    changeset = Changeset(base="b" * 40, changes=(Change(path="a", content=content), Change(path="gone")))
    again = Changeset.model_validate_json(changeset.model_dump_json())
    assert again == changeset
    assert again.changes[0].content == content
    assert again.changes[1].content is None


def test_content_that_is_no_base64_is_refused() -> None:
    with pytest.raises(ValidationError):
        Change.model_validate({"path": "a", "content": "not base64!"})


@pytest.mark.parametrize("mode", ["160000", "040000", "100600", ""])
def test_a_mode_that_we_do_not_make_is_refused(mode: str) -> None:
    with pytest.raises(ValidationError):
        Change.model_validate({"path": "a", "mode": mode})


def test_a_file_is_added_replaced_and_taken_out_in_order_of_paths() -> None:
    empty = Changeset(base="x")
    two = empty.with_file("b", b"1").with_file("a", b"2")
    assert [change.path for change in two.changes] == ["a", "b"]
    assert [change.content for change in two.with_file("b", b"3").changes] == [b"2", b"3"]
    assert [change.path for change in two.without_file("a").changes] == ["b"]
    assert two.without_file("none") == two
    assert empty.changes == ()


def test_a_proposal_shows_exactly_the_contract() -> None:
    proposal = Proposal(
        id=1,
        project="p",
        kind=Kind.FIX,
        title="t",
        state=ProposalState.OPEN,
        branch="b",
        created_at=now(),
        updated_at=now(),
        incident_id=3,
        snoozed_until=now(),
        pushed=("x",),
        body="b",
    )
    shown = proposal.model_dump(mode="json")
    assert set(shown) == set(contract.PROPOSAL)
    assert shown["created_at"].endswith("Z")
    assert shown["url"] is None
    assert shown["number"] is None


def test_times_need_a_zone() -> None:
    at = datetime(2026, 1, 9, 12, tzinfo=timezone(timedelta(hours=1)))
    assert Failure(project="p", unit="u", host="h", at=at).at == datetime(2026, 1, 9, 11, tzinfo=UTC)
    with pytest.raises(ValidationError):
        Failure.model_validate({"project": "p", "unit": "u", "host": "h", "at": "2026-01-09T12:00:00"})
    assert now().tzinfo is UTC


def test_each_failure_has_an_id_of_its_own() -> None:
    one, two = (Failure(project="p", unit="u", host="h") for _ in range(2))
    assert one.id != two.id


def test_what_travels_between_versions_tolerates_new_keys_and_the_models_answer_does_not() -> None:
    later: dict[str, Any] = {"project": "p", "unit": "u", "host": "h", "new_in_9": 1}
    assert Failure.model_validate(later).project == "p"
    with pytest.raises(ValidationError):
        Answer.model_validate({**ANSWER, "extra": 1})
    with pytest.raises(ValidationError):
        Summary.model_validate({"changed": True, "codex_md": "x", "extra": 1})


@pytest.mark.parametrize(
    "wrong", [{"confidence": 1.5}, {"verdict": "perhaps"}, {"risk": "none"}, {"title": None}]
)
def test_an_answer_is_checked(wrong: dict[str, object]) -> None:
    assert Answer.model_validate(ANSWER).verdict == "fixed"
    with pytest.raises(ValidationError):
        Answer.model_validate({**ANSWER, **wrong})


def test_an_answers_schema_requires_every_field_and_no_other() -> None:
    for model in (Answer, Summary):
        schema = model.model_json_schema()
        assert set(schema["required"]) == set(schema["properties"])
        assert schema["additionalProperties"] is False


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Usage().input = 3  # type: ignore[misc]


def test_usage_adds_up() -> None:
    total = Usage(input=1, cached=2, output=3).plus(Usage(input=10, cached=20, output=30))
    assert total == Usage(input=11, cached=22, output=33)
    assert total.total == 44


def test_the_states_of_the_contract() -> None:
    assert [state.value for state in ProposalState] == [
        "working", "waiting", "open", "merged", "closed", "refused", "skipped", "failed",
    ]  # fmt: skip
    assert [state.value for state in ACTIVE] == ["working", "waiting", "open"]
