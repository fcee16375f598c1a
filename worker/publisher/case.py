"""What the publisher has before it: a run, its proposal and incident, and the project as the forge has it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.core.errors import Failed, Skipped
from app.core.models import ACTIVE
from app.store import incidents, proposals, runs

if TYPE_CHECKING:
    from app.core.changes import Changeset
    from app.core.models import Incident, Proposal, Run
    from app.core.settings import ProjectSettings
    from worker.context import Work
    from worker.publisher.mirror import Mirror

SUMMARY = "codex.md"


@dataclass(frozen=True)
class Case:
    """One run on its way to the forge; rows as they were read last."""

    run: Run
    proposal: Proposal
    incident: Incident | None
    project: ProjectSettings
    seen: Mirror

    @property
    def changeset(self) -> Changeset:
        """What the run made; raises Failed where it made nothing."""
        if self.run.changeset is None or not self.run.changeset.changes:
            raise Failed(f"run {self.run.id} has no changes: `pimainteno retry {self.proposal.id}`")
        return self.run.changeset

    def now(self, *, run: Run | None = None, proposal: Proposal | None = None) -> Case:
        """Return the case with newer rows."""
        return replace(self, run=run or self.run, proposal=proposal or self.proposal)


async def rows(work: Work, run_id: int) -> tuple[Run, Proposal, Incident | None]:
    """Return a run's rows; raises Skipped where a person ended the proposal meanwhile."""
    async with work.store.read() as tx:
        run = await runs.get(tx, run_id)
        proposal = await proposals.get(tx, run.proposal_id)
        incident = await incidents.get(tx, proposal.incident_id) if proposal.incident_id else None
    if run.stage != "open" and proposal.state not in ACTIVE:
        raise Skipped(f"the proposal is {proposal.state} by now")
    return run, proposal, incident
