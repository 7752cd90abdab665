"""A recorded byte stream as a list of epochs: what `stratum1 gnss decode` prints and what tests compare."""

from collections.abc import Iterator
from dataclasses import dataclass

from stratum1.timescale import MonoNs, UtcNs, rfc3339

from ._decoder import Counters, GnssDecoder
from .events import Event, Fix, FixMode, Sky

__all__ = ["RecordedEpoch", "decode_recording", "epoch_dict", "epoch_line", "recording_counters"]

_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class RecordedEpoch:
    """One epoch of a recording. sky_known: whether a complete list of satellites in view had come by then."""

    fix: Fix
    sky_known: bool


def decode_recording(data: bytes, floor: UtcNs | None) -> Iterator[RecordedEpoch]:
    """The epochs of a recording, in order.

    Lines that start with "#" at the head of the file are a description and no receiver output. A recording has no arrival times, so
    epochs end where the time of day changes, and nothing in it can be trusted. floor: as for `GnssDecoder`.
    """
    decoder = GnssDecoder(floor)
    start = _header_length(data)
    sky_known = False
    for offset in range(start, len(data) + _CHUNK, _CHUNK):
        chunk = data[offset : offset + _CHUNK]
        events: list[Event] = decoder.feed(chunk, MonoNs(0)) if chunk else decoder.flush(MonoNs(0))
        for event in events:
            sky_known = sky_known or isinstance(event, Sky)
            if isinstance(event, Fix):
                yield RecordedEpoch(event, sky_known)


def recording_counters(data: bytes) -> Counters:
    """What a recording holds beside its epochs: sentences, faults, UBX frames."""
    decoder = GnssDecoder(None)
    decoder.feed(data[_header_length(data) :], MonoNs(0))
    decoder.flush(MonoNs(0))
    return decoder.counters


def epoch_dict(epoch: RecordedEpoch) -> dict[str, str | int | float | None]:
    """The JSON object of an epoch; null where the receiver has not said it.

    time: RFC 3339 in milliseconds, more digits only where the receiver sent them. lat, lon: degrees, north and east positive.
    """
    fix = epoch.fix
    digits = 3 if fix.time is None or fix.time % 1_000_000 == 0 else 9
    unsaid = fix.satellites_used == 0 and fix.mode >= FixMode.TWO_D  # no fix stands on no satellite
    return {
        "time": None if fix.time is None else rfc3339(fix.time, digits),
        "mode": int(fix.mode),
        "satellites_used": None if unsaid else fix.satellites_used,
        "satellites_seen": fix.satellites_seen if epoch.sky_known else None,
        "leap_seconds": fix.leap_seconds,
        "lat": None if fix.position is None else round(fix.position.latitude, 9),
        "lon": None if fix.position is None else round(fix.position.longitude, 9),
    }


def epoch_line(epoch: RecordedEpoch) -> str:
    """One line for a person."""
    told = {key: "-" if value is None else value for key, value in epoch_dict(epoch).items()}
    mode = ("unknown", "no fix", "2D", "3D")[epoch.fix.mode]
    place = f"{told['lat']:>14} {told['lon']:>14}"
    return f"{told['time']:<30} {mode:<8} used {told['satellites_used']:>3}  seen {told['satellites_seen']:>3}  {place}"


def _header_length(data: bytes) -> int:
    position = 0
    while data[position : position + 1] == b"#":
        end = data.find(b"\n", position)
        if end < 0:
            return len(data)
        position = end + 1
    return position
