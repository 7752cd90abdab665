"""Which commands there are and where they live."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stratum1 import __version__

__all__ = ["main"]

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run", "run"),
    "status": ("status", "status"),
    "query": ("query", "query"),
    "simulate": ("simulate", "simulate"),
    "doctor": ("doctor", "doctor"),
    "record": ("record", "record"),
    "replay": ("record", "replay"),
    "bench": ("bench", "bench"),
    "trust-reference": ("trust", "trust_reference"),
}
_CONFIG: Mapping[str, tuple[str, str]] = {name: ("config", name) for name in ("check", "show", "schema")}
_GNSS: Mapping[str, tuple[str, str]] = {"decode": ("gnss", "decode")}
_XDP: Mapping[str, tuple[str, str]] = {name: ("xdp", name) for name in ("attach", "detach", "status")}
_NTS: Mapping[str, tuple[str, str]] = {"rotate": ("nts", "rotate")}
_LEAP: Mapping[str, tuple[str, str]] = {"rehearse": ("leap_rehearse", "run")}


def _group(commands: Mapping[str, tuple[str, str]]) -> type[TyperGroup]:
    """A group whose commands are imported when they are looked up."""

    class Lazy(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return [*commands, *super().list_commands(ctx)]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in commands:
                return super().get_command(ctx, cmd_name)
            module, function = commands[cmd_name]
            return _command(cmd_name, getattr(import_module(f"stratum1.cli.{module}"), function))

    return Lazy


def _command(name: str, function: Callable[..., None]) -> Any:
    single = _app({})
    single.command(name=name)(function)
    return typer.main.get_command(single)


def _app(commands: Mapping[str, tuple[str, str]], **more: Any) -> typer.Typer:
    return typer.Typer(
        cls=_group(commands),
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **more,
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stratum1 {__version__}")
        raise typer.Exit


def _top(
    _version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """A stratum 1 time server on a small board with a GNSS receiver."""


def main() -> None:
    """Run the command line. Exit status 2 for bad usage or configuration."""
    from stratum1.cli.gnss_live import live  # noqa: PLC0415
    from stratum1.cli.leap_live import live as live_leap  # noqa: PLC0415
    from stratum1.cli.nts import live as live_nts  # noqa: PLC0415

    app = _app(_COMMANDS, no_args_is_help=True)
    app.callback()(_top)
    app.add_typer(_app(_CONFIG, help="Check and show the configuration.", no_args_is_help=True), name="config")
    gnss = _app(_GNSS, help="What the GNSS receiver says: live, or decoded from a recording.")
    gnss.callback(invoke_without_command=True)(live)
    app.add_typer(gnss, name="gnss")
    leap = _app(_LEAP, help="What is known of leap seconds: live, or rehearsed.")
    leap.callback(invoke_without_command=True)(live_leap)
    app.add_typer(leap, name="leap")
    app.add_typer(_app(_XDP, help="The fast path in the network driver: attach, detach, status.", no_args_is_help=True), name="xdp")
    nts = _app(_NTS, help="NTS key establishment: its state, the lines for clients, a new master key.")
    nts.callback(invoke_without_command=True)(live_nts)
    app.add_typer(nts, name="nts")
    app(prog_name="stratum1")
