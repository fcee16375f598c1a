import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "deploy").glob("*.sh"))
NEEDED = ["bash", "cat", "dirname", "env", "grep"]
FAKE_PYTHON = "#!/bin/sh\necho '{}'\n"
GOOD_PYTHON = "3.11 x86_64 64 glibc yes"
QUICK_PYTHON = """#!/bin/sh
if [ "$1 $2" != "-m venv" ]; then exec {python} "$@"; fi
{python} -m venv --without-pip "$3" && cd "$3"/lib/python*/site-packages && ln -s {pip} pip
"""
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "pimainteno-0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        info = "pimainteno-0.dist-info"
        wheel.writestr("tiny.py", "def main(): print('started')")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: pimainteno\\nVersion: 0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\\npimainteno = tiny:main\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name

build_wheel = build_editable
"""


def run(
    *command: str | Path, at: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command],
        cwd=at,
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with our setup script and a project so small that its installation takes a moment."""
    made = tmp_path / "a check'out"
    (made / "deploy").mkdir(parents=True)
    for script in SCRIPTS:
        shutil.copy(script, made / "deploy")
    (made / "backend.py").write_text(BACKEND)
    (made / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'pimainteno'\nversion = '0'\n"
    )
    for lock in ("requirements.lock", "requirements-dev.lock"):
        (made / lock).write_text("# nothing\n")
    return made


@pytest.fixture
def quick(tmp_path: Path) -> dict[str, str]:
    """The environment, with a python3 whose new environments borrow our pip: unpacking one takes seconds."""
    folder = tmp_path / "quick"
    folder.mkdir()
    pip = Path(sysconfig.get_path("purelib"), "pip")
    executable(folder / "python3", QUICK_PYTHON.format(python=shlex.quote(sys.executable), pip=pip))
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with the few commands that the setup script itself needs, and a Python that is good enough."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(shutil.which(name) or name)
    executable(folder / "python3", FAKE_PYTHON.format(GOOD_PYTHON))
    return folder


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci/run"], ids=lambda script: script.name)
def test_script_is_valid_and_stops_at_the_first_error(script: Path) -> None:
    assert run("bash", "-n", script, at=ROOT).stderr == ""
    assert "set -euo pipefail" in script.read_text()


def test_ci_runs_the_test_script_and_nothing_else() -> None:
    lines = ROOT.joinpath(".ci/run").read_text().splitlines()

    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert [line for line in lines if not line.startswith(("#", "set ", "cd "))] == [
        "exec bash deploy/test.sh"
    ]


def test_setup_installs_then_only_looks_and_heals_an_interrupted_run(
    checkout: Path, quick: dict[str, str]
) -> None:
    setup = ("bash", "deploy/setup.sh", "run")

    first = run(*setup, at=checkout, env=quick)
    assert first.returncode == 0, first.stderr
    started = run(".venv/bin/pimainteno", at=checkout)
    second = run(*setup, at=checkout, env=quick)
    test_task = run("bash", "deploy/setup.sh", "test", at=checkout, env=quick)
    (checkout / ".venv/.unfinished").touch()
    (checkout / ".venv/half-made").touch()
    healed = run(*setup, at=checkout, env=quick)

    assert started.stdout == "started\n"
    assert "installing" in first.stderr
    assert (second.returncode, second.stderr) == (0, "setup: ready: .venv/bin/pimainteno\n")
    assert (test_task.returncode, "requirements-dev.lock" in test_task.stderr) == (0, True), test_task.stderr
    assert (healed.returncode, "did not finish" in healed.stderr) == (0, True), healed.stderr
    assert run(".venv/bin/pimainteno", at=checkout).stdout == "started\n"
    assert not (checkout / ".venv/half-made").exists()


def test_setup_installs_again_when_the_lock_changes(checkout: Path, quick: dict[str, str]) -> None:
    setup = ("bash", "deploy/setup.sh", "demo")
    run(*setup, at=checkout, env=quick)
    (checkout / "requirements.lock").write_text(f"no-such-package==1 --hash=sha256:{'0' * 64}\n")
    offline = {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(checkout),
    }

    changed = run(*setup, at=checkout, env=quick | offline)

    assert changed.returncode == 1
    assert "no-such-package==1" in changed.stderr
    assert changed.stderr.endswith("the reason is above. Run this again to go on.\n")


def test_setup_gets_what_is_missing_or_says_how_to(checkout: Path, bare: Path) -> None:
    executable(bare / "apt-get", '#!/bin/sh\necho "apt-get $*" >>"$LOG"\nexit 1\n')
    log = checkout / "apt.log"

    done = run("bash", "deploy/setup.sh", "demo", at=checkout, env={"PATH": str(bare), "LOG": str(log)})

    assert done.returncode == 1
    if os.geteuid() == 0:
        asked = log.read_text().splitlines()
        assert [line.split("600 ")[1] for line in asked] == [
            "--simulate install -y --no-install-recommends git",
            "update",
            "install -y --no-install-recommends git",
        ]
        assert "could not install git" in done.stderr
    else:
        assert done.stderr == "setup: missing: git. Install that with:  sudo apt-get install git\n"
        assert not log.exists()


