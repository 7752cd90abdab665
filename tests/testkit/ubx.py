"""UBX frames for tests, and what the decoder makes of them."""

from typing import Any, TypeVar

from pyubx2 import UBXMessage

from stratum1.gnss import GnssDecoder
from stratum1.gnss.events import Event
from stratum1.timescale import NS, MonoNs, from_rfc3339

_Event = TypeVar("_Event")
FLOOR = from_rfc3339("2017-01-01")
NOON = from_rfc3339("2026-03-01T12:00:00Z")  # a Sunday: the week of GPS begins 18 s before midnight
WEEK = 2408
GOOD: dict[str, Any] = {"validDate": 1, "validTime": 1, "fullyResolved": 1, "fixType": 3, "gnssFixOk": 1, "numSV": 9, "tAcc": 21}
PLACE: dict[str, Any] = {"lat": 46.92389, "lon": 7.46444, "hMSL": 563000, "height": 612600, "hAcc": 1500, "pDOP": 1.4}


def itow(second: int) -> int:
    return (12 * 3600 + second + 18) * 1000


def ubx(kind: str, **fields: Any) -> bytes:
    return bytes(UBXMessage(kind[:3], kind, 0, **fields).serialize())


def raw(group: int, identity: int, payload: bytes) -> bytes:
    return bytes(UBXMessage(bytes((group,)), bytes((identity,)), 0, payload=payload).serialize())


def pvt(second: int, /, **other: Any) -> bytes:
    day = {"year": 2026, "month": 3, "day": 1, "hour": 12, "min": second // 60, "second": second % 60}
    return ubx("NAV-PVT", **{"iTOW": itow(second), **day, **GOOD, **PLACE, **other})


def rmc(second: int) -> bytes:
    body = f"GNRMC,12{second // 60:02d}{second % 60:02d}.00,A,4655.43340,N,00727.86640,E,0.0,,010326,,,A,V".encode()
    check = 0
    for byte in body:
        check ^= byte
    return b"$%b*%02X\r\n" % (body, check)


def run(*chunks: bytes, protocol: str = "auto", late: float = 0.1) -> tuple[list[Event], GnssDecoder]:
    """Each chunk is what a receiver sends in one second."""
    decoder, events = GnssDecoder(FLOOR, protocol=protocol), []
    for second, chunk in enumerate(chunks):
        events += decoder.feed(chunk, MonoNs(round((second + late) * NS)))
    events += decoder.flush(MonoNs(len(chunks) * NS))
    return events, decoder


def of(kind: type[_Event], events: list[Event]) -> list[_Event]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def tim_tp(second: float, error: int = 0, **other: Any) -> bytes:
    fields = {"towMS": itow(0) - 18_000 + round(second * 1000), "week": WEEK, "qErr": error, "timeBase": 1, "utc": 1, **other}
    return ubx("TIM-TP", **fields)


def mon_rf(*blocks: tuple[int, int]) -> bytes:
    payload = bytes((0, len(blocks), 0, 0))
    for number, (jamming, antenna) in enumerate(blocks):
        payload += bytes((number, jamming, antenna, 1)) + bytes(8) + (87).to_bytes(2, "little") + (4095).to_bytes(2, "little")
        payload += bytes((33, 0, 0, 0, 0)) + bytes(3)
    return raw(0x0A, 0x38, payload)


def frame_tail(group: int, identity: int, payload: bytes) -> bytes:
    body = bytes((group, identity)) + len(payload).to_bytes(2, "little") + payload
    a = b = 0
    for byte in body:
        a = (a + byte) & 0xFF
        b = (b + a) & 0xFF
    return body + bytes((a, b))
