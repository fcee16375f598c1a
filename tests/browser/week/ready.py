"""Proposals that wait for a person: ready, with failing CI, with changes requested, edited by somebody."""

from __future__ import annotations

from app.core.models import Kind
from tests.browser.week.case import Case, check
from tests.browser.week.texts import binary, changed, codex_md, huge_diff, long_log, traceback

SENSORS = tuple(f"sensor-{number:02d}" for number in range(1, 38))

READY = (
    Case(
        project="greeter",
        title="Greet people who have one name only",
        unit="greeter.service",
        hosts=("pi-hall", "pi-door"),
        times=6,
        first=7.2,
        last=0.7,
        log=traceback(
            "/srv/greeter/greet.py",
            31,
            "first, family = name.split()",
            "ValueError: not enough values to unpack (expected 2, got 1)",
            before="greeter starting on port 8080\nGET /hello?name=Ada 500\n",
        ),
        cause="`greet` splits the name into two parts and fails where a visitor gives one name only.",
        change="Takes the first part of the name; the rest may be missing. Adds a test with one name.",
        diff=changed(
            "greet.py",
            '"""Greets visitors."""\n\n\ndef greet(name: str) -> str:\n    """Return a greeting."""\n'
            '    first, family = name.split()\n    return f"Good morning, {first} of the {family} family"\n',
            '"""Greets visitors."""\n\n\ndef greet(name: str) -> str:\n    """Return a greeting."""\n'
            '    first, _, family = name.strip().partition(" ")\n    if not family:\n'
            '        return f"Good morning, {first}"\n'
            '    return f"Good morning, {first} of the {family} family"\n',
        )
        + changed(
            "tests/test_greet.py",
            'from greet import greet\n\n\ndef test_two_names():\n    assert "Ada" in greet("Ada Byron")\n',
            'from greet import greet\n\n\ndef test_two_names():\n    assert "Ada" in greet("Ada Byron")\n\n\n'
            'def test_one_name():\n    assert greet("Ada") == "Good morning, Ada"\n',
        ),
        codex_md_diff="--- a/codex.md\n+++ b/codex.md\n@@ -4,2 +4,3 @@\n # greeter\n \n"
        "-Names have two parts.\n+Names have one part or more.\n+`greet` never fails on a name.\n",
        checks=(
            check(
                ".venv/bin/pytest -q",
                said_before="F.                                        [100%]\n"
                "tests/test_greet.py:9: ValueError: not enough values to unpack (expected 2, got 1)\n"
                "1 failed, 1 passed in 0.08s\n",
                said_after="..                                        [100%]\n2 passed in 0.06s\n",
            ),
            check("ruff check .", "pass", "pass", "All checks passed!\n", "All checks passed!\n"),
        ),
        confidence=0.96,
    ),
    Case(
        project="weather-station",
        title="Read the sign bit of temperatures below zero",
        unit="weather-station@outdoor.service",
        hosts=SENSORS,
        times=212,
        first=31,
        last=1.4,
        log=traceback(
            "/opt/weather/station.py",
            88,
            "store(reading.temperature)",
            "ValueError: 65533 is no temperature",
            before="sensor 0x76 ready\nsensor 0x76: raw fffd\n",
        ),
        cause="Raw readings are 16 bits with a sign; they were read without it, so -0.3 °C became 6553.3 °C.",
        change="Reads the two bytes as a signed number. Old rows are not touched.",
        diff=changed(
            "station.py",
            'def temperature(raw: bytes) -> float:\n    return int.from_bytes(raw, "big") / 10\n',
            "def temperature(raw: bytes) -> float:\n"
            '    return int.from_bytes(raw, "big", signed=True) / 10\n',
        )
        + changed("units/weather-station@.service", "Restart=no\n", "Restart=on-failure\nRestartSec=5\n"),
        checks=(
            check(
                "pytest -q",
                said_before="E  assert 6553.3 == -0.3\n3 failed, 41 passed\n",
                said_after="44 passed\n",
            ),
        ),
        ci="success",
        review="approved",
        confidence=0.98,
        tokens=(61_200, 40_100, 4_900),
    ),
    Case(
        project="backup",
        title="Release the lock when rsync ends early",
        unit="backup-nightly.service",
        result="timeout",
        exit_status="",
        hosts=("nas",),
        times=3,
        first=53,
        last=5.1,
        log="Starting nightly backup\nrsync: [sender] read error: Connection reset by peer (104)\n"
        "waiting for /run/backup.lock ...\nwaiting for /run/backup.lock ...\n"
        "backup-nightly.service: start operation timed out. Terminating.\n",
        cause="The lock is only removed at the script's end, so a run that ends early leaves it behind.",
        change="Removes the lock in a trap, however the script ends.",
        diff=changed(
            "backup.sh",
            "#!/bin/sh\nset -eu\nlock=/run/backup.lock\n: >$lock\nrsync -a /home/ /mnt/backup/\nrm $lock\n",
            '#!/bin/sh\nset -eu\nlock=/run/backup.lock\ntrap \'rm -f "$lock"\' EXIT\n: >"$lock"\n'
            "rsync -a /home/ /mnt/backup/\n",
            mode="100755",
        ),
        checks=(check("sh tests/lock.sh", "timeout", "pass"), check("shellcheck *.sh", "fail", "pass")),
        ci="pending",
        draft=True,
    ),
    Case(
        project="shop",
        kind=Kind.IMPROVE,
        title="Say which order was not found",
        first=30,
        cause="The message of the error page names no order, so people cannot report it.",
        change="Names the order, escaped, and links back to the list.",
        diff=changed(
            "src/orders.ts",
            'export function missing(): string {\n  return "<p>Not found</p>";\n}\n',
            "export function missing(order: string): string {\n"
            "  return `<p>There is no order ${escape(order)}.</p>`;\n}\n",
        )
        + changed("src/orders.css", ".missing { color: red }\n", ".missing { color: var(--bad) }\n"),
        checks=(check("npm test", "pass", "pass", "58 passing\n", "59 passing\n"),),
        ci="success",
        confidence=0.8,
    ),
    Case(
        project="dns-filter",
        kind=Kind.SUMMARISE,
        title="Write codex.md",
        first=29.5,
        codex_md_diff=changed(
            "codex.md", "", codex_md("dns-filter", "Answers DNS, without advertisements.", 4)
        ),
        tokens=(52_000, 18_000, 2_100),
    ),
)

