"""`stratum1 xdp`: puts the eBPF program of the XDP data plane into network interfaces, takes it out, shows where it stands."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer

from stratum1.xdp import DEFAULT_SLOTS, Mode, Standing, XdpError, ethernet_interfaces, run_times, standing, switch_stamps_on
from stratum1.xdp import attach as attach_program
from stratum1.xdp import detach as detach_program

__all__ = ["attach", "detach", "status"]

_InterfaceOption = Annotated[
    list[str] | None,
    typer.Option("--interface", "-i", help="Network interface, as often as wanted; none: all wired ones that are real devices."),
]


class _Choice(StrEnum):
    AUTO = "auto"
    NATIVE = "native"
    GENERIC = "generic"


def attach(
    interface: _InterfaceOption = None,
    group: Annotated[str, typer.Option(help="Group whose members, the daemon, may use the program's maps.")] = "stratum1",
    mode: Annotated[
        _Choice, typer.Option(help='"native": in the driver; "generic": after it, dearer; "auto": native where the driver can.')
    ] = _Choice.AUTO,
    slots: Annotated[int, typer.Option(min=256, max=1 << 22, help="Addresses that the rate limit holds, a power of two.")] = DEFAULT_SLOTS,
    hardware_stamps: Annotated[bool, typer.Option("--hardware-stamps", help="Switch the network cards' own time stamps on too.")] = False,
) -> None:
    """Load the program, put it into network interfaces and hand its maps to the daemon (as root). What was attached before is replaced.

    It answers before the firewall sees a packet. Exit status 1 if it stands nowhere in the end.
    """
    if slots & (slots - 1):
        raise typer.BadParameter(f"{slots} is no power of two", param_hint="--slots")
    names = tuple(interface or ethernet_interfaces())
    if not names:
        _fail("no wired network interface is found: name one by --interface")
    with _told():
        for each in attach_program(names, group, mode.value, slots=slots):
            typer.echo(_line(each))
    for name in names if hardware_stamps else ():
        typer.echo(f"{name}: {_stamps(name)}")


def detach() -> None:
    """Take the program out of all interfaces and forget its maps (as root). The daemon's sockets then answer everything."""
    with _told():
        typer.echo("detached" if detach_program() else "nothing was attached")


def status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Show where the program stands, and what it costs where kernel.bpf_stats_enabled is set (as root). Exit status 1 if nowhere."""
    with _told():
        found = standing()
        runs, nanoseconds = run_times()
    if as_json:
        shown: dict[str, Any] = {"interfaces": [_as_json(each) for each in found], "runs": runs, "run_time_ns": nanoseconds}
        typer.echo(json.dumps(shown))
        return
    for each in found:
        typer.echo(_line(each))
    if runs:
        typer.echo(f"{runs} runs, {nanoseconds / runs:.0f} ns each")


def _as_json(each: Standing) -> dict[str, Any]:
    return {"interface": each.interface, "mode": each.mode, "reason": each.reason, "threaded": each.threaded}


def _line(each: Standing) -> str:
    words = {Mode.NATIVE: "native mode", Mode.GENERIC: "generic mode", None: "not attached"}[each.mode]
    return f"{each.interface}: {words}" + (f" ({each.reason})" if each.reason else "")


def _stamps(name: str) -> str:
    try:
        kind = switch_stamps_on(name)
    except OSError as error:
        return f"hardware stamps can't be switched on: {error.strerror}"
    return f"hardware stamps of {kind}" if kind else "no hardware stamps"


def _fail(text: str) -> None:
    typer.echo(text, err=True)
    raise typer.Exit(1)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except XdpError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
