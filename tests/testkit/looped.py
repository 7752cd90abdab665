"""A recorded receiver, looped for ever with its times moved to a given truth: what its line would carry today."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["Epoch", "LoopedRecording"]

_SENTENCE = re.compile(rb"\$[A-Z]{2}(RMC|GGA|GNS|GLL|ZDA)[^*\r\n]*\*[0-9A-Fa-f]{2}")
_TIME_FIELD = {b"RMC": 1, b"GGA": 1, b"GNS": 1, b"ZDA": 1, b"GLL": 5}


@dataclass(frozen=True)
class Epoch:
    """One epoch's bytes as recorded, and the fraction of the second that its times carry (b".02", may be empty)."""

    data: bytes
    fraction: bytes


class LoopedRecording:
    """Epochs of an NMEA recording; rewritten, they name whatever second is asked for, with right checksums."""

    def __init__(self, path: Path) -> None:
        data = b"".join(line for line in path.read_bytes().splitlines(keepends=True) if not line.startswith(b"#"))
        self.epochs = list(_split(data))

    def at(self, number: int, second: int) -> bytes:
        """Epoch `number` (modulo the recording's length) with its times moved to UTC `second` (since 1970)."""
        epoch = self.epochs[number % len(self.epochs)]
        moment = datetime.fromtimestamp(second, UTC)
        return _SENTENCE.sub(lambda match: _moved(match.group(), match.group(1), moment, epoch.fraction), epoch.data)

    def fraction(self, number: int) -> float:
        """Seconds after the pulse that the times of an epoch name."""
        return float(b"0" + self.epochs[number % len(self.epochs)].fraction or b"0")


def _split(data: bytes) -> Iterator[Epoch]:
    """Cut where a sentence names another time of day than the one before it."""
    begin, current = 0, b""
    for match in _SENTENCE.finditer(data):
        time = match.group().split(b"*")[0].split(b",")[_TIME_FIELD[match.group(1)]]
        if time and current and time != current:
            yield Epoch(data[begin : match.start()], _fraction(current))
            begin = match.start()
        current = time or current
    if current:
        yield Epoch(data[begin:], _fraction(current))


def _fraction(time: bytes) -> bytes:
    return time[6:] if time[6:].strip(b".0") else b".00"


def _moved(sentence: bytes, kind: bytes, moment: datetime, fraction: bytes) -> bytes:
    fields = sentence[1 : sentence.index(b"*")].split(b",")
    if fields[_TIME_FIELD[kind]]:
        fields[_TIME_FIELD[kind]] = moment.strftime("%H%M%S").encode() + fraction
    if kind == b"RMC" and fields[9]:
        fields[9] = moment.strftime("%d%m%y").encode()
    if kind == b"ZDA" and fields[2]:
        fields[2:5] = moment.strftime("%d %m %Y").encode().split()
    body = b",".join(fields)
    checksum = 0
    for byte in body:
        checksum ^= byte
    return b"$" + body + b"*%02X" % checksum
