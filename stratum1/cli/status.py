"""`stratum1 status`: the whole picture of the running daemon."""

import json
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from stratum1.cli.client import ControlClient, ControlError
from stratum1.cli.paths import ConfigOption, SocketOption, find_socket
from stratum1.cli.show import status_text

__all__ = ["JsonOption", "WatchOption", "show_live", "status"]

JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's JSON.")]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Keep it fresh, once a second, until Ctrl-C.")]


def status(as_json: JsonOption = False, watch: WatchOption = False, socket: SocketOption = None, config: ConfigOption = None) -> None:
    """Show what the running server knows: lock state, offset, error bound, receiver, packets.

    Exit status 0 if the daemon answered, 1 if it did not, 2 for bad usage.
    """
    client = ControlClient(find_socket(socket, config))
    show_live(client, status_text, as_json, watch)


def show_live(
    client: ControlClient, picture: Callable[[dict[str, Any]], str], as_json: bool, watch: bool, parts: tuple[str, ...] = ()
) -> None:
    """Print a picture of the status once, or keep printing it; ends the command with status 1 if the daemon can't be asked.

    parts: keys of the JSON to print, all where empty.
    """
    try:
        if watch:
            _watch(client, picture, as_json, parts)
        else:
            current = client.get("/api/v1/status")
            typer.echo(_json(current, parts, 2) if as_json else picture(current))
    except ControlError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _watch(client: ControlClient, picture: Callable[[dict[str, Any]], str], as_json: bool, parts: tuple[str, ...]) -> None:
    if as_json or not sys.stdout.isatty():
        for current in client.events():
            typer.echo(_json(current, parts, None) if as_json else picture(current) + "\n")
        return
    from rich.live import Live  # noqa: PLC0415 - only a live view needs it
    from rich.text import Text  # noqa: PLC0415

    with Live(auto_refresh=False, screen=False) as live:
        for current in client.events():
            live.update(Text(picture(current)), refresh=True)


def _json(status: dict[str, Any], parts: tuple[str, ...], indent: int | None) -> str:
    return json.dumps({name: status[name] for name in parts} if parts else status, indent=indent, ensure_ascii=False)
