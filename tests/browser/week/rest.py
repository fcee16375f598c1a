"""Proposals that people need not look at now, could not be made, or are done."""

from __future__ import annotations

from app.core.models import Kind, ProposalState
from tests.browser.week.case import Case, check
from tests.browser.week.texts import changed, traceback

WAITING = (
    Case(
        project="weather-station",
        title="Round the wind to whole numbers",
        state=ProposalState.WAITING,
        reason="weather-station got 2 proposals within an hour (limits.proposals_per_hour): "
        "this one waits until the hour is over",
        unit="weather-upload.service",
        hosts=("pi-kitchen",),
        times=3,
        first=1.1,
        last=0.3,
        log="upload refused: 422 wind_speed must be a whole number\n",
        cause="The service takes whole numbers since this week.",
        change="Rounds before the upload.",
        diff=changed("upload.rb", "wind: reading.wind\n", "wind: reading.wind.round\n"),
        checks=(check("rake test", "fail", "pass"),),
    ),
    Case(
        project="shop",
        title="shop-mail.service failed (exit-code)",
        state=ProposalState.WAITING,
        reason="today's runs took 4,012,330 of 4,000,000 tokens (codex.daily_token_limit): "
        "waiting for midnight",
        unit="shop-mail.service",
        hosts=("vm-2",),
        times=1,
        first=3.3,
        log="smtp: 535 authentication failed\n",
        tokens=(0, 0, 0),
    ),
)

WORKING = (
    Case(
        project="heating",
        title="heating-control.service failed (exit-code)",
        state=ProposalState.WORKING,
        unit="heating-control.service",
        hosts=("pi-cellar",),
        times=2,
        first=0.25,
        last=0.05,
        log=traceback(
            "/srv/heating/control.py", 140, "valve.set(target)", "OSError: [Errno 121] Remote I/O error"
        ),
        tokens=(12_000, 0, 800),
    ),
    Case(
        project="camera",
        kind=Kind.IMPROVE,
        title="Look for improvements",
        state=ProposalState.WORKING,
        first=0.1,
        tokens=(0, 0, 0),
    ),
)

NOT_PROPOSED = (
    Case(
        project="heating",
        title="Start the pump before the valve opens",
        state=ProposalState.REFUSED,
        reason="a check fails with the change: `make test` (it failed before, too)",
        unit="heating-pump.service",
        hosts=("pi-cellar",),
        times=8,
        first=8.5,
        last=1.9,
        log="pump: dry run protection, no flow after 3 s\n",
        cause="The pump starts while the valve is still closed.",
        change="Waits for the valve.",
        diff=changed("pump.c", "pump_on();\nvalve_open();\n", "valve_open();\npump_on();\n"),
        checks=(
            check("make test", "fail", "fail", "FAIL: flow_test\n", "FAIL: flow_test: expected 3, was 4\n"),
            check("make lint", "pass", "timeout"),
        ),
        risk="high",
        confidence=0.4,
    ),
    Case(
        project="backup",
        title="backup-nightly.service failed (exit-code)",
        state=ProposalState.SKIPPED,
        reason="not a code bug: the disk is full (No space left on device); make room on /mnt/backup of nas",
        unit="backup-nightly.service",
        exit_status="11",
        hosts=("nas",),
        times=4,
        first=33,
        last=4.4,
        log="rsync: write failed on '/mnt/backup/photos.tar': No space left on device (28)\n",
        tokens=(0, 0, 0),
    ),
    Case(
        project="greeter",
        title="greeter-report.service failed (exit-code)",
        state=ProposalState.FAILED,
        reason="the model found no fix: the report's data comes from a service "
        "that is not in this repository",
        unit="greeter-report.service",
        hosts=("pi-hall",),
        times=1,
        first=28,
        log="report: 502 from http://127.0.0.1:9000/visits\n",
        verdict="cannot_fix",
        cause="The report's data comes from a service that is not in this repository.",
        change="Nothing.",
        confidence=0.3,
    ),
    Case(
        project="shop",
        title="Pin the image that the tests run in",
        state=ProposalState.REFUSED,
        reason="'.gitlab-ci.yml' is protected: it decides what runs on your machines",
        unit="shop-web.service",
        hosts=("vm-1",),
        times=1,
        first=47,
        log="docker: manifest unknown\n",
        cause="The image's tag is gone.",
        change="Pins another tag.",
        diff=changed(".gitlab-ci.yml", "image: node:latest\n", "image: node:24\n"),
    ),
)

ENDED = (
    Case(
        project="greeter",
        title="Close the socket before listening again",
        state=ProposalState.MERGED,
        unit="greeter.service",
        hosts=("pi-hall",),
        times=11,
        first=101,
        last=92,
        ended=90,
        log="OSError: [Errno 98] Address already in use\n",
        cause="The old socket is still open.",
        change="Sets SO_REUSEADDR.",
        diff=changed("serve.py", "sock.bind(address)\n", "sock.setsockopt(1, 2, 1)\nsock.bind(address)\n"),
        checks=(check("pytest -q"),),
    ),
    *(
        Case(
            project=project,
            title=title,
            state=ProposalState.MERGED,
            kind=kind,
            unit=unit,
            times=number + 1,
            first=150 - 26.0 * number,
            last=130 - 26.0 * number,
            ended=109 - 26.0 * number,
            log=f"{unit}: {title}\n" if unit else "",
            cause="See the log." if unit else "The scan found it.",
            change=title,
            diff=changed("main.py", "a = 1\n", f"a = {number + 2}\n"),
            checks=(check("make check"),),
            ci="success",
            review="approved",
            by=by,
        )
        for number, (project, title, kind, unit, by) in enumerate(
            (
                (
                    "weather-station",
                    "Try the sensor again after a bus error",
                    Kind.FIX,
                    "weather-poll.service",
                    "ann",
                ),
                ("shop", "Close the database's cursor", Kind.IMPROVE, "", "mika"),
                ("backup", "Quote paths with spaces", Kind.FIX, "backup-home.service", "ann"),
                ("dns-filter", "Bring codex.md up to date", Kind.SUMMARISE, "", "mika"),
                ("camera", "Do not divide by zero at night", Kind.FIX, "camera-light.service", "ann"),
            )
        )
    ),
    Case(
        project="heating",
        title="Warm the house two degrees less",
        kind=Kind.IMPROVE,
        state=ProposalState.CLOSED,
        first=125,
        ended=97,
        cause="It would save energy.",
        change="Lowers the target.",
        diff=changed("targets.ini", "living = 21\n", "living = 19\n"),
        checks=(check("make test", "pass", "pass"),),
    ),
    Case(
        project="camera",
        title="Restart the stream when the network comes back",
        state=ProposalState.CLOSED,
        unit="camera-stream.service",
        hosts=("pi-gate",),
        times=7,
        first=60,
        last=12,
        ended=22,
        snoozed=120,
        log="stream: Network is unreachable\n",
        cause="The stream is never opened again.",
        change="Opens it again after 5 s.",
        diff=changed("src/stream.rs", "stream.open();\n", "stream.open_again(5);\n"),
        checks=(check("cargo test --quiet"),),
        by="ann",
    ),
)
