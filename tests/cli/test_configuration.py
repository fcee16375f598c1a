"""Where commands find their configuration, and what they say of a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Command


async def test_config_stands_before_or_after_the_command(command: Command) -> None:
    file = str(command.config)
    for arguments in (["--config", file, "projects"], ["projects", "--config", file]):
        ended = await command.run(*arguments, config=False)
        assert ended.code == 0, ended.err
        assert "greeter" in ended.out


async def test_the_later_config_wins(command: Command) -> None:
    ended = await command.run(
        "--config", "/nowhere.toml", "projects", "--config", str(command.config), config=False
    )
    assert ended.code == 0, ended.err


async def test_a_wrong_configuration_is_one_line(command: Command) -> None:
    command.config.write_text("colour = 1\n")
    for arguments in (["projects"], ["up"], ["web"], ["worker"], ["watch"], ["fix", "a", "--unit", "b"]):
        ended = await command.run(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith(f"pimainteno: {command.config}: colour")
        assert ended.err.count("\n") == 1


async def test_without_any_configuration_it_says_where_it_looked(command: Command) -> None:
    command.config.unlink()
    ended = await command.run("projects", config=False)
    assert ended.code == 2
    assert ".config/pimainteno/pimainteno.toml" in ended.err
