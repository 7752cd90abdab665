"""`stratum1 nts`: what the running daemon knows of NTS, and a new master key on demand."""

import typer

from stratum1.cli.client import ControlClient, ControlError
from stratum1.cli.paths import ConfigOption, SocketOption, find_socket
from stratum1.cli.show_nts import nts_text
from stratum1.cli.status import JsonOption, WatchOption, show_live

__all__ = ["live", "rotate"]


def live(
    ctx: typer.Context,
    as_json: JsonOption = False,
    watch: WatchOption = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Show certificate, keys and counters of NTS key establishment and what to write into clients; or rotate the master key.

    Exit status 0 if the daemon answered, 1 if it did not, 2 for bad usage.
    """
    if ctx.invoked_subcommand is None:
        show_live(ControlClient(find_socket(socket, config)), nts_text, as_json, watch, parts=("simulated", "nts_ke"))


def rotate(socket: SocketOption = None, config: ConfigOption = None) -> None:
    """Change the master key of cookies now, for instance after somebody may have seen it.

    Cookies of the older keys still open until those have expired. Exit status 1 if no daemon answers, or if it does not serve NTS.
    """
    try:
        typer.echo(ControlClient(find_socket(socket, config)).post("/api/v1/nts/rotate")["done"])
    except ControlError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
