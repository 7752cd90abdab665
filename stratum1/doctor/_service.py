"""The NTP service: who answers, and what it needs."""

from collections.abc import Iterator
from pathlib import Path

from stratum1.config import Config
from stratum1.server import DataPlane, plane_missing, plane_outlook
from stratum1.serving import KeysError, read_keys

from ._finding import Finding, ok, warning
from ._host import Host

__all__ = ["check_data_plane", "check_symmetric_keys"]


def check_data_plane(config: Config, _host: Host) -> Iterator[Finding]:
    """Who would answer the packets, and why nobody better."""
    for asked in dict.fromkeys(DataPlane(each.data_plane) for each in config.server):
        got, reasons = plane_outlook(asked)
        why = "; ".join(f"{kind}: {reason}" for kind, reason in reasons)
        if got is not asked and asked is not DataPlane.AUTO:
            yield warning(
                "software.data-plane",
                f'data-plane = "{asked}" can\'t be had, the {got} plane answers ({why})',
                'Set data-plane = "auto" in [[server]], which takes the best there is without a word, or remove the cause.',
            )
        elif why:
            yield ok("software.data-plane", f"the {got} data plane answers ({why})", "The native one costs a third: docs/service.md.")
        else:
            yield ok("software.data-plane", f"the {got} data plane answers")
    if not any(each.data_plane == "xdp" for each in config.server):
        yield from _xdp_hint()


def _xdp_hint() -> Iterator[Finding]:
    reason = plane_missing(DataPlane.XDP)
    text = f"XDP can't be had here ({reason})" if reason else 'plain requests could be answered in the network driver: data-plane = "xdp"'
    yield ok("software.xdp", f"no listener asks for XDP; {text}")


def check_symmetric_keys(config: Config, _host: Host) -> Iterator[Finding]:
    """The file of symmetric keys."""
    if config.service.keys is None:
        return
    try:
        keys, trouble = read_keys(Path(config.service.keys))
    except KeysError as error:
        yield warning("service.keys", str(error), "Correct the file, then: sudo systemctl reload stratum1")
        return
    if trouble:
        yield warning("service.keys", trouble, f"sudo chown root:stratum1 {config.service.keys} && sudo chmod 0640 {config.service.keys}")
    else:
        yield ok("service.keys", f"{len(keys)} symmetric keys in {config.service.keys}")
