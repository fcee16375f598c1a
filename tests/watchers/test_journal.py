"""Real journal files, made by systemd-journal-remote from the export format and read by real systemd code."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import WatchError
from watchers import sdjournal
from watchers.journal import EARLIER, Entry, Journal

REMOTE = "/lib/systemd/systemd-journal-remote"
UNIT = "greeter.service"
RUN, OTHER = "a" * 32, "b" * 32
FAILED = "d9b373ed55a64feb8242e02dbe79a49c"
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
ROOT = Path(__file__).parents[2]


class Plant:
    """Writes entries into a journal file of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        folder.mkdir(exist_ok=True)

    def entry(self, message: str | bytes, **fields: str) -> bytes:
        self.count += 1
        raw = message if isinstance(message, bytes) else message.encode()
        texts = {
            "__REALTIME_TIMESTAMP": str(1_700_000_000_000_000 + self.count),
            "__MONOTONIC_TIMESTAMP": str(1_000_000 + self.count),
            "_BOOT_ID": BOOT,
        } | fields
        head = "".join(f"{name}={text}\n" for name, text in texts.items()).encode()
        return head + b"MESSAGE\n" + struct.pack("<Q", len(raw)) + raw + b"\n\n"

    def own(self, message: str | bytes, run: str = RUN, unit: str = UNIT) -> bytes:
        return self.entry(message, _SYSTEMD_INVOCATION_ID=run, _SYSTEMD_UNIT=unit, _UID="1000")

    def systemd(
        self, message: str, run: str = RUN, uid: str = "0", unit: str = UNIT, mid: str = FAILED
    ) -> bytes:
        return self.entry(message, INVOCATION_ID=run, UNIT=unit, _UID=uid, _PID="1", MESSAGE_ID=mid)

    def write(self, *entries: bytes) -> Journal:
        file = self.folder / f"planted-{self.count}.journal"
        subprocess.run(
            [REMOTE, "--output", str(file), "--compress=no", "-"],
            input=b"".join(entries),
            check=True,
            capture_output=True,
        )
        return Journal(self.folder)


