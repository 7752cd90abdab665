"""`stratum1 gnss`: what the running daemon's receiver says."""

import typer

from stratum1.cli.client import ControlClient
from stratum1.cli.paths import ConfigOption, SocketOption, find_socket
from stratum1.cli.show import gnss_text
from stratum1.cli.status import JsonOption, WatchOption, show_live

__all__ = ["live", "show"]


def live(
    ctx: typer.Context,
    as_json: JsonOption = False,
    watch: WatchOption = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the running receiver's fix, satellites, sentences and learned delays; or decode a recording.

    Exit status 0 if the daemon answered, 1 if it did not, 2 for bad usage.
    """
    if ctx.invoked_subcommand is None:
        show(ControlClient(find_socket(socket, config)), as_json, watch)


def show(client: ControlClient, as_json: bool = False, watch: bool = False) -> None:
    """Print the receiver's part of the status, once or live; as JSON: its "gnss", "pps" and "refclock"."""
    show_live(client, gnss_text, as_json, watch, parts=("simulated", "gnss", "pps", "refclock"))
