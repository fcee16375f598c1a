import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from app.core.settings import Settings, load
from app.core.settings_sections import (
    CodexSettings,
    CommitSettings,
    FileToo,
    GitHubForge,
    GitLabForge,
    LimitSettings,
    LocalForge,
    PriceSettings,
    ProjectSettings,
    WatchSettings,
    WorkerSettings,
)
from app.core.settings_web import WebOAuth, WebProxy, WebSettings, WebToken, WebUser

TEXT = Path(__file__).parents[2].joinpath("docs/configuration.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "Top level": Settings,
    "`[web]`": WebSettings,
    "`[web.tokens.NAME]`": WebToken,
    "`[web.users.NAME]`": WebUser,
    "`[web.oauth.NAME]`": WebOAuth,
    "`[web.proxy]`": WebProxy,
    "`[codex]`": CodexSettings,
    "`[prices.MODEL]`": PriceSettings,
    "`[watch]`": WatchSettings,
    "`[limits]`": LimitSettings,
    "`[commit]`": CommitSettings,
    "`[worker]`": WorkerSettings,
    '`[forges.NAME]` with `kind = "local"`': LocalForge,
    '`[forges.NAME]` with `kind = "github"`': GitHubForge,
    '`[forges.NAME]` with `kind = "gitlab"`': GitLabForge,
    "`[projects.NAME]`": ProjectSettings,
}
TABLES = {
    "web",
    "codex",
    "prices",
    "watch",
    "limits",
    "commit",
    "worker",
    "forges",
    "projects",
    "tokens",
    "users",
    "oauth",
    "proxy",
}
"""Keys that hold a section; each has a heading of its own."""


def rows(heading: str) -> dict[str, tuple[tuple[str, ...], str]]:
    """Read a section's table: key -> (all its spellings, default)."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    names = [tuple(re.findall(r"`([^`]+)`", row[0])) for row in cells]
    return {spelt[0]: (spelt, row[2].strip().strip("`")) for spelt, row in zip(names, cells, strict=True)}


def default(field: FieldInfo) -> Any:
    if isinstance(field.default, SecretStr):
        return field.default.get_secret_value()
    if isinstance(field.default, tuple):
        return list(field.default)
    return "" if field.default is None else field.default


@pytest.mark.parametrize("heading", SECTIONS)
def test_reference_lists_every_key_with_its_default_and_its_secret_file(heading: str) -> None:
    fields = {name: field for name, field in SECTIONS[heading].model_fields.items() if name not in TABLES}
    listed = rows(heading)

    assert set(listed) == set(fields)
    for name, (spelt, shown) in listed.items():
        field = fields[name]
        also = [f"{name}_file"] if any(isinstance(each, FileToo) for each in field.metadata) else []
        assert [*spelt] == [name, *also]
        if name != "state_dir":  # required of the model, and found by `load`
            assert (shown == "required") == field.is_required(), name
        if shown != "required":
            expected = "" if name == "state_dir" else default(field)
            assert tomllib.loads(f"x = {shown}")["x"] == expected, name


def test_reference_has_a_heading_for_every_section() -> None:
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)

    assert set(SECTIONS) == {each for each in headings if each.startswith("`[") or each == "Top level"}


def test_the_example_of_the_reference_is_a_valid_configuration(tmp_path: Path) -> None:
    example = TEXT.split("```toml\n")[1].split("```")[0]
    key = tmp_path / "key"
    key.write_text("sk-example\n")
    config = tmp_path / "pimainteno.toml"
    config.write_text(re.sub(r'(api_key_file = )".*"', rf'\1"{key}"', example))

    settings = load(config, env={"HOME": str(tmp_path)}, cwd=tmp_path)

    assert settings.project_of_unit("greeter.service") == ["greeter"]


def test_the_variables_of_the_reference_are_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sk-example")
    shown = re.findall(r"`(PIMAINTENO_[A-Z_]+)=([^`]+)`", TEXT)
    env = {name: value.strip("'") for name, value in shown} | {"HOME": str(tmp_path)}
    env["PIMAINTENO_CODEX__API_KEY_FILE"] = str(secret)
    env |= {
        "PIMAINTENO_FORGES__HERE__KIND": "local",
        "PIMAINTENO_PROJECTS__WEB_SHOP__FORGE": "here",
        "PIMAINTENO_PROJECTS__WEB_SHOP__REPO": str(tmp_path),
    }

    settings = load(env=env, cwd=tmp_path)

    assert (settings.web.port, settings.project("web-shop").units) == (8400, ("web-shop.service",))
    assert settings.codex.api_key.get_secret_value() == "sk-example"
