"""Writes journal files, by systemd-journal-remote from the export format."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from watchers.journal import Journal

REMOTE = "/lib/systemd/systemd-journal-remote"
UNIT = "greeter.service"
RUN, OTHER = "a" * 32, "b" * 32
FAILED = "d9b373ed55a64feb8242e02dbe79a49c"
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")


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
