"""Mistakes in settings: each is one line that names its file and key, or its variable."""

from pathlib import Path

import pytest

from tests.core.conftest import HUB, LOCAL, wrong


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("stat_dir = 'x'", "stat_dir: unknown key; did you mean state_dir?"),
        ("[web]\nzzz = 1", "web.zzz: unknown key; known here: host, login, oauth, port, proxy, tokens"),
        (f"{LOCAL}check = []", "projects.greeter.check: unknown key; did you mean checks?"),
        (HUB + "url = 'https://x.example'", "forges.hub.url: unknown key; did you mean api_url?"),
        ("[web]\nport = '8300'", "web.port: a whole number is expected"),
        ("[web]\nport = true", "web.port: a whole number is expected"),
        ("[web]\nport = 70000", "web.port: a number less than or equal to 65535 is expected"),
        ("web = 3", "web: a table is expected"),
        ("web.tokens = []", "web.tokens: a table is expected"),
        ("web.tokens.ci = 'x'", "web.tokens.ci: a table is expected"),
        ("state_dir = 3", "state_dir: a path is expected"),
        ("[watch]\nticks = 'no'", "watch.ticks: true or false is expected"),
        ("[watch]\nscan_at = '25:00'", "watch.scan_at: a time of day such as 03:30 is expected"),
        ("[watch]\nbus = 'session'", "watch.bus: 'system', 'user' or a D-Bus address"),
        ("[codex]\ntimeout_s = 'long'", "codex.timeout_s: a number is expected"),
        ("[codex]\ntimeout_s = 0", "codex.timeout_s: a number greater than 0 is expected"),
        ("[codex]\nmodel = ''", "codex.model: a text that is not empty is expected"),
        ("[codex]\napi_key = 7", "codex.api_key: a string is expected"),
        (
            "[codex]\nbase_url = 'http://example.com/v1'",
            "codex.base_url: https:// is expected: http:// is acc",
        ),
        ("[codex]\nbase_url = 'http://127.0.0.1.evil.example'", "codex.base_url: https:// is expected"),
        ("[codex]\nbase_url = 'https://me:pw@example.com'", "codex.base_url: a URL without a user name"),
        ("[codex]\nbase_url = 'example.com'", "codex.base_url: a URL with https:// is expected"),
        ("[codex]\nbase_url = 'https://[bad'", "codex.base_url: a URL with https:// is expected"),
        (HUB + "api_url = 'http://git.example'", "forges.hub.api_url: https:// is expected"),
        ("[web.tokens.CI]\ntoken='x'", "web.tokens.CI: a name of a-z, 0-9 and '-' is expected"),
        (f"[forges.{'x' * 41}]\nkind='local'", f"forges.{'x' * 41}: a name of a-z"),
        (
            "[web.tokens.ci]\nrole='root'",
            "web.tokens.ci.role: 'viewer', 'operator' or 'administrator' is exp",
        ),
        ("[forges.hub]\ntoken='x'", "forges.hub: a kind is expected: 'github', 'gitlab' or 'local'"),
        ("[forges.hub]\nkind='gitea'", "forges.hub: a kind is expected: 'github', 'gitlab' or 'local'"),
        (HUB + "app_id = 12", "forges.hub: app_id and private_key are expected together"),
        (HUB + "app_id=1\nprivate_key='k'", "forges.hub: private_key: the .pem file that GitHub made"),
        (HUB + "app_id=1\nprivate_key='k'\ntoken='t'", "forges.hub: either token, or app_id and private_key"),
        (
            "[forges.lab]\nkind='gitlab'\nsigning_token='whsec_!'",
            "forges.lab.signing_token: whsec_ and base64 is expected",
        ),
        (HUB + "[projects.x]\nforge='hub'", "projects.x.repo: is missing and has no default"),
        (HUB + "[projects.x]\nforge='hub'\nrepo='greeter'", "projects.x.repo: owner/name is expected"),
        (HUB + "[projects.x]\nforge='hub'\nrepo='../up'", "projects.x.repo: owner/name is expected"),
        (
            HUB + "[projects.x]\nforge='lab'\nrepo='a/b'",
            "projects.x.forge: the name of a forge is expected; known",
        ),
        (f"{LOCAL}units = 'a.service'", "projects.greeter.units: a list of strings is expected"),
        (f"{LOCAL}units = [1]", "projects.greeter.units[0]: a string is expected"),
        (f"{LOCAL}units = ['greeter']", "projects.greeter.units[0]: a unit name or pattern with its suffix"),
        (f"{LOCAL}units = ['a b.service']", "projects.greeter.units[0]: a unit name or pattern"),
        (
            f"{LOCAL}branch = '--upload-pack=x'",
            "projects.greeter.branch: the name of a git branch is expected",
        ),
        (f"{LOCAL}branch = 'a..b'", "projects.greeter.branch: the name of a git branch is expected"),
        (f"{LOCAL}share_log = 'maybe'", "projects.greeter.share_log: 'auto', 'yes' or 'no' is expected"),
        (
            f"{LOCAL}clone_url = 'http://git.example/a'",
            "projects.greeter.clone_url: file:// or https:// or ssh",
        ),
        (f"{LOCAL}clone_url = 'ext::sh -c x'", "projects.greeter.clone_url: a URL with file:// or https://"),
        ("[commit]\nname = 'A <b>'", "commit.name: one line of text without < and > is expected"),
        ("redis_url = 'localhost:6379'", "redis_url: a URL with redis://, rediss:// or unix:// is expected"),
        ("database_url = 'mysql://x'", "database_url: a URL with postgresql:// or sqlite:// is expected"),
        ("public_url = 'pi.local'", "public_url: a URL with https:// or http:// is expected"),
        ("[web]\nport = 'x'\nhost = 3", "web.host: a string is expected (and 1 more)"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_file_and_key(tmp_path: Path, text: str, line: str) -> None:
    said = wrong(tmp_path, text)
    assert said.startswith(f"DIR/conf/pimainteno.toml: {line}"), said


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"PIMAINTENO_WEB__PORT": "many"}, "PIMAINTENO_WEB__PORT: a whole number is expected"),
        ({"PIMAINTENO_WEB__PORT": "-1"}, "PIMAINTENO_WEB__PORT: a number greater than or equal to 0 is exp"),
        ({"PIMAINTENO_WATCH__TICKS": "si"}, "PIMAINTENO_WATCH__TICKS: true or false is expected"),
        ({"PIMAINTENO_CODEX__TIMEOUT_S": ""}, "PIMAINTENO_CODEX__TIMEOUT_S: a number is expected"),
        ({"PIMAINTENO_STATEDIR": "x"}, "PIMAINTENO_STATEDIR: unknown key; did you mean state_dir?"),
        ({"PIMAINTENO_WEB": "{}"}, "PIMAINTENO_WEB: web is a table; PIMAINTENO_WEB__KEY is expected"),
        ({"PIMAINTENO_FORGES__HUB": "{}"}, "PIMAINTENO_FORGES__HUB: forges.hub is a table"),
        ({"PIMAINTENO_WEB__PORT__X": "1"}, "PIMAINTENO_WEB__PORT__X: unknown key; web.port holds a value"),
        ({"PIMAINTENO_WEB__PORT_FILE": "x"}, "PIMAINTENO_WEB__PORT_FILE: unknown key; did you mean port?"),
        (
            {"PIMAINTENO_PROJECTS__GREETER__UNITS": "a.service"},
            "PIMAINTENO_PROJECTS__GREETER__UNITS: a JSON list",
        ),
        (
            {"PIMAINTENO_PROJECTS__GREETER__FORGE": "lab"},
            "PIMAINTENO_PROJECTS__GREETER__FORGE: the name of a forge",
        ),
        (
            {"PIMAINTENO_PROJECTS__GREETER__BRANCH": "-x"},
            "PIMAINTENO_PROJECTS__GREETER__BRANCH: the name of a git",
        ),
        (
            {"PIMAINTENO_CODEX__API_KEY_FILE": "nokey"},
            "PIMAINTENO_CODEX__API_KEY_FILE: a readable file is expected",
        ),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(
    tmp_path: Path, variables: dict[str, str], line: str
) -> None:
    said = wrong(tmp_path, LOCAL, **variables)
    assert said.startswith(line), said
