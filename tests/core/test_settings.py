"""What settings hold: the whole contract and its defaults, paths, the database, projects."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.errors import NotFoundError
from app.core.settings import GitHubForge, GitLabForge, LocalForge, Settings
from tests.core.conftest import HUB, LOCAL, read

FULL = """
state_dir = ""
redis_url = ""
database_url = ""
public_url = "http://127.0.0.1:8300"

[web]
host = "127.0.0.1"
port = 8300

[web.tokens.ci]
token = ""
role = "viewer"

[codex]
command = ""
base_url = "https://api.openai.com/v1"
model = "gpt-5.5"
api_key = ""
timeout_s = 1800
idle_s = 300
token_limit = 400000
daily_token_limit = 4000000

[watch]
bus = "system"
settle_s = 30
scan_at = "03:30"
ticks = true

[limits]
open_proposals = 10
proposals_per_hour = 2
max_files = 100
max_patch_bytes = 4194304

[commit]
name = "PiMainteno"
email = "pimainteno@localhost"

[forges.hub]
kind = "github"
api_url = "https://api.github.com"
token = ""
webhook_secret = ""
ca_file = ""

[forges.lab]
kind = "gitlab"
url = "https://gitlab.com"
token = ""
webhook_secret = ""
signing_token = ""
ca_file = ""

[forges.here]
kind = "local"

