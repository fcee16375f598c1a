"""Make github.jsonl.gz: real payloads of GitHub's webhooks, one `[event, payload]` a line.

Run it by hand (`python tests/data/webhooks/make_examples.py`, needs npm); the result is in the repository.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE, VERSION = "@octokit/webhooks-examples", "7.6.1"
INTEGRITY = "sha512-De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ=="
MEMBER = "package/api.github.com/index.json"


def main() -> None:
    lines = [
        json.dumps([event["name"], example], ensure_ascii=False, separators=(",", ":"))
        for event in json.loads(_fetched())
        for example in event["examples"]
    ]
    packed = gzip.compress("".join(f"{line}\n" for line in lines).encode(), 9, mtime=0)
    Path(__file__).with_name("github.jsonl.gz").write_bytes(packed)
    print(f"{len(lines)} payloads, {len(packed)} bytes")


def _fetched() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True)
        (packed,) = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise SystemExit(f"{PACKAGE}@{VERSION} is not what it was: sha512-{digest}")
        with tarfile.open(packed) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None
            return member.read()


if __name__ == "__main__":
    main()
