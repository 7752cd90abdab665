"""Which network cards' stamps the native plane takes: never assumed, asked of each card and of its clock."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Card", "find_cards"]

_Ask = Callable[[str], tuple[int | None, bool, bool, bool]]


@dataclass(frozen=True, slots=True)
class Card:
    """A card that stamps and whose clock can be read. interface: index; clock: path. sends: it stamps replies too."""

    name: str
    interface: int
    clock: str
    sends: bool


def find_cards(ask: _Ask, interfaces: Sequence[tuple[int, str]] | None = None) -> tuple[tuple[Card, ...], tuple[str, ...]]:
    """The cards that are set to stamp whatever comes in, and a sentence for each that could and is not.

    ask: `_dataplane.card_stamps`. interfaces: index and name, by default those of this network namespace. Nothing is switched on here: a
    PTP daemon may have set the card for itself.
    """
    found: list[Card] = []
    notes: list[str] = []
    for index, name in socket.if_nameindex() if interfaces is None else interfaces:
        try:
            clock, able, receives, sends = ask(name)
        except OSError:  # no card that knows of stamps, or gone by now
            continue
        if not able or clock is None:
            continue
        if receives:
            found.append(Card(name, index, f"/dev/ptp{clock}", sends))
        else:
            notes.append(f"{name} could stamp packets itself and is not set to: `hwstamp_ctl -i {name} -t 1 -r 1` (linuxptp) does")
    return tuple(found), tuple(notes)
