"""The wire codec: golden packets, the rules that split fields from MACs, round trips, and arbitrary octets."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stratum1.ntp import (
    ExtensionField,
    ExtensionOverrunError,
    ExtensionTooShortError,
    ExtensionUnalignedError,
    ForeignModeError,
    Mac,
    Mode,
    Packet,
    TrailingOctetsError,
    TruncatedHeaderError,
    UnalignedLengthError,
    UnencodablePacketError,
    UnsupportedVersionError,
    WireError,
    parse,
)
from stratum1.timescale import NtpShort, NtpTimestamp, from_rfc3339, ntp_timestamp, utc_from_ntp

GOLDEN = bytes.fromhex(
    "24 01 06 e9"  # leap 0, version 4, mode 4; stratum 1; poll 6; precision -23
    "00 00 00 00 00 00 00 01"  # root delay 0, root dispersion 2^-16 s
    "47 50 53 00"  # GPS
    "ea 0d 5f 00 80 00 00 00"  # reference
    "01 23 45 67 89 ab cd ef"  # origin
    "ea 0d 5f 01 00 00 00 00"  # receive
    "ea 0d 5f 01 00 00 10 00"  # transmit
)
HEADER = b"\x23" + bytes(47)  # version 4, mode 3


def field(length: int, kind: int = 0x0104, size: int | None = None) -> bytes:
    """An extension field that says `length` and holds `size` octets in all."""
    return kind.to_bytes(2, "big") + length.to_bytes(2, "big") + b"\xaa" * ((length if size is None else size) - 4)


def test_golden_server_packet_is_read_field_by_field() -> None:
    packet = parse(GOLDEN)
    assert (packet.leap, packet.version, packet.mode) == (0, 4, Mode.SERVER)
    assert (packet.stratum, packet.poll, packet.precision) == (1, 6, -23)
    assert (packet.root_delay, packet.root_dispersion, packet.refid) == (0, 1, b"GPS\0")
    assert packet.origin == 0x0123456789ABCDEF
    assert packet.transmit - packet.receive == 0x1000
    assert packet.extensions == ()
    assert packet.mac is None
    assert packet.to_bytes() == GOLDEN


def test_golden_timestamp_is_the_instant_that_rfc_5905_counts() -> None:
    # RFC 5905, figure 4: era 1 starts at 2036-02-07T06:28:16Z
    era_1 = from_rfc3339("2036-02-07T06:28:16Z")
    assert ntp_timestamp(era_1) == 0
    packet = Packet(4, Mode.SERVER, transmit=ntp_timestamp(from_rfc3339("2036-02-07T06:28:16.5Z")))
    assert packet.to_bytes()[40:48] == bytes.fromhex("00000000 80000000")
    assert utc_from_ntp(parse(packet.to_bytes()).transmit, near=era_1) == era_1 + 500_000_000


@pytest.mark.parametrize(
    ("rest", "fields", "digest"),
    [
        (b"", [], None),
        (bytes(4), [], b""),  # crypto-NAK
        (b"\0\0\0\7" + b"d" * 16, [], b"d" * 16),
        (b"\0\0\0\7" + b"d" * 20, [], b"d" * 20),
        (field(28), [28], None),
        (field(24) + b"\0\0\0\7" + b"d" * 16, [24], b"d" * 16),
        (field(16) + b"\0\0\0\7" + b"d" * 20, [16], b"d" * 20),
        (field(16) + field(28), [16, 28], None),
        (field(32) + field(40, 0x9999), [32, 40], None),
        (field(1024), [1024], None),
    ],
)
def test_version_4_rest_splits_into_fields_and_mac(rest: bytes, fields: list[int], digest: bytes | None) -> None:
    packet = parse(HEADER + rest)
    assert [len(one.value) + 4 for one in packet.extensions] == fields
    assert (packet.mac.digest if packet.mac else None) == digest
    assert packet.to_bytes() == HEADER + rest


@pytest.mark.parametrize(
    ("rest", "error"),
    [
        (b"\0\0\0\1", TrailingOctetsError),
        (bytes(8), TrailingOctetsError),
        (bytes(12), TrailingOctetsError),
        (field(16), TrailingOctetsError),  # the last field of a packet without MAC has 28 octets
        (field(28) + bytes(4), TrailingOctetsError),  # a crypto-NAK follows the header directly
        (field(28) + field(16), TrailingOctetsError),
        (field(0, size=28), ExtensionTooShortError),
        (field(12, size=28), ExtensionTooShortError),
        (field(26, size=28), ExtensionUnalignedError),
        (field(32, size=28), ExtensionOverrunError),
        (field(0xFFFC, size=28), ExtensionOverrunError),
        (b"\0", UnalignedLengthError),
        (bytes(22), UnalignedLengthError),
    ],
)
def test_version_4_rest_that_is_nothing_is_refused_by_name(rest: bytes, error: type[WireError]) -> None:
    with pytest.raises(error):
        parse(HEADER + rest)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("size", [4, 12, 20, 24, 36, 72, 1000])
def test_before_version_4_all_the_rest_is_mac(version: int, size: int) -> None:
    data = bytes([version << 3 | 3]) + bytes(47) + b"\0\0\0\5" + b"d" * (size - 4)
    packet = parse(data)
    assert packet.extensions == ()
    assert packet.mac == Mac(5, b"d" * (size - 4))
    assert packet.to_bytes() == data


@pytest.mark.parametrize("first", range(256))
def test_first_octet_decides_what_is_read(first: int) -> None:
    data = bytes([first]) + bytes(47)
    version, mode = first >> 3 & 7, first & 7
    if mode >= 6:
        with pytest.raises(ForeignModeError):
            parse(data)
    elif version in (0, 5, 6, 7):
        with pytest.raises(UnsupportedVersionError):
            parse(data)
    else:
        packet = parse(data)
        assert (packet.leap, packet.version, packet.mode) == (first >> 6, version, mode)


@pytest.mark.parametrize("size", range(48))
def test_part_of_a_header_is_truncated(size: int) -> None:
    with pytest.raises(TruncatedHeaderError):
        parse(HEADER[:size])


BODIES = st.integers(3, 40).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words))
DIGESTS = st.sampled_from([16, 20]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
TIMESTAMPS = st.integers(0, 2**64 - 1).map(NtpTimestamp)
SHORTS = st.integers(0, 2**32 - 1).map(NtpShort)
OCTETS = st.integers(-128, 127)


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    """Any packet that can be sent."""
    version = draw(st.integers(1, 4))
    mac = draw(st.none() | st.builds(Mac, st.integers(0, 2**32 - 1), DIGESTS))
    extensions: tuple[ExtensionField, ...] = ()
    if version == 4:
        extensions = tuple(draw(st.lists(st.builds(ExtensionField, st.integers(0, 0xFFFF), BODIES), max_size=4)))
        if mac is None and extensions and len(extensions[-1].value) < 24:
            extensions += (ExtensionField(0x0304, bytes(24)),)
    return Packet(
        version,
        mode=draw(st.integers(0, 5)),
        leap=draw(st.integers(0, 3)),
        stratum=draw(st.integers(0, 255)),
        poll=draw(OCTETS),
        precision=draw(OCTETS),
        root_delay=draw(SHORTS),
        root_dispersion=draw(SHORTS),
        refid=draw(st.binary(min_size=4, max_size=4)),
        reference=draw(TIMESTAMPS),
        origin=draw(TIMESTAMPS),
        receive=draw(TIMESTAMPS),
        transmit=draw(TIMESTAMPS),
        extensions=extensions,
        mac=mac,
    )


@settings(deadline=None)
@given(packets())
def test_what_is_sent_is_read_back(packet: Packet) -> None:
    assert parse(packet.to_bytes()) == packet


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda rest: HEADER + rest))
@example(b"")
@example(HEADER + field(28) * 2340)
@example(b"\x23" * 65_507)
def test_arbitrary_octets_are_a_packet_or_a_named_error(data: bytes) -> None:
    try:
        packet = parse(data)
    except WireError:
        return
    assert packet.to_bytes() == data


@pytest.mark.parametrize(
    ("packet", "named"),
    [
        (Packet(5, 3), "version"),
        (Packet(0, 3), "version"),
        (Packet(4, 6), "mode"),
        (Packet(4, 3, leap=4), "leap"),
        (Packet(4, 3, refid=b"GPS"), "refid"),
        (Packet(4, 3, stratum=256), "header"),
        (Packet(4, 3, poll=128), "header"),
        (Packet(4, 3, transmit=NtpTimestamp(2**64)), "header"),
        (Packet(3, 3, extensions=(ExtensionField(1, bytes(24)),)), "extensions"),
        (Packet(4, 3, extensions=(ExtensionField(1, bytes(12)),)), "extensions"),
        (Packet(4, 3, extensions=(ExtensionField(1, bytes(24)),), mac=Mac(0, b"")), "extensions"),
        (Packet(4, 3, extensions=(ExtensionField(1, bytes(25)),)), "extension field value"),
        (Packet(4, 3, extensions=(ExtensionField(1, bytes(65_532)),)), "extension field value"),
        (Packet(4, 3, extensions=(ExtensionField(65_536, bytes(24)),)), "extension field type"),
        (Packet(4, 3, mac=Mac(1, bytes(32))), "MAC"),
        (Packet(3, 3, mac=Mac(1, bytes(3))), "MAC"),
        (Packet(3, 3, mac=Mac(-1, bytes(16))), "MAC"),
    ],
)
def test_what_the_wire_cannot_carry_is_refused_by_name(packet: Packet, named: str) -> None:
    with pytest.raises(UnencodablePacketError, match=named):
        packet.to_bytes()
