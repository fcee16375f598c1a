"""`demo`: the whole of it on one machine, with nothing to set up."""

from typing import Annotated

import typer

from app.commands.base import Config, perform


def demo(
    config: Config = None,
    once: Annotated[
        bool, typer.Option("--once", help="End by itself: 0 if the repair is proven, else 1.")
    ] = False,
    live: Annotated[bool, typer.Option("--live", help="Use the real model; needs codex.api_key.")] = False,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=65535, help="Where the page listens.", show_default="8300, or a free one"
        ),
    ] = None,
) -> None:
    """Watch a failing service become a proposal, here and now.

    A small service fails on this machine. Its failure goes through the same queue, sandbox, checks and
    page as your own would; only the model is scripted, unless --live is given. Nothing is left behind.
    """
    from app.demo import story

    perform(story.tell(config, once=once, live=live, port=port))
