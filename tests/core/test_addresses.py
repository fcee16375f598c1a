from __future__ import annotations

from pathlib import Path

import pytest

from app.core.addresses import SOCKETS, passwords_in, socket_folders


@pytest.mark.parametrize(
    ("url", "passwords"),
    [
        ("", []),
        ("sqlite:////srv/x.db", []),
        ("postgresql://me@host/db", []),
        ("postgresql://me:hunter2@host:5432/db?sslmode=require", ["hunter2"]),
        ("postgres://me:a%2Fb@host/db", ["a%2Fb"]),
        ("postgresql+psycopg://me:a/b#c@host/db", ["a/b#c"]),
        ("postgresql://me@/db?host=/run/x&password=hunter2&sslpassword=hunter3", ["hunter2", "hunter3"]),
        ("redis://:hunter2@host:6379/0", ["hunter2"]),
        ("unix:///run/r.sock?password=hunter2", ["hunter2"]),
    ],
)
def test_passwords(url: str, passwords: list[str]) -> None:
    assert passwords_in(url) == passwords


@pytest.mark.parametrize(
    ("url", "folders"),
    [
        ("", []),
        ("sqlite:////srv/x.db", []),
        ("redis://host", []),
        ("postgresql://me@host/db", []),
        ("postgresql:///db", [SOCKETS]),
        ("postgresql://me:secret@/db?sslmode=disable", [SOCKETS]),
        ("postgresql://me@/db?host=/srv/sockets", [Path("/srv/sockets")]),
        ("postgresql://me@%2Fsrv%2Fsockets/db", [Path("/srv/sockets")]),
        ("postgres://me@/db?host=db1,/srv/sockets", [Path("/srv/sockets")]),
    ],
)
def test_folders_of_sockets(url: str, folders: list[Path]) -> None:
    assert socket_folders(url) == folders
