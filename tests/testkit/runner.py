"""Commands run in this process, with standard output and standard error apart."""

import inspect
from typing import Any

from typer.testing import CliRunner

__all__ = ["cli_runner"]


def cli_runner() -> CliRunner:
    """A runner that keeps the two apart: click before 8.2 (Debian trixie's) has to be asked for it."""
    options: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner.__init__).parameters else {}
    return CliRunner(**options)
