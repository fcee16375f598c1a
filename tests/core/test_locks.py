import asyncio
import sys
from pathlib import Path

import pytest

from app.core import process
from app.core.errors import PimaintenoError
from app.core.locks import lock_file, locked

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(300)
"""


async def test_a_lock_is_ours_alone_until_the_block_ends(tmp_path: Path) -> None:
    with lock_file(tmp_path / "lock") as one, lock_file(tmp_path / "lock") as two:
        assert await locked(one, within_s=0)
        assert not await locked(two, within_s=0)
        assert not await locked(two, within_s=0.05)
    with lock_file(tmp_path / "lock") as three:
        assert await locked(three, within_s=0)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


async def test_who_waits_gets_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    with lock_file(tmp_path / "lock") as fd:
        async with process.start([sys.executable, "-c", HOLD, str(tmp_path / "lock")]) as other:
            assert other.stdout
            assert await other.stdout.readline() == b"held\n"
            waiting = asyncio.create_task(locked(fd, within_s=20))
            await asyncio.sleep(0)
            assert not waiting.done()
            other.kill()
            assert await waiting


def test_a_lock_is_no_link_to_elsewhere_and_its_folder_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "link", tmp_path / "gone/lock"):
        with pytest.raises(PimaintenoError, match="cannot be used"), lock_file(path):
            pass
    assert not (tmp_path / "elsewhere").exists()
