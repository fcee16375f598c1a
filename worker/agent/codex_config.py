"""What the Codex CLI is told before it starts: its configuration, its environment, its command line."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.core.settings_sections import is_loopback
from worker.agent import program

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from app.core.settings import Settings

KEY = "PIMAINTENO_MODEL_KEY"
NO_KEY = "none"
REMINDERS = (0.25, 0.1)
"""At these shares of the tokens left the model is told to come to an end."""


@dataclass(frozen=True)
class Retries:
    """How often the CLI itself asks the model server again, within the thread at hand.

    A short fault is worth it: what the thread has done so far is kept and not paid for twice. A long
    one is not: the run goes back to the outbox, which waits without holding a process.
    """

    request: int = 2
    stream: int = 2


_TEMPLATE = """\
# Written anew by PiMainteno before each run.
model = {model}
model_provider = "pm"
approval_policy = "never"
web_search = "disabled"
default_permissions = "inspect"
project_doc_max_bytes = 32768
suppress_unstable_features_warning = true
check_for_update_on_startup = false

[analytics]
enabled = false

[agents]
enabled = false

[history]
persistence = "none"

[model_providers.pm]
name = "pm"
base_url = {base_url}
env_key = {key}
wire_api = "responses"
request_max_retries = {request_retries}
stream_max_retries = {stream_retries}
stream_idle_timeout_ms = {idle_ms}

[shell_environment_policy]
inherit = "core"
ignore_default_excludes = false

[skills]
include_instructions = false

[skills.bundled]
enabled = false

[features]
unbounded_connection_retries = false
apps = false
plugins = false
goals = false
hooks = false
shell_snapshot = false
memories = false

[features.rollout_budget]
enabled = true
limit_tokens = {token_limit}
reminder_at_remaining_tokens = {reminders}

[projects.{tree}]
trust_level = "untrusted"

[projects.{clone}]
trust_level = "untrusted"

[permissions.fix]
extends = ":workspace"

[permissions.fix.filesystem]
{home} = "deny"

[permissions.inspect]
extends = ":read-only"

[permissions.inspect.filesystem]
{home} = "deny"
"""


def write(settings: Settings, home: Path, retries: Retries, *, tree: Path, clone: Path) -> None:
    """Write `config.toml` into a CODEX_HOME, which is made, closed to others, where it is missing.

    Worktree and clone are named as untrusted: by itself the CLI obeys the `.codex/config.toml` of a
    project, which may name programs that run beside the sandbox of its commands.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    codex = settings.codex
    text = _TEMPLATE.format(
        model=_toml(codex.model),
        base_url=_toml(codex.base_url.rstrip("/")),
        key=_toml(KEY),
        request_retries=retries.request,
        stream_retries=retries.stream,
        idle_ms=int(codex.idle_s * 500),  # half: the CLI tries a silent stream once more before we end it
        token_limit=codex.token_limit,
        reminders=[max(1, int(codex.token_limit * share)) for share in REMINDERS],
        home=_toml(str(home)),
        tree=_toml(str(tree)),
        clone=_toml(str(clone)),
    )
    _put(home / "config.toml", text)


def schema(home: Path, answer: type[BaseModel]) -> Path:
    """Write the JSON schema of an answer where only the CLI reads it, and return the file."""
    made = answer.model_json_schema()
    made["additionalProperties"] = False
    made["required"] = list(made["properties"])
    return _put(home / f"schema-{answer.__name__.lower()}.json", json.dumps(made))


def command(
    settings: Settings, tree: Path, schema: Path, *, writable: bool, thread: str | None = None
) -> list[str]:
    """Return the command line of one run; the prompt goes to its standard input."""
    permissions = "fix" if writable else "inspect"
    argv = [str(program.codex(settings).binary), "exec", "--json", "--color", "never", "--strict-config"]
    argv += ["-C", str(tree), "-c", f'default_permissions="{permissions}"']
    if thread is not None:
        argv += ["resume"]
    argv += ["--output-schema", str(schema)]
    return [*argv, "--", thread, "-"] if thread is not None else [*argv, "--", "-"]


def environment(settings: Settings, home: Path) -> dict[str, str]:
    """Return what the CLI's environment has beside the box's: its home, the key, and no git configuration.

    A model server on this machine needs no key, but the CLI insists on one. Where a key is needed and
    missing, the variable is missing too, and the CLI says so.
    """
    key = settings.codex.api_key.get_secret_value()
    if not key and is_loopback(urlsplit(settings.codex.base_url).hostname or ""):
        key = NO_KEY
    own = {"CODEX_HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    # the CLI itself asks git for the status: in a planted submodule git would run what its config names
    own["GIT_DIR"] = "/dev/null"
    return own | ({KEY: key} if key else {})


def _toml(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are a part of TOML's."""
    return json.dumps(text)


def _put(file: Path, text: str) -> Path:
    """Write a file in one step, readable by its owner alone."""
    fresh = file.with_name(f".{file.name}-{os.getpid()}")
    fresh.write_text(text)
    fresh.chmod(0o600)
    return fresh.rename(file)