[projects.greeter]
forge = "hub"
repo = "me/greeter"
clone_url = ""
branch = ""
path = ""
units = ["greeter.service", "greeter-*.timer"]
prepare = []
checks = [".venv/bin/pytest -q"]
check_network = false
check_timeout_s = 600
draft = true
share_log = "auto"
reviewers = []
assignees = []
labels = ["pimainteno"]
"""


def test_every_key_of_the_contract_is_known_and_says_the_default(tmp_path: Path) -> None:
    full = read(tmp_path, FULL)
    minimal = read(
        tmp_path,
        "[web.tokens.ci]\n[forges.hub]\nkind='github'\n[forges.lab]\nkind='gitlab'\n[forges.here]\nkind='local'\n"
        "[projects.greeter]\nforge='hub'\nrepo='me/greeter'\n"
        "units=['greeter.service', 'greeter-*.timer']\nchecks=['.venv/bin/pytest -q']\n",
    )
    assert full == minimal
    assert full.codex.timeout_s == 1800
    assert full.worker.lease_s == 30
    assert full.projects["greeter"].labels == ("pimainteno",)
    assert isinstance(full.forges["hub"], GitHubForge)
    assert isinstance(full.forges["lab"], GitLabForge)
    assert isinstance(full.forges["here"], LocalForge)
    assert full.source == tmp_path / "conf/pimainteno.toml"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "DIR/home/.local/state/pimainteno"),
        ({"XDG_STATE_HOME": "/x"}, "/x/pimainteno"),
        ({"XDG_STATE_HOME": "not/absolute"}, "DIR/home/.local/state/pimainteno"),
        ({"XDG_STATE_HOME": "/x", "STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
        ({"STATE_DIRECTORY": "/var/lib/a", "PIMAINTENO_STATE_DIR": "/mine"}, "/mine"),
    ],
)
def test_state_dir_has_a_default(tmp_path: Path, variables: dict[str, str], expected: str) -> None:
    settings = read(tmp_path, "state_dir = ''", **variables)
    assert str(settings.state_dir).replace(str(tmp_path), "DIR") == expected
    assert settings.paths.root == settings.state_dir


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    text = f"state_dir = 'state'\n{LOCAL}path = '~/greeter'\n{HUB}ca_file = '../ca.pem'"
    settings = read(tmp_path, text)
    hub = settings.forges["hub"]
    assert isinstance(hub, GitHubForge)
    assert settings.state_dir == tmp_path / "conf/state"
    assert settings.project("greeter").repo == str(tmp_path / "conf/repos/greeter.git")
    assert settings.project("greeter").path == tmp_path / "home/greeter"
    assert hub.ca_file == tmp_path / "conf/../ca.pem"
    moved = read(tmp_path, text, PIMAINTENO_PROJECTS__GREETER__REPO="other.git")
    assert moved.project("greeter").repo == str(tmp_path / "other.git")


def test_closed_paths_name_all_that_untrusted_work_must_not_see(tmp_path: Path) -> None:
    text = f"redis_url='unix:///run/r.sock?db=1'\ndatabase_url='sqlite:///{tmp_path}/x.db'\n{LOCAL}path='/srv/greeter'"
    settings = read(tmp_path, text)
    assert set(settings.closed_paths()) == {
        Path("/etc/pimainteno"),
        settings.state_dir,
        tmp_path / "conf/pimainteno.toml",
        tmp_path / "conf/repos/greeter.git",
        Path("/srv/greeter"),
        tmp_path / "x.db",
        tmp_path / "x.db-wal",
        tmp_path / "x.db-shm",
        tmp_path / "x.db.next-writer",
        tmp_path / "x.db.writers",
        tmp_path / "x.db.lock",
        Path("/run/r.sock"),
    }


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("", "sqlite+aiosqlite:///DIR/state/pimainteno.sqlite3"),
        ("postgresql://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql+asyncpg://u@h/d", "postgresql+psycopg://u@h/d"),
        (
            "postgres://u@h/d?timeout=3&sslmode=require",
            "postgresql+psycopg://u@h/d?timeout=3&sslmode=require",
        ),
        ("sqlite:////srv/x.db", "sqlite+aiosqlite:////srv/x.db"),
    ],
)
def test_the_database_url_has_the_driver_of_the_store(tmp_path: Path, given: str, used: str) -> None:
    settings = read(tmp_path, f"state_dir='{tmp_path}/state'\ndatabase_url='{given}'")
    assert settings.database_url_effective.replace(
        str(tmp_path), "/DIR" if not given else "DIR"
    ) == used.replace("///DIR", "////DIR")


def test_the_password_of_a_database_is_a_secret_from_a_file_too(tmp_path: Path) -> None:
    url = "postgresql://me:hunter%2F2@/db?host=/srv/sockets"
    (tmp_path / "url").write_text(f"{url}\n")
    given = read(tmp_path, f"state_dir='{tmp_path}/state'\ndatabase_url='{url}'")
    settings = read(tmp_path, f"state_dir='{tmp_path}/state'\ndatabase_url_file='{tmp_path}/url'")
    assert settings.database_url == given.database_url == url
    assert set(settings.secrets()) == set(given.secrets()) == {"hunter%2F2", "hunter/2"}
    assert "hunter" not in repr(settings)
    assert Path("/srv/sockets") in settings.closed_paths()


def test_projects_are_found_by_name_and_by_unit(tmp_path: Path) -> None:
    settings = read(
        tmp_path, f"{FULL}\n[projects.other]\nforge='here'\nrepo='/x'\nunits=['greeter-a.*', '*.socket']"
    )
    assert settings.project("other").repo == "/x"
    assert isinstance(settings.forge_of("other"), LocalForge)
    assert settings.project_of_unit("greeter.service") == ["greeter"]
    assert settings.project_of_unit("greeter-a.timer") == ["greeter", "other"]
    assert settings.project_of_unit("x.service") == []
    with pytest.raises(NotFoundError, match="there is no project 'gone'; known projects: greeter, other"):
        settings.project("gone")


def test_a_host_that_only_watches_needs_no_forge(tmp_path: Path) -> None:
    text = "redis_url='redis://10.0.0.1'\n[projects.x]\nforge='hub'\nrepo='me/x'\nunits=['x.service']"
    settings = read(tmp_path, text)
    assert settings.project_of_unit("x.service") == ["x"]
    with pytest.raises(NotFoundError, match=r"there is no \[forges.hub\]"):
        settings.forge_of("x")


def test_settings_are_frozen_and_made_directly_read_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIR", "/elsewhere")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    settings = Settings(state_dir=tmp_path)
    assert (settings.state_dir, settings.redis_url) == (tmp_path, "")
    with pytest.raises(ValueError, match="frozen"):
        settings.redis_url = "x"  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        settings.codex.api_key = SecretStr("x")  # type: ignore[misc]


def test_the_page_is_where_the_port_says_unless_its_address_is_given(tmp_path: Path) -> None:
    assert read(tmp_path, "").public_url == "http://127.0.0.1:8300"
    assert read(tmp_path, "[web]\nport = 8400").public_url == "http://127.0.0.1:8400"
    assert read(tmp_path, "", PIMAINTENO_WEB__PORT="8401").public_url == "http://127.0.0.1:8401"
    given = read(tmp_path, "public_url = 'https://pm.example'\n[web]\nport = 8400")
    assert given.public_url == "https://pm.example"
    assert read(tmp_path, "[web]\nport = 0").public_url == "http://127.0.0.1:8300"
