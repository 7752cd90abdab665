"""`python -m stratum1` is the `stratum1` command."""

from stratum1.cli import main

main()