@pytest.fixture(params=["libsystemd", "journalctl"])
def plant(place: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """A journal that is read each way: without the library all is left to the program."""
    if request.param == "journalctl":
        monkeypatch.setattr(sdjournal, "LIBRARY", "libnone.so.0")
    return Plant(place / "journal")


async def test_exactly_that_run_with_the_words_of_systemd(plant: Plant) -> None:
    journal = plant.write(
        plant.own("another run", OTHER),
        plant.own("boom"),
        plant.systemd("another's failure", OTHER),
        plant.own("at line 3"),
        plant.systemd("greeter.service: Failed with result 'exit-code'."),
        plant.systemd("a lie about it", uid="1000"),
    )
    log = await journal.tail(UNIT, RUN)
    assert log == "boom\nat line 3\ngreeter.service: Failed with result 'exit-code'."


async def test_a_line_of_a_process_that_was_gone_belongs_to_the_run_before_it(plant: Plant) -> None:
    """journald files it under the unit, without the invocation that it could not ask for any more."""
    journal = plant.write(
        plant.entry("somebody's", _SYSTEMD_UNIT=UNIT),
        plant.own("boom"),
        plant.systemd("greeter.service: Failed with result 'exit-code'."),
        plant.entry("at line 3", _SYSTEMD_UNIT=UNIT),
        plant.entry("a neighbour's", _SYSTEMD_UNIT="other.service"),
        plant.own("the next run", OTHER),
        plant.entry("the next run's", _SYSTEMD_UNIT=UNIT),
    )
    assert (await journal.tail(UNIT, RUN)).splitlines()[::2] == ["boom", "at line 3"]
    assert (await journal.tail(UNIT, OTHER)).splitlines() == ["the next run", "the next run's"]


async def test_a_run_that_writes_before_it_has_started_is_known_by_its_main_process(plant: Plant) -> None:
    """A busy host's journald can take a line in before systemd's word of the start; seen on systemd 252."""
    journal = plant.write(
        plant.entry("boom of the first", _SYSTEMD_UNIT=UNIT, _PID="7"),
        plant.entry("its child's", _SYSTEMD_UNIT=UNIT, _PID="8"),
        plant.systemd("started", mid="0" * 32),
        plant.entry("a child's", _SYSTEMD_UNIT=UNIT, _PID="9"),
        plant.systemd("the first failed"),
        plant.entry("boom of the second", _SYSTEMD_UNIT=UNIT, _PID="10"),
        plant.entry("late", _SYSTEMD_UNIT=UNIT, _PID="7"),
        plant.systemd("started", OTHER, mid="0" * 32),
        plant.systemd("the second failed", OTHER),
    )
    first = await journal.tail(UNIT, RUN, pid=7)
    assert first.splitlines() == ["boom of the first", "started", "a child's", "the first failed", "late"]
    second = await journal.tail(UNIT, OTHER, pid=10)
    assert second.splitlines() == ["boom of the second", "started", "the second failed"]


async def test_a_run_is_found_behind_many_lines_of_later_ones(plant: Plant) -> None:
    later = [plant.own(f"later {number}", OTHER) for number in range(30)]
    journal = plant.write(plant.own("boom"), plant.systemd("Failed with result 'exit-code'."), *later)
    assert "boom" in await journal.tail(UNIT, RUN, max_lines=5)


async def test_the_lines_of_a_users_own_unit(plant: Plant) -> None:
    me = str(os.getuid())
    plant.write(
        plant.entry("boom", _SYSTEMD_INVOCATION_ID=RUN, _SYSTEMD_USER_UNIT=UNIT, _UID=me),
        plant.entry("failed", USER_INVOCATION_ID=RUN, USER_UNIT=UNIT, _UID=me, MESSAGE_ID=FAILED),
        plant.entry("a lie", USER_INVOCATION_ID=RUN, USER_UNIT=UNIT, _UID="4711"),
    )
    assert await Journal(plant.folder, user=True).tail(UNIT, RUN) == "boom\nfailed"


async def test_without_an_invocation_the_units_lines_of_this_boot(plant: Plant) -> None:
    earlier = plant.entry("an earlier boot", _SYSTEMD_UNIT=UNIT).replace(BOOT.encode(), b"c" * 32)
    journal = plant.write(
        earlier,
        plant.own("boom"),
        plant.own("not mine", unit="other.service"),
        plant.systemd("not mine either", unit="other.service"),
        plant.systemd("failed"),
    )
    assert await journal.tail(UNIT, "") == "boom\nfailed"


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


async def test_a_run_that_rotated_away_has_no_log_and_the_wait_is_bounded(plant: Plant) -> None:
    journal = plant.write(plant.own("another run", OTHER))
    started = time.monotonic()
    assert await journal.tail(UNIT, RUN) == ""
    assert time.monotonic() - started < 5


async def test_an_empty_folder_has_no_log(plant: Plant) -> None:
    assert await Journal(plant.folder).tail(UNIT, RUN) == ""


@pytest.mark.parametrize("run", ["A" * 32, "a" * 31, "--vacuum-size=1", "a" * 32 + "\n", "../x"])
async def test_an_odd_invocation_is_refused(plant: Plant, run: str) -> None:
    with pytest.raises(WatchError, match="no invocation id"):
        await Journal(plant.folder).tail(UNIT, run)


@pytest.mark.parametrize("unit", ["", "a b.service", "a\n.service", "+", "x" * 300])
async def test_an_odd_unit_is_refused(plant: Plant, unit: str) -> None:
    with pytest.raises(WatchError, match="no name of a unit"):
        await Journal(plant.folder).tail(unit, "")


async def test_a_unit_that_looks_like_an_option_is_none(plant: Plant) -> None:
    journal = plant.write(
        plant.own("boom", unit="--rotate.service"), plant.systemd("failed", unit="x.service")
    )
    assert await journal.tail("--rotate.service", "") == "boom"


async def test_a_journal_that_is_not_there_is_an_error(place: Path) -> None:
    with pytest.raises(WatchError, match="journalctl says"):
        await Journal(place / "none").tail(UNIT, RUN)


async def test_without_journalctl_it_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(WatchError, match="Install systemd"):
        await Journal(place).tail(UNIT, RUN)


async def test_what_the_library_finds_needs_no_journalctl(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a process is started: that takes longer than all else."""
    plant = Plant(place / "journal")
    journal = plant.write(plant.own("boom"), plant.systemd("failed"))
    monkeypatch.setenv("PATH", str(place))
    assert await journal.tail(UNIT, RUN) == "boom\nfailed"


async def test_a_journal_that_is_late_with_everything_is_waited_for(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy host a run's end can take a second to be written down, and its own lines come after that."""
    journal = plant.write(plant.own("another run", OTHER))
    line, end = plant.own("boom"), plant.systemd("failed")
    look, looks = journal._of_run, iter(range(100))
    comes = {7: end, 9: line}  # 0.6 s of waiting and more after the first look, and 0.6 s after that

    async def looked(*asked: Any) -> list[Entry]:
        if entry := comes.get(next(looks)):
            plant.count += 1
            plant.write(entry)
        return await look(*asked)

    monkeypatch.setattr(journal, "_of_run", looked)
    assert await journal.tail(UNIT, RUN) == "boom\nfailed"


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
