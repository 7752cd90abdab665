"""The `stratum1` command. Each command lives in a file of its own and is loaded only when it is asked for: the start stays fast."""

from ._commands import main

__all__ = ["main"]