def test_setup_names_what_is_missing_on_other_systems(checkout: Path, bare: Path) -> None:
    executable(bare / "python3", FAKE_PYTHON.format("3.11 x86_64 64 glibc no"))
    executable(bare / "python3.13", FAKE_PYTHON.format("3.13 x86_64 64 glibc yes"))

    done = run("bash", "deploy/setup.sh", "demo", at=checkout, env={"PATH": str(bare)})

    assert done.returncode == 1
    assert done.stderr.startswith("setup: missing: git. Install that with this system's package manager")


def test_setup_for_the_tests_wants_a_systemd_a_bus_a_database_server_and_a_browser(
    checkout: Path, bare: Path
) -> None:
    executable(bare / "apt-get", "#!/bin/sh\nexit 1\n")
    script = checkout / "deploy/setup.sh"
    system = checkout.parent / "system"
    here = script.read_text()
    for folder in ("/lib/systemd", "/usr/lib/postgresql"):
        assert folder in here
        here = re.sub(f"(?<![a-z]){folder}", f"{system}{folder}", here)
    script.write_text(here)

    def missing() -> list[str]:
        done = run("bash", script, "test", at=checkout, env={"PATH": str(bare)})
        said = re.search(r"sudo apt-get install (.*)|setup: installing (.*)", done.stderr)
        assert (done.returncode, bool(said)) == (1, True), done.stderr
        return (said[1] or said[2]).split() if said else []

    first = ["git", "util-linux", "systemd", "dbus", "chromium", "postgresql", "systemd-journal-remote"]
    assert missing() == first
    executable(bare / "unshare", "")
    executable(bare / "chromium", "")
    executable(bare / "postgres", "")
    (system / "lib/systemd/system").mkdir(parents=True)
    for name in ("systemd", "system/dbus.service", "systemd-journal-remote"):
        (system / "lib/systemd" / name).touch()
    assert missing() == ["git"]
    (bare / "postgres").unlink()
    assert missing() == ["git", "postgresql"]
    (system / "usr/lib/postgresql/15/bin").mkdir(parents=True)
    executable(system / "usr/lib/postgresql/15/bin/postgres", "")
    assert missing() == ["git"]


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("3.11 armv7l 32 glibc yes", "no 32-bit builds"),
        ("3.11 aarch64 32 glibc yes", "no 32-bit builds"),
        ("3.13 riscv64 64 glibc yes", "this is riscv64"),
        ("3.12 x86_64 64 other yes", "another C library"),
    ],
)
def test_setup_refuses_machines_without_wheels(checkout: Path, bare: Path, python: str, words: str) -> None:
    executable(bare / "python3", FAKE_PYTHON.format(python))

    done = run("bash", "deploy/setup.sh", at=checkout, env={"PATH": str(bare)})

    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("arguments", [("else",), ("run", "demo")])
def test_setup_takes_one_known_task(checkout: Path, arguments: tuple[str, ...]) -> None:
    done = run("bash", "deploy/setup.sh", *arguments, at=checkout)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_demo_passes_its_arguments_on(checkout: Path) -> None:
    (checkout / "deploy/setup.sh").write_text('echo "setup $*" >&2\n')
    (checkout / ".venv/bin").mkdir(parents=True)
    executable(checkout / ".venv/bin/pimainteno", '#!/bin/sh\nprintf "<%s>" "$@"\n')

    done = run("bash", checkout / "deploy/demo.sh", "--port", "8301", "a b", at=checkout.parent)

    assert (done.stdout, done.stderr) == ("<demo><--port><8301><a b>", "setup demo\n")


def test_test_script_runs_every_step_and_ends_with_the_tests(checkout: Path) -> None:
    (checkout / "deploy/setup.sh").write_text('echo "setup $*"\n')
    (checkout / ".venv/bin").mkdir(parents=True)
    for name in ("ruff", "mypy", "lint-imports", "pytest"):
        executable(checkout / ".venv/bin" / name, f'#!/bin/sh\necho "{name} ran"\n[ {name} != "$FAILS" ]\n')
    script = ("bash", checkout / "deploy/test.sh", "-k", "name")

    done = run(*script, at=checkout.parent, env={**os.environ, "FAILS": ""})
    failed = run(*script, at=checkout.parent, env={**os.environ, "FAILS": "mypy"})

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0] == "setup test"
    assert [line.split()[1] for line in lines if line.startswith("==>")] == [
        "ruff",
        "ruff",
        "mypy",
        "lint-imports",
        "pytest",
    ]
    assert lines[-2].endswith("-k name")
    assert lines[-1] == "pytest ran"
    assert (failed.returncode, "pytest" in failed.stdout) == (1, False)


def test_scripts_name_no_package_registry() -> None:
    text = "".join(path.read_text() for path in SCRIPTS)

    assert "://" not in text
