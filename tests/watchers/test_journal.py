"""Real journal files, made by systemd-journal-remote from the export format and read by real systemd code."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from app.core.errors import WatchError
from tests.watchers.plant import BOOT, FAILED, OTHER, RUN, UNIT, Plant
from watchers.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from watchers.entries import Entry


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
