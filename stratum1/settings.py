"""Reads the configuration file and lays it over what the named HAT says of itself."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .config import Config, ConfigError, parse_config, split_address
from .hw import HatError, hat_defaults

__all__ = ["DEFAULT_FILE", "load_config", "simulated_directory", "simulation_overrides"]

_OTHERS = "another-receiver"
DEFAULT_FILE = Path("/etc/stratum1/stratum1.toml")


def simulated_directory() -> Path:
    """Where a simulated run keeps its socket and state: $XDG_RUNTIME_DIR/stratum1, else /tmp/stratum1-UID."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "stratum1" if runtime else Path(f"/tmp/stratum1-{os.getuid()}")  # noqa: S108 - made 0700, owner checked


def simulation_overrides(directory: Path, below: Config | None) -> dict[str, Any]:
    """What `--simulate` lays over the configuration: simulated receiver, virtual clock, loopback only, no privilege needed.

    below: the file's own configuration, whose ports are kept where anybody may open them (else 11000 is added).
    """
    listeners = [{"listen": "127.0.0.1:11123"}]
    if Path("/proc/net/if_inet6").exists():  # a host without IPv6 has no ::1
        listeners.append({"listen": "[::1]:11123"})
    if below is not None:
        listeners = [{**each.model_dump(by_alias=True), "listen": _on_loopback(each.listen)} for each in below.server]
    return {
        "receiver": {
            "device": "simulated",
            "pps": "simulated",
            "baud": "auto",
            # what the file says of its own receiver does not hold for this one
            "pps-edge": "assert",
            "protocol": "auto",
            "serial-delay": None,
            "pulse-delay": 0.0,
            "noselect": False,
            "setup": {"configure": False},
        },
        "another-receiver": [],  # nor is its time that of another one
        "clock": {"control": "virtual", "state-directory": str(directory), "minimum-agreeing-sources": 1},
        "server": listeners,
        **_simulated_nts(below),
        "web": {"listen": _on_loopback(below.web.listen) if below is not None else "127.0.0.1:8080"},
        "control": {"socket": str(directory / "control.sock")},
    }


def _simulated_nts(below: Config | None) -> dict[str, Any]:
    """NTS with a certificate of its own making; with a file only where that has it, whose master keys are not touched."""
    if below is None:
        return {"nts-ke": {"listen": "127.0.0.1:4460"}}
    if below.nts_ke is None:
        return {}
    return {"nts-ke": {"listen": _on_loopback(below.nts_ke.listen), "self-signed": True, "shared-secret": None}}


def _on_loopback(listen: str) -> str:
    host, port = split_address(listen)
    port += 11000 if port < 1024 else 0
    return f"[::1]:{port}" if ":" in host and host != "::" else f"127.0.0.1:{port}"


def load_config(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration in force: defaults, below the HAT's data, below the file, below `overrides`. None for path: no file.

    Raises ConfigError that names the file, the key, the value and what is allowed.
    """
    text, name = "", "(defaults)"
    if path is not None:
        name = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{name}: can't be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name}: not UTF-8 text: {error}") from None
    return parse_config(text, name, _under_hat(text, name, overrides or {}))


def _under_hat(text: str, name: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """The overrides, with the HATs' data added for keys that the file leaves out."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return overrides  # told by parse_config, with its place
    added: dict[str, Any] = {"receiver": {**_missing(data.get("receiver"), f"{name}: receiver"), **overrides.get("receiver", {})}}
    others = data.get(_OTHERS)
    if isinstance(others, list) and _OTHERS not in overrides:
        numbered = enumerate(others, 1)
        added[_OTHERS] = [
            _over(_missing(each, f"{name}: {_OTHERS}[{i}]"), each) if isinstance(each, dict) else each for i, each in numbered
        ]
    return {**overrides, **{key: value for key, value in added.items() if value}}


def _over(below: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """The table over what the HAT says, and its set-up likewise."""
    setup = table.get("setup")
    inner = {"setup": {**below["setup"], **setup}} if "setup" in below and isinstance(setup, dict) else {}
    return {**below, **table, **inner}


def _missing(receiver: object, place: str) -> dict[str, Any]:
    """What the HAT says beyond the file's own table of a receiver."""
    if not isinstance(receiver, dict) or not isinstance(hat := receiver.get("hat"), str):
        return {}
    try:
        defaults = hat_defaults(hat)
    except HatError as error:
        raise ConfigError(f'{place}.hat = "{hat}": {error}') from None
    missing = {key: value for key, value in defaults.items() if key not in receiver}
    setup = receiver.get("setup", {})
    if "setup" in defaults and isinstance(setup, dict):
        edge_is_the_hat_s = receiver.get("pps-edge", defaults["pps-edge"]) == defaults["pps-edge"]
        missing["setup"] = {
            key: value
            for key, value in defaults["setup"].items()
            if key not in setup and (edge_is_the_hat_s or key != "pulse-polarity")  # else the owner knows of an inverter that we don't
        }
    return missing
