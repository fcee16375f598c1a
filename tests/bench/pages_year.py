"""A busy year in a store, written by the database itself: most proposals merged, some hundred open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.store.database import Store

PROJECTS = 20
YEAR_S = 365 * 86400

NUMBERS = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})"
CHECKS = (
    """'[{"command":"pytest -q","before":"fail","after":"pass","before_output":"'"""
    """ || printf('%.*c', 1500, 'x') || '","""
    """"after_output":"' || printf('%.*c', 500, 'y') || '"}]'"""
)
DIFF = (
    "printf('diff --git a/f%d.py b/f%d.py\n@@ -1,2 +1,2 @@\n-old\n+new\n', n, n)"
    " || replace(printf('%.*c', 40, 'z'), 'z', '+a line of the change\n')"
)

INCIDENTS = f"""INSERT INTO incidents (id, project, unit, fingerprint, fingerprint_version, result,
    exit_status, state, count, hosts, first_at, last_at, log)
{NUMBERS} SELECT n, 'project-' || (n % {PROJECTS}), 'unit-' || (n % 300) || '.service', printf('%064x', n), 1,
    'exit-code', '1', CASE WHEN n % 20 THEN 'resolved' ELSE 'open' END, 1 + n % 50,
    '["pi-' || (n % 90) || '","nas-' || (n % 7) || '"]',
    {{start}} + n * {YEAR_S}.0 / {{count}},
    {{start}} + n * {YEAR_S}.0 / {{count}} + 600, printf('%.*c', 4000, 'e') FROM n"""

STATE = """CASE WHEN n % 25 = 0 THEN 'open' WHEN n % 500 = 1 THEN 'waiting'
    WHEN n % 1000 = 2 THEN 'working'
    WHEN n % 20 = 3 THEN 'skipped' WHEN n % 50 = 4 THEN 'refused'
    WHEN n % 7 = 5 THEN 'closed' ELSE 'merged' END"""
PROPOSALS = f"""INSERT INTO proposals (id, project, kind, incident_id, title, state, reason, url, number,
    branch, base_sha, head_sha, draft, ci, review, unit, fingerprint, codex_md_diff, checks, body, created_at,
    updated_at, opened_at, foreign_sha, need, merged_at)
SELECT n, project, kind, incident, 'Repair number ' || n || ' of the greeter', state,
    CASE WHEN state IN ('merged', 'open') THEN NULL ELSE 'the reason of ' || n END,
    'https://git.example.org/me/' || project || '/pull/' || n, n, 'pimainteno/fix/unit-' || n,
    printf('%040x', n), printf('%040x', n + 1), 0, ci, review, 'unit-' || (n % 300) || '.service',
    printf('%064x', n), '', {CHECKS}, printf('%.*c', 3000, 'b'), at, at, at,
    CASE WHEN state = 'open' AND n % 350 = 0 THEN 'someone' END,
    CASE WHEN state IN ('waiting', 'working') THEN state
        WHEN state = 'open' AND n % 350 = 0 THEN 'edited'
        WHEN state = 'open' AND review = 'changes_requested' THEN review
        WHEN state = 'open' AND ci = 'failure' THEN 'ci_failing' WHEN state = 'open' THEN 'ready'
        WHEN state IN ('skipped', 'refused') AND
        (SELECT i.state FROM incidents AS i WHERE i.id = incident) = 'open'
        THEN 'not_proposed' END,
    CASE WHEN state = 'merged' THEN at + 3600 END
FROM ({NUMBERS} SELECT n, 'project-' || (n % {PROJECTS}) AS project,
    CASE n % 9 WHEN 0 THEN 'improve' ELSE 'fix' END AS kind,
    CASE WHEN n % 9 THEN n END AS incident, {STATE} AS state,
    CASE n % 4 WHEN 0 THEN 'failure' WHEN 1 THEN 'pending' ELSE 'success' END AS ci,
    CASE n % 6 WHEN 0 THEN 'changes_requested' WHEN 1 THEN 'approved' ELSE 'none' END AS review,
    {{start}} + n * {YEAR_S}.0 / {{count}} AS at FROM n)"""

RUNS = f"""INSERT INTO runs (id, proposal_id, project, kind, state, stage, answer, checks, diff, model, usage,
    tokens, tokens_at, started_at, finished_at)
{NUMBERS} SELECT n, n, 'project-' || (n % {PROJECTS}), 'fix',
    CASE WHEN n % 20 = 3 THEN 'skipped' ELSE 'done' END, 'open',
    '{{"verdict":"fixed","title":"t","cause":"A cause.","change":"A change.","risk":"low","confidence":0.9}}',
    {CHECKS}, {DIFF}, 'gpt-5.5', '{{"input":9000,"cached":100,"output":800}}', 9800,
    {{start}} + n * {YEAR_S}.0 / {{count}}, {{start}} + n * {YEAR_S}.0 / {{count}},
    {{start}} + n * {YEAR_S}.0 / {{count}} + 240 FROM n"""

EVENTS = f"""INSERT INTO events (at, kind, project, proposal, run, actor, host, text, data)
{NUMBERS} SELECT {{start}} + n * {YEAR_S}.0 / {{count}},
    CASE n % 10 WHEN 0 THEN 'run.started' WHEN 1 THEN 'run.finished' WHEN 2 THEN 'proposal.opened'
        WHEN 3 THEN 'proposal.ci'
        WHEN 4 THEN CASE n % 1000 WHEN 4 THEN 'operator.close' ELSE 'proposal.merged' END
        ELSE 'failure.seen' END,
    'project-' || (n * {{proposals}} / {{count}} % {PROJECTS}), 1 + (n - 1) * {{proposals}} / {{count}}, NULL,
    CASE n % 1000 WHEN 4 THEN 'anna' ELSE 'pimainteno' END, 'pi-' || (n % 90),
    'unit-' || (n % 300) || '.service failed on pi-' || (n % 90) || ' (exit-code, exit status 1)',
    '{{"count":' || n || '}}' FROM n"""


async def fill(store: Store, *, proposals: int, events: int) -> None:
    """Write the rows."""
    start = str(time.time() - YEAR_S)
    for what, count in ((INCIDENTS, proposals), (PROPOSALS, proposals), (RUNS, proposals), (EVENTS, events)):
        said = what.replace("{count}", str(count)).replace("{start}", start)
        async with store.write() as tx:
            await tx.exec_driver_sql(said.replace("{proposals}", str(proposals)))
