"""The `pimainteno` command: its list of commands, its help, and how errors become exit codes.

Only typer is imported here and in `app.commands`; what a command needs, it imports when it runs.
"""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app import __version__
from app.commands import decisions, fix, history, hook, listing, login, scan, serve
from app.commands.base import CONFIG, report
from app.core.errors import PimaintenoError
from app.demo import command as demo

EXAMPLES = """\
\b
Examples:
  pimainteno demo                             see it work: no account, no key
  pimainteno up                               run everything on this machine
  pimainteno fix greeter --unit greeter.service --log failure.log --wait
  pimainteno proposals                        what waits for your review

\b
Exit codes: 0 done, 1 the work failed, 2 wrong use or configuration,
3 nothing to do. `pimainteno COMMAND --help` tells more of each.
"""

SECTIONS: dict[str, dict[str, Callable[..., None]]] = {
    "Try it": {"demo": demo.demo},
    "Run it": {"up": serve.up, "web": serve.web, "worker": serve.worker, "watch": serve.watch},
    "Ask for work": {"fix": fix.fix, "scan": scan.scan},
    "Set up": {"login": login.login, "password": login.password, "hook": hook.hook},
    "Look": {"proposals": listing.proposals, "projects": listing.projects, "history": history.history},
    "Decide": {
        "merge": decisions.merge,
        "close": decisions.close,
        "retry": decisions.retry,
        "snooze": decisions.snooze,
        "pause": decisions.pause,
        "resume": decisions.resume,
    },
}


class Grouped(TyperGroup):
    """Lists the commands by section, in plain text, so that help needs no terminal library."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - typer's private types
        """Write one block for each section."""
        width = max(map(len, self.commands))
        for title, names in SECTIONS.items():
            rows = [
                (name.ljust(width), self.commands[name].get_short_help_str(formatter.width - width))
                for name in names
            ]
            with formatter.section(title):
                formatter.write_dl(rows, col_max=12)


app = typer.Typer(
    name="pimainteno",
    cls=Grouped,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXAMPLES,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pimainteno {__version__}")
        raise typer.Exit


@app.callback()
def root(
    config: Annotated[str | None, CONFIG] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Turn a failed systemd unit into a proven pull request.

    When a service fails, PiMainteno lets the Codex CLI repair its project in a sandbox, runs the
    project's checks before and after, and opens a proposal for you to review.
    """


for _names in SECTIONS.values():
    for _name, _function in _names.items():
        app.command(_name)(_function)


def main() -> None:
    """Run the command line and exit with the codes that its help names."""
    try:
        app(prog_name="pimainteno")
    except PimaintenoError as error:
        sys.exit(report(error))


if __name__ == "__main__":
    main()
