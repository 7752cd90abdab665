"""`stratum1 run`: the daemon."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TextIO

import structlog
import typer

from stratum1.config import Config, ConfigError
from stratum1.settings import DEFAULT_FILE, load_config, simulated_directory, simulation_overrides

__all__ = ["run"]

_SWITCH = 5e-4
"""Seconds that a busy thread keeps the interpreter to itself: a page being made must not hold up a client's reply for 5 ms."""


def run(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help=f"Configuration; {DEFAULT_FILE} if not given.")
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Simulated receiver and virtual clock, on loopback, without any privilege.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated receiver's noise.")] = 1,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the whole run for `stratum1 replay`.")] = None,
) -> None:
    """Run the server until it is told to end.

    Exit status 0 after a clean end, 1 if it can't start (port taken, no right to set the clock) or fails by a fault of its own, 2 for a
    bad configuration, 78 when a step beyond the panic limit was refused.
    """
    file = config if config is not None or simulate else DEFAULT_FILE
    directory = _private(simulated_directory()) if simulate else None

    def load() -> Config:
        if directory is None:
            return load_config(file)
        return load_config(file, simulation_overrides(directory, load_config(file) if file is not None else None))

    try:
        settings = load()
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(_serve(settings, load, seed, _opened(record)))


def _serve(settings: Config, load: Callable[[], Config], seed: int, record: TextIO | None) -> int:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload asked for while we load is done by loading
    from stratum1.daemon import EXIT_FAILURE, Daemon, DaemonError, RunOptions  # noqa: PLC0415 - half a second that a bad file need not cost
    from stratum1.logs import configure  # noqa: PLC0415

    configure(settings.log.level, settings.log.format)
    sys.setswitchinterval(_SWITCH)

    async def main() -> int:
        daemon = Daemon(RunOptions(settings, load, seed, record))
        if sys.stdout.isatty() or (settings.receiver is not None and settings.receiver.device == "simulated"):
            typer.echo(_welcome(settings))
        return await daemon.run()

    try:
        return asyncio.run(main())
    except DaemonError as error:
        typer.echo(str(error), err=True)
        return EXIT_FAILURE
    except Exception:  # it is told where the owner looks, too; the service manager starts us again
        structlog.get_logger("stratum1").critical("ended by a fault of its own, please report it")
        raise


def _welcome(settings: Config) -> str:
    program = "stratum1" if shutil.which("stratum1") else os.path.relpath(sys.argv[0])  # not on the path in a virtual environment
    lines = [f"stratum1 serves NTP on {', '.join(each.listen for each in settings.server) or 'no address'}"]
    if settings.web.enabled:
        lines.append(f"  open    http://{settings.web.listen.replace('[::]', 'localhost')}/")
    if settings.server:
        lines.append(f"  ask     {program} query {settings.server[0].listen.replace('[::]', 'localhost')}")
    if settings.nts_ke is not None:
        lines.append(
            f"  nts     keys at {settings.nts_ke.listen} (TCP), once the time is known: {program} nts --socket {settings.control.socket}"
        )
    lines += [
        f"  status  {program} status --socket {settings.control.socket}",
        "  end     Ctrl-C",
    ]
    return "\n".join(lines)


def _private(directory: Path) -> Path:
    """A directory of our own that nobody else can write to, or an end with the reason."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
    except OSError as error:
        typer.echo(f"{directory}: can't be made: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    if status.st_uid != os.getuid() or not directory.is_dir() or directory.is_symlink():
        typer.echo(f"{directory}: belongs to somebody else; set XDG_RUNTIME_DIR to a directory of yours", err=True)
        raise typer.Exit(1)
    directory.chmod(0o700)
    return directory


def _opened(path: Path | None) -> TextIO | None:
    if path is None:
        return None
    try:
        return path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        typer.echo(f"{path}: can't be written: {error.strerror}", err=True)
        raise typer.Exit(2) from None
