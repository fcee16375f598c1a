"""What a log may hold and how much: odd bytes, secrets, overlong lines, files that are closed to us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.watchers.plant import RUN, UNIT, Plant
from watchers.journal import EARLIER

ROOT = Path(__file__).parents[2]


async def test_odd_bytes_colours_and_hidden_characters_are_made_harmless(plant: Plant) -> None:
    journal = plant.write(
        plant.own(b"caf\xe9 \x00 end"),
        plant.own("\x1b[31mred\x1b[0m \x1b]0;title\x07\u202eright\u200b"),
        plant.own("one\ntwo\r\nthree"),
        plant.systemd("failed"),
    )
    assert await journal.tail(UNIT, RUN) == "caf\ufffd  end\nred right\none\ntwo\nthree\nfailed"


async def test_secrets_stay_on_the_host_also_those_in_colours(plant: Plant) -> None:
    token = "ghp_" + "Ab1" * 12
    journal = plant.write(
        plant.own(f"token {token}"), plant.own(f"ghp_\x1b[1m{token[4:]}\x1b[0m"), plant.systemd("failed")
    )
    log = await journal.tail(UNIT, RUN)
    assert token[4:] not in log
    assert log.count("[redacted") == 2


async def test_an_overlong_line_is_cut_and_says_how_much_is_left_out(plant: Plant) -> None:
    journal = plant.write(
        plant.own("before"),
        plant.own("word " * 2000),
        plant.own(b"\xff " * 5000),
        plant.own("x" * 3_000_000),
        plant.systemd("failed"),
    )
    lines = (await journal.tail(UNIT, RUN)).split("\n")
    assert lines[0] == "before"
    assert lines[1].startswith("word word")
    assert lines[1].endswith(" bytes left out]")
    shown = lines[1].partition("[")[0]
    assert f"[{10_000 - len(shown) + 1} bytes left out]" in lines[1]
    assert lines[2].startswith("\ufffd \ufffd")
    assert lines[3].startswith("x" * 4000)
    assert lines[3].endswith("bytes left out]")
    assert lines[4] == "failed"
    assert max(map(len, lines)) < 4200


async def test_many_overlong_lines_cost_few_looks(plant: Plant) -> None:
    journal = plant.write(*(plant.own(f"{n} " + "x" * 9000) for n in range(30)), plant.systemd("failed"))
    lines = (await journal.tail(UNIT, RUN)).split("\n")
    assert sum("of more than 4096 bytes" in line for line in lines) == 26
    assert [line.split()[0] for line in lines[-5:-1]] == ["26", "27", "28", "29"]


async def test_the_newest_lines_are_kept_by_count_and_by_bytes(plant: Plant) -> None:
    journal = plant.write(*(plant.own(f"line {n} é") for n in range(500)), plant.systemd("failed"))
    assert (await journal.tail(UNIT, RUN, max_lines=3)) == "line 498 é\nline 499 é\nfailed"
    few = await journal.tail(UNIT, RUN, max_bytes=100)
    assert len(few.encode()) <= 100
    assert few.startswith(EARLIER)
    assert few.endswith("line 498 é\nline 499 é\nfailed")
    assert all(line.startswith("line ") for line in few.removeprefix(EARLIER).split("\n")[:-1])
    for limit in range(1, 13):
        assert len((await journal.tail(UNIT, RUN, max_lines=5, max_bytes=limit)).encode()) <= limit


async def test_no_log_is_over_64_kib(plant: Plant) -> None:
    journal = plant.write(*(plant.own(f"{n} " + "y" * 3000) for n in range(100)), plant.systemd("failed"))
    log = await journal.tail(UNIT, RUN)
    assert 60_000 < len(log.encode()) <= 65_536
    assert log.endswith("\nfailed")


ASK = """
import asyncio, sys
from pathlib import Path
from watchers.journal import Journal
from app.core.errors import WatchError
def peak():  # since exec, which ru_maxrss is not
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = peak()
try:
    log = asyncio.run(Journal(Path(sys.argv[1])).tail("greeter.service", "a" * 32))
except WatchError as error:
    sys.exit(f"WatchError: {error}")
print(peak() - before, len(log), log[-200:])
"""


def _ask(folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    argv = [*before, sys.executable, "-c", ASK, str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)


def test_without_rights_it_names_the_group_to_join(plant: Plant) -> None:
    plant.write(plant.own("boom"), plant.systemd("failed"))
    for file in plant.folder.iterdir():
        file.chmod(0)
    plant.folder.parent.chmod(0o755)
    plant.folder.chmod(0o755)
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    files_closed = _ask(plant.folder, *drop)
    plant.folder.chmod(0)
    folder_closed = _ask(plant.folder, *drop)
    plant.folder.chmod(0o755)
    for asked in (files_closed, folder_closed):
        assert asked.returncode == 1, asked
        assert "sudo usermod -aG systemd-journal " in asked.stderr


def test_a_line_of_100_mb_does_not_enlarge_this_process(plant: Plant) -> None:
    plant.write(plant.own("before"), plant.own(b"z" * 100_000_000), plant.systemd("failed"))
    asked = _ask(plant.folder)
    assert asked.returncode == 0, asked.stderr
    grown, size, log = asked.stdout.split(" ", 2)
    assert log.strip().endswith("failed")
    assert "bytes left out]" in log
    assert int(size) < 5000
    assert 0 < int(grown) < 30_000  # KiB
