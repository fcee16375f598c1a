"""The secrets that the command has made: kept whole, for their owner alone, and seen by who runs already."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from app.core import hooks
from app.core.errors import PimaintenoError
from app.core.redact import Redactor
from tests.core.conftest import read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.core.settings import Settings

CONFIGURATION = """
[forges.hub]
kind = "github"
webhook_secret = "configured-0123456789"
[forges.lab]
kind = "gitlab"
[projects.a]
forge = "hub"
repo = "me/a"
[projects.b]
forge = "lab"
repo = "me/b"
[projects.c]
forge = "hub"
repo = "me/c"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read(tmp_path, CONFIGURATION)


def modes(folder: Path) -> list[str]:
    return [oct(path.stat().st_mode & 0o777) for path in (folder, *sorted(folder.iterdir()))]


def test_a_secret_is_kept_for_its_owner_alone_and_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "state/hooks"
    assert hooks.kept(folder, "a") == ""
    assert not hooks.forget(folder, "a")
    hooks.keep(folder, "a", "one")
    hooks.keep(folder, "a", "two")
    assert hooks.kept(folder, "a") == "two"
    assert modes(folder) == ["0o700", "0o600"]
    assert hooks.forget(folder, "a")
    assert hooks.kept(folder, "a") == ""
    assert list(folder.iterdir()) == []


def test_what_a_crash_left_is_in_nobodys_way(tmp_path: Path) -> None:
    tmp_path.joinpath(".a").symlink_to(tmp_path / "elsewhere")
    hooks.keep(tmp_path, "a", "one")
    assert hooks.kept(tmp_path, "a") == "one"
    assert not tmp_path.joinpath("elsewhere").exists()


def test_a_place_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("")
    with pytest.raises(PimaintenoError, match=r"cannot be written .*: check state_dir"):
        hooks.keep(folder, "a", "one")
    tmp_path.joinpath("b").mkdir()
    with pytest.raises(PimaintenoError, match="cannot be read"):
        hooks.kept(tmp_path, "b")
    with pytest.raises(PimaintenoError, match="cannot be deleted"):
        hooks.forget(tmp_path, "b")


def test_who_runs_sees_what_changes(settings: Settings) -> None:
    folder, learned = settings.paths.hooks, list[str]()

    def learn(secrets: Iterable[str]) -> None:
        learned.extend(secrets)

    kept = hooks.Kept(settings, learn)
    assert kept.of("hub") == ()
    folder.mkdir(parents=True)
    tick = time.time_ns()
    for number in range(3):
        hooks.keep(folder, "a", f"a{number}")
        os.utime(folder, ns=(tick, tick))  # one change follows another within a tick of the clock
        assert kept.of("hub") == (f"a{number}",)
        assert learned[-1] == f"a{number}"
    hooks.keep(folder, "b", "b")
    hooks.keep(folder, "c", "c")
    hooks.keep(folder, "gone", "of a project that is not configured any more")
    assert (kept.of("hub"), kept.of("lab"), kept.of("else")) == (("a2", "c"), ("b",), ())
    hooks.forget(folder, "a")
    assert kept.of("hub") == ("c",)


def test_what_has_not_changed_for_a_while_is_not_read_again(settings: Settings) -> None:
    folder, learned = settings.paths.hooks, list[str]()
    hooks.keep(folder, "a", "one")
    os.utime(folder, (1e9, 1e9))
    kept = hooks.Kept(settings, learned.extend)
    assert [kept.of("hub") for _ in range(3)] == [("one",)] * 3
    assert learned == ["one"]
    hooks.keep(folder, "a", "two")
    assert kept.of("hub") == ("two",)


def test_a_file_that_cannot_be_read_keeps_no_other_from_counting(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    hooks.keep(settings.paths.hooks, "c", "c")
    settings.paths.hooks.joinpath("a").mkdir()
    assert hooks.Kept(settings, lambda _: None).of("hub") == ("c",)
    assert "project=a" in capsys.readouterr().err


def test_the_configured_secret(settings: Settings) -> None:
    assert hooks.configured(settings.forges["hub"]) == "configured-0123456789"
    assert hooks.configured(settings.forges["lab"]) == ""


def test_a_redactor_learns() -> None:
    redactor = Redactor(["known-0123456789"])
    redactor.learn(["learned-0123456789"])
    redactor.learn([])
    assert redactor.text("known-0123456789 learned-0123456789") == "[redacted] [redacted]"
    assert redactor.findings("learned-0123456789") == ["configured secret"]
