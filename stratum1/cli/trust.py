"""`stratum1 trust-reference`: the owner's word against what speaks against the receiver."""

import typer

from .client import ControlClient, ControlError
from .paths import ConfigOption, SocketOption, find_socket

__all__ = ["trust_reference"]


def trust_reference(socket: SocketOption = None, config: ConfigOption = None) -> None:
    """Believe the receivers again, whatever spoke against them: another antenna, cable, receiver or place is right.

    What was learned of their pulses, place and signals is learned anew. Exit status 1 if no daemon answers, or if it has no receiver.
    """
    try:
        typer.echo(ControlClient(find_socket(socket, config)).post("/api/v1/trust-reference")["done"])
    except ControlError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
