"""Where the daemon's control socket is, as seen from a command."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["ConfigOption", "SocketOption", "find_socket"]

_INSTALLED_FILE = Path("/etc/stratum1/stratum1.toml")
_INSTALLED_SOCKET = Path("/run/stratum1/control.sock")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help=f"Configuration; {_INSTALLED_FILE} if not given.", show_default=False)
]
SocketOption = Annotated[
    Path | None,
    typer.Option("--socket", metavar="PATH", help="The daemon's control socket; found by itself if not given.", show_default=False),
]


def find_socket(explicit: Path | None, config: Path | None) -> Path:
    """The socket to ask: --socket, else what -c says, else what the installed file says, else the installed path, else that of a
    simulated run of this user. Ends the command (status 2) if the file named by -c can't be read.
    """
    if explicit is not None:
        return explicit
    if config is not None:
        return _configured(config) or _INSTALLED_SOCKET
    for candidate in (_from_installed_file(), _INSTALLED_SOCKET):
        if candidate is not None and _exists(candidate):
            return candidate
    from stratum1.settings import simulated_directory  # noqa: PLC0415 - loads all of the configuration, seldom needed here

    simulated = simulated_directory() / "control.sock"
    return simulated if _exists(simulated) else _from_installed_file() or _INSTALLED_SOCKET


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True  # it is hidden from us: say so when connecting, rather than ask another daemon


def _from_installed_file() -> Path | None:
    try:
        return _socket_of(_INSTALLED_FILE)
    except (OSError, ValueError):
        return None  # `stratum1 config check` tells what is wrong with it


def _configured(config: Path) -> Path | None:
    try:
        return _socket_of(config)
    except OSError as error:
        typer.echo(f"{config}: can't be read: {error.strerror}", err=True)
    except ValueError as error:
        typer.echo(f"{config}: not valid TOML: {error}", err=True)
    raise typer.Exit(2)


def _socket_of(config: Path) -> Path | None:
    """[control] socket, without the checks of the whole file: a command must find the daemon while its file is being edited."""
    data: dict[str, Any] = tomllib.loads(config.read_text("utf-8"))
    control = data.get("control")
    found = control.get("socket") if isinstance(control, dict) else None
    return Path(found) if isinstance(found, str) else None
