"""`stratum1 config`: checks and shows the configuration without a daemon."""

import json
from pathlib import Path
from typing import Annotated

import typer

from stratum1.cli.paths import ConfigOption
from stratum1.config import Config, ConfigError, json_schema, render_toml
from stratum1.settings import DEFAULT_FILE, load_config

__all__ = ["check", "schema", "show"]


def check(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The same as -c FILE.", show_default=False)] = None,
    config: ConfigOption = None,
) -> None:
    """Check a configuration file. Exit status 2, and a line a mistake, if it is refused."""
    path = file or config or DEFAULT_FILE
    _load(path)
    typer.echo(f"{path}: good")


def show(config: ConfigOption = None) -> None:
    """Print the configuration in force as TOML, defaults and the HAT's data included; the defaults alone where no file is installed."""
    installed = DEFAULT_FILE if DEFAULT_FILE.exists() else None
    typer.echo(render_toml(_load(config or installed)), nl=False)


def schema() -> None:
    """Print the JSON schema of the configuration file."""
    typer.echo(json.dumps(json_schema(), indent=2))


def _load(path: Path | None) -> Config:
    try:
        return load_config(path)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
