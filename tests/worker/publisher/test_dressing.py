"""Labels that say kind and risk, and the people whom CODEOWNERS names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.base import now
from app.core.models import Kind, Proposal, ProposalState, Run
from app.core.settings import ProjectSettings
from tests.worker.publisher.conftest import ANSWER
from worker.publisher.dressing import labels, owners

if TYPE_CHECKING:
    from app.core.changes import Answer

ROW = Proposal(
    id=1,
    project="greeter",
    kind=Kind.FIX,
    title="x",
    state=ProposalState.OPEN,
    branch="b",
    created_at=now(),
    updated_at=now(),
)


def of(*configured: str, answer: Answer | None = ANSWER) -> tuple[str, ...]:
    project = ProjectSettings(forge="hub", repo="me/greeter", labels=configured)
    return labels(project, ROW, Run(id=1, proposal_id=1, project="greeter", kind=Kind.FIX, answer=answer))


def test_kind_and_risk_stand_beside_the_configured_labels() -> None:
    assert of("pimainteno", "bug") == ("pimainteno", "bug", "pimainteno: fix", "risk: low")
    assert of("pimainteno", answer=None) == ("pimainteno", "pimainteno: fix")
    assert of() == ()


CODEOWNERS = """\
# who looks after what
*        @ann
*.py     @bob @group/team carl@example.org @bob
[Docs][2] @dora
docs/    @eve
src/nobody.py
"""


def test_the_last_rule_that_fits_a_path_names_its_owners() -> None:
    assert owners(CODEOWNERS, ["README.md"]) == ("ann",)
    assert owners(CODEOWNERS, ["app.py", "README.md", "docs/a.md"]) == ("bob", "ann", "eve")
    assert owners(CODEOWNERS, ["src/nobody.py"]) == ()
    assert owners("", ["app.py"]) == ()
    assert owners("[unterminated @ann", ["app.py"]) == ()
    assert owners(" ".join(["*", *(f"@p{n}" for n in range(9))]), ["a"]) == ("p0", "p1", "p2", "p3", "p4")
