"""The spool on a real disk: order, one per id, kill -9 at every step, a full disk, and a full spool."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import WatchError
from app.core.reports import Failure, Recovery
from watchers.spool import Spool

ROOT = Path(__file__).parents[2]


def failure(id_: str, unit: str = "greeter.service") -> Failure:
    return Failure(id=id_, project="greeter", unit=unit, host="pi", log="boom é\n")


def ids(spool: Spool) -> list[str]:
    return [report.id for path in spool.waiting() if (report := spool.read(path))]


def test_reports_come_back_as_they_were_oldest_first(place: Path) -> None:
    spool = Spool(place / "watch" / "spool")
    reports = [failure(f"id-{n}") for n in range(20)]
    recovery = Recovery(
        id="r", project="greeter", unit="greeter.service", host="pi", after_s=1.5, result="signal"
    )
    for report in reports:
        spool.put(report)
    spool.put(recovery)
    again = Spool(place / "watch" / "spool")
    assert [again.read(path) for path in again.waiting()] == [*reports, recovery]
    assert {stat.S_IMODE(path.stat().st_mode) for path in again.waiting()} == {0o600}
    assert stat.S_IMODE((place / "watch" / "spool").stat().st_mode) == 0o700


def test_the_same_id_is_kept_once_and_can_come_again_after_its_delivery(place: Path) -> None:
    spool = Spool(place)
    spool.put(failure("one"))
    spool.put(failure("one", "other.service"))
    assert ids(spool) == ["one"]
    (path,) = spool.waiting()
    spool.drop(path)
    spool.drop(path)
    assert spool.read(path) is None
    assert spool.waiting() == []
    spool.put(failure("one"))
    assert ids(spool) == ["one"]


def test_any_id_is_a_safe_file_name(place: Path) -> None:
    spool = Spool(place / "spool")
    odd = ["../../x", "a/b", "x" * 200, "-", "é\n", ".tmp"]
    for each in odd:
        spool.put(failure(each))
    assert ids(spool) == odd
    assert [path.name for path in place.iterdir()] == ["spool"]


def test_a_clock_that_was_set_back_keeps_the_order(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(place)
    for moment in (5_000, 1_000, 1_000, 6_000):
        monkeypatch.setattr("time.time_ns", lambda moment=moment: moment)
        spool.put(failure(f"at-{len(spool.waiting())}"))
    assert ids(spool) == ["at-0", "at-1", "at-2", "at-3"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"kind": "failure"}',
        b'{"kind": "x", "report": {}}',
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_moved_aside_and_said(
    place: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = Spool(place)
    spool.put(failure("one"))
    spool.put(failure("two"))
    first = spool.waiting()[0]
    first.write_bytes(content)
    assert spool.read(first) is None
    assert (place / "unreadable" / first.name).read_bytes() == content
    assert "moved aside" in capsys.readouterr().err
    assert ids(spool) == ["two"]


def test_over_its_limit_the_oldest_repeated_report_goes_first(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = Spool(place, max_files=4)
    for id_, unit in [("a", "rare.service"), ("b1", "b.service"), ("b2", "b.service"), ("c", "c.service")]:
        spool.put(failure(id_, unit))
    assert capsys.readouterr().err == ""
    spool.put(failure("d", "d.service"))
    assert ids(spool) == ["a", "b2", "c", "d"]
    said = capsys.readouterr().err
    assert "the spool is full" in said
    assert "b.service" in said
    spool.put(failure("e", "e.service"))
    assert ids(spool) == ["b2", "c", "d", "e"]
    spool.put(failure("e2", "e.service"))
    assert ids(spool) == ["b2", "c", "d", "e2"]


def test_a_spool_of_another_size_is_brought_under_its_limit(place: Path) -> None:
    spool = Spool(place)
    for n in range(10):
        spool.put(failure(str(n)))
    small = Spool(place, max_files=3)
    small.put(failure("new"))
    assert ids(small) == ["8", "9", "new"]


def test_a_full_disk_is_an_error_and_leaves_nothing_behind(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(place)
    spool.put(failure("one"))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(WatchError, match=r"No space left on device\. Free some space"):
            spool.put(failure("two"))
    assert len(list(place.iterdir())) == 1
    spool.put(failure("two"))
    assert ids(spool) == ["one", "two"]


def test_a_folder_that_cannot_be_is_an_error(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(WatchError, match="cannot be used"):
        Spool(place / "file" / "spool")
    spool = Spool(place / "spool")
    (place / "spool").rmdir()
    with pytest.raises(WatchError, match="cannot be used"):
        spool.put(failure("one"))
    with pytest.raises(WatchError, match="cannot be used"):
        spool.waiting()


KILLED = """
import os, signal, sys
from pathlib import Path
from app.core.reports import Failure
from watchers.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.put(Failure(id="before", project="greeter", unit="greeter.service", host="pi"))
event, nth = sys.argv[2], int(sys.argv[3])
def killer(name, args):
    global nth
    if name == event:
        nth -= 1
        if nth == 0:
            os.kill(os.getpid(), signal.SIGKILL)
if event == "fsync":
    real = os.fsync
    def fsync(handle):
        killer("fsync", ())
        real(handle)
    os.fsync = fsync
else:
    sys.addaudithook(killer)
spool.put(Failure(id="now", project="greeter", unit="greeter.service", host="pi"))
"""


@pytest.mark.parametrize(
    ("event", "nth", "kept"),
    [("open", 1, False), ("fsync", 1, False), ("os.rename", 1, False), ("fsync", 2, True)],
)
def test_kill_9_in_the_middle_of_put_leaves_a_whole_report_or_none(
    place: Path, event: str, nth: int, kept: bool
) -> None:
    argv = [sys.executable, "-c", KILLED, str(place), event, str(nth)]
    killed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if event == "os.rename":
        assert len(list(place.glob("*.tmp"))) == 1
    spool = Spool(place)
    assert list(place.glob("*.tmp")) == []
    assert ids(spool) == (["before", "now"] if kept else ["before"])
    spool.put(failure("now"))
    assert ids(spool) == ["before", "now"]


MANY = """
import sys
from pathlib import Path
from app.core.reports import Failure
from watchers.spool import Spool
spool = Spool(Path(sys.argv[1]))
for n in range(100000):
    spool.put(Failure(id=str(n), project="greeter", unit=f"u{n}.service", host="pi", log="x" * 20000))
    print(n, flush=True)
"""


def test_kill_9_at_any_moment_loses_nothing_that_was_put(place: Path) -> None:
    for wanted in (3, 7, 20):
        folder = place / str(wanted)
        argv = [sys.executable, "-c", MANY, str(folder)]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            last = next(int(line) for line in running.stdout if int(line) >= wanted)
            running.kill()
            last = max([last, *(int(line) for line in running.stdout)])
        spool = Spool(folder)
        got = ids(spool)
        assert got[: last + 1] == [str(n) for n in range(last + 1)]
        assert len(got) <= last + 2
        assert not (folder / "unreadable").exists()


def test_a_file_says_what_it_is_in_plain_json(place: Path) -> None:
    spool = Spool(place)
    spool.put(failure("one"))
    whole = json.loads(spool.waiting()[0].read_text())
    assert whole["kind"] == "failure"
    assert whole["report"]["unit"] == "greeter.service"
