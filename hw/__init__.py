"""Boards and HATs as data, with the loader that checks it: the one place for pins, baud rates and edges.

Installed as the package `stratum1.hw`, so that daemon, doctor, Ansible, image and docs read the same files.
"""

from ._load import Fact, Hat, HatError, HatSetup, hat_defaults, hat_names, load_hat, parse_hat

__all__ = ["Fact", "Hat", "HatError", "HatSetup", "hat_defaults", "hat_names", "load_hat", "parse_hat"]
