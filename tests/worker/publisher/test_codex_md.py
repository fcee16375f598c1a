"""codex.md on its way from a repository to the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core.redact import Redactor
from app.store import projects
from tests.worker.publisher.conftest import FIXED, SECRET
from worker.publisher import codex_md
from worker.publisher.codex_md import LIMIT

if TYPE_CHECKING:
    from app.core.changes import CodexMd
    from tests.worker.publisher.conftest import House


async def kept(house: House) -> CodexMd | None:
    async with house.store.read() as tx:
        return await projects.codex_md(tx, "greeter")


async def scanned(house: House) -> CodexMd | None:
    for job in await house.tick():
        await house.do(job)
    return await kept(house)


async def test_nothing_is_known_before_the_first_look_and_nothing_where_there_is_none(house: House) -> None:
    assert await kept(house) is None
    found = await scanned(house)

    assert found is not None
    assert (found.text, found.commit, found.cut) == (None, house.branches()["main"], False)


async def test_it_is_kept_when_a_run_starts_and_follows_the_default_branch(house: House) -> None:
    first = house.origin.commit({"codex.md": "# greeter\n\nGreets.\n"}, "about")
    (job,) = await house.fail()
    await house.do(job)
    found = await kept(house)
    assert found is not None
    assert (found.text, found.commit) == ("# greeter\n\nGreets.\n", first)

    house.origin.commit({"codex.md": "# greeter\n\nGreets twice.\n"}, "twice")
    again = await scanned(house)
    assert again is not None
    assert again.text == "# greeter\n\nGreets twice.\n"

    house.origin.git("rm", "--quiet", "codex.md")
    house.origin.commit({"x": "1"}, "without")
    gone = await scanned(house)
    assert gone is not None
    assert gone.text is None


async def test_it_is_read_once_for_each_commit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.origin.commit({"codex.md": "as it is\n"}, "about")
    await scanned(house)
    monkeypatch.setattr(codex_md, "fit", None)

    found = await scanned(house)

    assert found is not None
    assert found.text == "as it is\n"


async def test_secrets_and_what_tricks_a_reader_stay_out(house: House) -> None:
    house.origin.commit(
        {"codex.md": f"key {SECRET}\r\n\x1b[31mred\x00\u202e\n".encode() + b"\xff\n"}, "about"
    )

    found = await scanned(house)

    assert found is not None
    assert found.text == "key [redacted]\nred\n\ufffd\n"


async def test_a_link_is_no_codex_md(house: House) -> None:
    (house.origin.work / "codex.md").symlink_to("README.md")
    house.origin.commit({"x": "1"}, "a link")

    found = await scanned(house)

    assert found is not None
    assert found.text is None


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT + 1, 2_000_000])
def test_a_long_one_is_cut_at_the_end_of_a_line_and_says_so(size: int) -> None:
    raw = (b"0123456 a line\n" * (size // 15 + 1))[:size]

    found = codex_md.fit(raw, "c", Redactor())

    assert found.text is not None
    assert found.cut == (size > LIMIT)
    assert len(found.text.encode()) <= LIMIT
    assert raw.decode().startswith(found.text)
    if found.cut:
        assert found.text.endswith("\n")
        assert len(found.text) > LIMIT - 16


def test_one_line_without_an_end_is_cut_inside_and_no_letter_is_halved() -> None:
    found = codex_md.fit("é".encode() * LIMIT, "c", Redactor())

    assert found.text == "é" * (LIMIT // 2)
    assert found.cut


def test_a_secret_on_the_edge_of_the_cut_is_gone() -> None:
    key = "sk-proj-0123456789abcdefghijABCDEFGHIJ0123456789"
    raw = ("x" * (LIMIT - 20) + " " + key + "\n" + "y\n" * LIMIT).encode()

    found = codex_md.fit(raw, "c", Redactor([key]))

    assert found.text is not None
    assert "sk-proj" not in found.text


async def test_a_merge_of_ours_brings_the_new_one_at_once(house: House) -> None:
    await house.opened({"app.py": FIXED, "codex.md": "# new\n"})
    await house.do(await house.ask("merge"))

    found = await kept(house)

    assert found is not None
    assert (found.text, found.commit) == ("# new\n", house.branches()["main"])
