"""A store in which every field that somebody else can fill holds a string that tries to run."""

from __future__ import annotations

import json
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.base import now
from app.core.changes import Answer, Change, Changeset, CheckResult, CodexMd, Usage
from app.core.models import Kind, ProposalState
from app.core.reports import Failure
from app.core.units import UnitState, UnitStates
from app.store import actions, events, incidents, projects, proposals, runs, units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.store.database import Store, Tx

STRINGS = Path(__file__).parents[1] / "data" / "strings"
XSS: list[str] = json.loads((STRINGS / "xss.json").read_text("utf-8"))
NAUGHTY: list[str] = json.loads((STRINGS / "naughty.json").read_text("utf-8"))
PROPOSALS = 96
STANDINGS: tuple[dict[str, object], ...] = (
    {"state": ProposalState.OPEN},
    {"state": ProposalState.OPEN, "ci": "failure"},
    {"state": ProposalState.OPEN, "review": "changes_requested"},
    {"state": ProposalState.OPEN, "foreign_sha": "c" * 40},
    {"state": ProposalState.WAITING},
    {"state": ProposalState.WORKING},
    {"state": ProposalState.REFUSED},
    {"state": ProposalState.MERGED},
)
KINDS = (Kind.FIX, Kind.FIX, Kind.IMPROVE, Kind.SUMMARISE)
NAME = 'x"><img src=x onerror=alert(1)>'


async def fill(store: Store) -> int:
    """Fill a store; return the proposal that holds whole lists."""
    strings = cycle((*XSS[::3], *NAUGHTY))
    async with store.write() as tx:
        for number in range(PROPOSALS):
            await _proposal(tx, number, strings)
        whole = await _proposal(tx, 0, cycle((NAME,)), lists=True)
        for each in (*XSS[1::40], *NAUGHTY[::5]):
            await events.append(
                tx, "operator.note", each, project="greeter", actor=next(strings), host=next(strings)
            )
        await events.append(tx, NAME, NAME, project=NAME, actor=NAME, host=NAME)
        await projects.keep_codex_md(tx, "greeter", CodexMd(text=_markdown(XSS), commit="a" * 40))
        await projects.keep_codex_md(tx, "shop", CodexMd(text=_markdown(NAUGHTY), commit="b" * 40))
        await projects.saw(tx, "greeter", url="javascript:alert(1)", default_branch=NAME, last_commit=NAME)
        await units.told(tx, _states(strings))
        await actions.pause(tx, NAME, NAME)
    return whole


def _markdown(strings: Sequence[str]) -> str:
    """Return strings as paragraphs, in links and images, in a table and in raw HTML."""
    return "\n\n".join(
        f"{each}\n\n[{number}]({each})\n\n![{each}]({each})\n\n<div title='{each}'>{each}</div>\n\n- {each}"
        if number % 8 == 0
        else each
        for number, each in enumerate(strings)
    )


def _states(strings: Iterator[str]) -> UnitStates:
    items = tuple(
        UnitState(
            project="greeter",
            unit=next(strings),
            load="loaded",
            active=active,
            sub=next(strings),
            result=next(strings) if active == "failed" else "",
            since=now(),
        )
        for active in ("failed", "active", NAME)
    )
    return UnitStates(host=NAME, sent=int(now().timestamp() * 1e6), full=True, items=items)


async def _proposal(tx: Tx, number: int, strings: Iterator[str], *, lists: bool = False) -> int:
    many = "\n".join(XSS) if lists else ""
    all_naughty = "\n".join(NAUGHTY) if lists else ""
    failure = Failure(
        project="greeter",
        unit=next(strings),
        host=next(strings),
        result=next(strings),
        exit_status=next(strings),
        log=many or next(strings),
        at=now(),
    )
    others = [failure.model_copy(update={"host": next(strings)}) for _ in range(3)]
    incident = await incidents.record(
        tx, failure, *others, fingerprint=f"{number} {lists}", version=1, log=failure.log
    )
    title = next(strings)
    kind = KINDS[number % len(KINDS)]
    proposal = await proposals.create(
        tx,
        project="greeter",
        kind=kind,
        branch=await proposals.free_branch(tx, "greeter", f"pimainteno/fix/{next(strings)}"),
        title=title,
        incident=incident if kind is Kind.FIX else None,
    )
    run = await runs.create(tx, proposal)
    checks = tuple(
        CheckResult(
            command=next(strings),
            before=before,
            after="pass",
            before_output=next(strings),
            after_output=next(strings),
        )
        for before in ("fail", "pass")
    )
    answer = Answer(
        verdict="fixed",
        title=title,
        cause=all_naughty or next(strings),
        change=next(strings),
        risk="low",
        confidence=0.5,
    )
    diff = _diff(XSS if lists else [next(strings) for _ in range(3)])
    await runs.update(
        tx,
        run.id,
        state="done",
        stage="open",
        answer=answer,
        changeset=Changeset(base="a" * 40, changes=(Change(path=next(strings)[:200] or "x", content=b""),)),
        checks=checks,
        diff=diff,
        codex_md_diff=_diff(NAUGHTY if lists else [next(strings)]),
        notes=(next(strings), next(strings)),
        model=next(strings),
        usage=Usage(input=10, output=1),
        reason=next(strings),
        started_at=now(),
        finished_at=now(),
    )
    values = STANDINGS[number % len(STANDINGS)] | {
        "url": f"https://forge.example/{next(strings)}" if number % 2 else next(strings),
        "number": number,
        "reason": next(strings),
        "checks": checks,
        "codex_md_diff": _diff([next(strings)]),
        "failing": (next(strings), next(strings)),
        "base_sha": "a" * 40,
        "head_sha": next(strings),
        "body": all_naughty or next(strings),
    }
    await proposals.update(tx, proposal.id, **values)
    return proposal.id


def _diff(lines: Sequence[str]) -> str:
    """Return a diff of files that are named like its lines, with each line once."""
    first = lines[0] or "x"
    body = "".join(f"{'+-'[number % 2]}{line}\n" for number, line in enumerate(lines))
    return (
        f"diff --git a/{first} b/{first}\n--- a/{first}\n+++ b/{first}\n"
        f"@@ -1,{len(lines) // 2} +1,{len(lines) - len(lines) // 2} @@ {first}\n{body}"
        f"diff --git a/page.html b/page.html\n--- a/page.html\n+++ b/page.html\n"
        f"@@ -1 +1 @@\n-{first}\n+{lines[-1]}\n"
    )