CI_FAILING = (
    Case(
        project="camera",
        title="Skip frames that arrive empty",
        unit="camera-motion.service",
        result="signal",
        exit_status="ABRT",
        hosts=("pi-garden", "pi-gate"),
        times=9,
        first=20,
        last=2.2,
        log="thread 'main' panicked at src/motion.rs:57:42:\ncalled `Option::unwrap()` on a `None` value\n"
        "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
        cause="A frame can be empty while the camera changes its exposure; the code took it for granted.",
        change="Skips such frames and counts them.",
        diff=changed(
            "src/motion.rs",
            "fn motion(frame: &Frame) -> f32 {\n    let first = frame.pixels().next().unwrap();\n"
            "    difference(first, frame)\n}\n",
            "fn motion(frame: &Frame) -> Option<f32> {\n    let first = frame.pixels().next()?;\n"
            "    Some(difference(first, frame))\n}\n",
        ),
        checks=(check("cargo test --quiet", "fail", "pass"), check("cargo clippy", "pass", "pass")),
        ci="failure",
        failing=("build (aarch64)", "clippy"),
        risk="medium",
        confidence=0.74,
    ),
    Case(
        project="shop",
        title="Make the lock file anew after the registry moved",
        unit="shop-worker.service",
        hosts=("vm-1", "vm-2", "vm-3"),
        times=14,
        first=77,
        last=26,
        log=long_log(3_000, "orders Cannot find module 'pkg-00017'"),
        cause="The lock file names files that are not there any more.",
        change="Makes the lock file anew; no version in package.json changes.",
        diff=huge_diff(20_000),
        checks=(check("npm ci && npm test", "error", "pass", "npm error code E404\n", "58 passing\n"),),
        notes=("Lock files change: package-lock.json. Look at them closely.",),
        ci="failure",
        failing=tuple(f"test (node {version})" for version in (20, 22, 24, 26, 28, 30, 32)),
        risk="high",
        confidence=0.55,
        tokens=(310_000, 120_000, 22_400),
    ),
)

CHANGES_REQUESTED = (
    Case(
        project="dns-filter",
        title="Accept lists with a byte order mark",
        unit="dns-filter-update.service",
        hosts=("router",),
        times=2,
        first=50,
        last=27,
        log="loading https://lists.example/ads.txt\nparse error at line 1: unexpected U+FEFF\n",
        cause="The list starts with a byte order mark, which the parser takes for part of a name.",
        change="Reads lists as UTF-8 with an optional mark.",
        diff=changed("filter.go", 'package main\n\nvar mark = ""', 'package main\n\nvar mark = "\\ufeff"\n')
        + changed(
            "lists.toml", 'strict = true\n[ads]\nurl = "https://lists.example/ads.txt"\n', "strict = false"
        ),
        checks=(check("go test ./...", "fail", "pass"), check("go vet ./...", None, None)),
        ci="success",
        review="changes_requested",
    ),
    Case(
        project="weather-station",
        title="Draw the icon for snow",
        unit="weather-display.service",
        result="core-dump",
        exit_status="SEGV",
        hosts=("pi-kitchen",),
        times=1,
        first=44,
        log="display: icon 'snow' has 0 bytes\nSegmentation fault (core dumped)\n",
        cause="icons/snow.png is empty in the repository.",
        change="Puts the icon back and refuses empty ones with a message.",
        diff=binary("icons/snow.png")
        + changed("display.c", "draw(icon);\n", 'if (icon->size == 0) die("empty icon");\ndraw(icon);\n')
        + changed("icons/old-snow.txt", "to be drawn\n", ""),
        checks=(),
        draft=True,
        ci="success",
        review="changes_requested",
        by="mika",
        confidence=0.6,
    ),
)

EDITED = (
    Case(
        project="backup",
        title="Keep seven backups, not six",
        unit="backup-prune.timer",
        hosts=("nas", "vm-1"),
        times=5,
        first=64,
        last=9,
        log="pruning ...\nassertion failed: 6 kept, 7 wanted\n",
        cause="The loop ends one too early.",
        change="Counts from zero.",
        diff=changed("prune.pl", "for (1..$n-1) { keep($_) }\n", "for (0..$n-1) { keep($_) }\n"),
        checks=(check("prove -l", "fail", "pass"),),
        ci="success",
        edited=True,
    ),
    Case(
        project="camera",
        title="Wait for the disk before recording",
        unit="camera-record.service",
        hosts=("pi-garden",),
        times=2,
        first=70,
        last=68,
        log="cannot open /mnt/video/today.mkv: Transport endpoint is not connected\n",
        cause="The service starts before the network disk is there.",
        change="Adds RequiresMountsFor.",
        diff=changed(
            "units/camera-record.service",
            "[Unit]\nDescription=Records\n",
            "[Unit]\nDescription=Records\nRequiresMountsFor=/mnt/video\n",
        ),
        checks=(check("systemd-analyze verify units/*", "pass", "pass"),),
        ci="failure",
        failing=("lint",),
        edited=True,
        by="token:ci",
    ),
)
