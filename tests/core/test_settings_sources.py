"""Where settings come from: variables, the file that is looked up, files with secrets."""

from pathlib import Path

import pytest

from app.core.errors import ConfigurationError
from app.core.settings import GitHubForge, load
from tests.core.conftest import HUB, LOCAL, read, wrong


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        f"{LOCAL}[web]\nport = 1\n[codex]\nmodel = 'kept'\n[forges.my-hub]\nkind = 'github'\ntoken = 'old'\n",
        PIMAINTENO_WEB__PORT="2",
        PIMAINTENO_CODEX__TIMEOUT_S="1.5",
        PIMAINTENO_WATCH__TICKS="off",
        PIMAINTENO_FORGES__MY_HUB__TOKEN="12345678",  # digits stay a string
        PIMAINTENO_PROJECTS__GREETER__CHECKS='["make test"]',
        PIMAINTENO_CONFIG="is no setting",
    )
    hub = settings.forges["my-hub"]
    assert isinstance(hub, GitHubForge)
    assert hub.token.get_secret_value() == "12345678"
    assert (settings.web.port, settings.codex.timeout_s, settings.watch.ticks) == (2, 1.5, False)
    assert settings.codex.model == "kept"
    assert settings.projects["greeter"].checks == ("make test",)


def test_variables_alone_are_enough(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "PIMAINTENO_STATE_DIR": "state", "PIMAINTENO_WEB__TOKENS__CI__TOKEN": "abc"}
    settings = load(env=env, cwd=tmp_path)
    assert settings.source is None
    assert settings.state_dir == tmp_path / "state"
    assert settings.web.tokens["ci"].token.get_secret_value() == "abc"


def test_without_file_and_variables_the_error_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(env={"HOME": str(tmp_path / "home")}, cwd=tmp_path)
    for place in (tmp_path, tmp_path / "home/.config/pimainteno", Path("/etc/pimainteno")):
        assert str(place / "pimainteno.toml") in str(caught.value)


def test_the_file_is_looked_up_in_order(tmp_path: Path) -> None:
    home = tmp_path / "home"
    places = [
        home / ".config/pimainteno/pimainteno.toml",
        tmp_path / "pimainteno.toml",
        tmp_path / "named.toml",
        tmp_path / "given.toml",
    ]
    env = {"HOME": str(home)}
    for port, place in enumerate(places, start=1):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"[web]\nport = {port}\n")
    assert (
        load(Path("given.toml"), env={**env, "PIMAINTENO_CONFIG": "named.toml"}, cwd=tmp_path).web.port == 4
    )
    assert load(env={**env, "PIMAINTENO_CONFIG": "named.toml"}, cwd=tmp_path).web.port == 3
    assert load(env=env, cwd=tmp_path).web.port == 2
    places[1].unlink()
    assert load(env=env, cwd=tmp_path).web.port == 1


def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(ConfigurationError) as caught:
            load(path, env={}, cwd=tmp_path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    bad, binary = tmp_path / "bad.toml", tmp_path / "binary.toml"
    bad.write_text("[web\nport = 1")
    binary.write_bytes(b"\xff\xfe")
    assert (
        said(tmp_path / "gone.toml")
        == f"{tmp_path}/gone.toml: there is no such file; a TOML file is expected"
    )
    assert said(tmp_path).startswith(f"{tmp_path}: cannot be read (Is a directory)")
    assert said(bad).startswith(f"{bad}: is no valid TOML (")
    assert said(binary) == f"{binary}: is no UTF-8 text; a TOML file is expected"


def test_a_secret_can_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/key").write_text("from-the-file\r\n")
    (tmp_path / "hook").write_text("two\nlines\n")
    (tmp_path / "redis").write_text("redis://:pass%2Fword@10.0.0.1\n")
    settings = read(
        tmp_path,
        f"redis_url_file = '{tmp_path}/redis'\n[codex]\napi_key_file = 'key'\n{HUB}webhook_secret = 'old'",
        PIMAINTENO_FORGES__HUB__WEBHOOK_SECRET_FILE="hook",
    )
    hub = settings.forges["hub"]
    assert isinstance(hub, GitHubForge)
    assert settings.codex.api_key.get_secret_value() == "from-the-file"
    assert hub.webhook_secret.get_secret_value() == "two\nlines"
    assert settings.redis_url == "redis://:pass%2Fword@10.0.0.1"
    assert {tmp_path / "conf/key", tmp_path / "hook", tmp_path / "redis"} < set(settings.closed_paths())
    assert settings.secrets() == ("from-the-file", "pass%2Fword", "pass/word", "two\nlines")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "api_key_file = 'gone'",
            "a readable file is expected, DIR/conf/gone is not (No such file or directory)",
        ),
        ("api_key_file = 'empty'", "a file with a secret is expected, DIR/conf/empty is empty"),
        ("api_key_file = 3", "the path of a file is expected"),
        ("api_key_file = 'full'\napi_key = 'x'", "either api_key or api_key_file is expected, not both"),
    ],
)
def test_a_secret_file_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/empty").write_text("\n")
    (tmp_path / "conf/full").write_text("x\n")
    assert wrong(tmp_path, f"[codex]\n{text}") == f"DIR/conf/pimainteno.toml: codex.api_key_file: {line}"


def test_empty_secret_files_and_secrets_stand_for_none(tmp_path: Path) -> None:
    settings = read(tmp_path, "[codex]\napi_key = 'k3y'\napi_key_file = ''\n[web.tokens.a]\ntoken = ''")
    assert settings.secrets() == ("k3y",)


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    text = f"redis_url='redis://:abc1@x'\n[codex]\napi_key='abc2'\n{HUB}token='abc3'\n[web.tokens.a]\ntoken='abc4'"
    settings = read(tmp_path, text)
    assert len(settings.secrets()) == 4
    for shown in (repr(settings), str(settings), repr(settings.forges), f"{settings.codex}"):
        assert "abc" not in shown
    assert "abc" not in wrong(tmp_path, text + "\nrole='abc5'")
    assert "abc" not in wrong(tmp_path, "[codex]\napi_key=['abc6']")
