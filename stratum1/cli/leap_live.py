"""`stratum1 leap`: what the running daemon knows of leap seconds."""

import typer

from stratum1.cli.client import ControlClient
from stratum1.cli.paths import ConfigOption, SocketOption, find_socket
from stratum1.cli.show import leap_text
from stratum1.cli.status import JsonOption, WatchOption, show_live

__all__ = ["live"]


def live(
    ctx: typer.Context,
    as_json: JsonOption = False,
    watch: WatchOption = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what list, receiver and servers say of leap seconds, and what will be done; or rehearse one.

    Exit status 0 if the daemon answered, 1 if it did not, 2 for bad usage.
    """
    if ctx.invoked_subcommand is None:
        show_live(ControlClient(find_socket(socket, config)), leap_text, as_json, watch, parts=("simulated", "time", "leaps"))
