"""Ethernet frames around requests, made and taken apart in Python, for the tests of the eBPF program."""

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["CLIENT4", "CLIENT6", "HERE4", "HERE6", "Frame", "Reply", "request"]

Address = IPv4Address | IPv6Address
HERE4, HERE6 = ip_address("192.0.2.1"), ip_address("2001:db8::1")
CLIENT4, CLIENT6 = ip_address("198.51.100.7"), ip_address("2001:db8:7::7")
_HERE, _THERE = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def request(version: int = 4, mode: int = 3, poll: int = 6, *, origin: int = 0, transmit: int = 0x0123456789ABCDEF) -> bytes:
    """48 octets as a client sends them."""
    return struct.pack(
        ">BBbb11I", version << 3 | mode, 0, poll, 32, *(0,) * 5, origin >> 32, origin & 0xFFFFFFFF, 0, 0, *divmod(transmit, 1 << 32)
    )[:48]


def ones_complement(data: bytes) -> int:
    """RFC 1071, before the final complement."""
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(total)


@dataclass(frozen=True)
class Frame:
    """A request's frame; what is None is made right."""

    payload: bytes
    source: Address = CLIENT4
    destination: Address = HERE4
    source_port: int = 40000
    port: int = 123
    checksum: int | None = None
    partial: bool = False
    """Whether the checksum is the pseudo header's only, as the kernel leaves it to a card."""
    udp_length: int | None = None
    ip_length: int | None = None
    ip_checksum: int | None = None
    version_length: int = 0x45
    service: int = 0
    ttl: int = 57
    fragment: int = 0
    protocol: int = 17
    vlan: int | None = None
    to: bytes = _HERE
    sender: bytes = _THERE
    tail: bytes = b""
    ethertype: int | None = None

    def with_source(self, source: Address) -> "Frame":
        """From another address, to ours of its version."""
        return replace(self, source=source, destination=HERE4 if source.version == 4 else HERE6)

    @property
    def octets(self) -> bytes:
        """As on the wire, without preamble and check sequence."""
        ip = self._ipv4() if self.source.version == 4 else self._ipv6()
        kind = self.ethertype or (0x0800 if self.source.version == 4 else 0x86DD)
        tag = b"" if self.vlan is None else struct.pack(">HH", 0x8100, self.vlan)
        return self.to + self.sender + tag + struct.pack(">H", kind) + ip + self._udp() + self.tail

    def _udp(self) -> bytes:
        length = 8 + len(self.payload) if self.udp_length is None else self.udp_length
        head = struct.pack(">HHH", self.source_port, self.port, length)
        pseudo = self.source.packed + self.destination.packed + struct.pack(">HH", 17, 8 + len(self.payload))
        checksum = self.checksum
        if checksum is None:
            whole = ones_complement(pseudo + head + b"\0\0" + self.payload)
            checksum = ones_complement(pseudo) if self.partial else (whole ^ 0xFFFF) or 0xFFFF
        return head + struct.pack(">H", checksum) + self.payload

    def _ipv4(self) -> bytes:
        length = 28 + len(self.payload) if self.ip_length is None else self.ip_length
        start = struct.pack(">BBHHHBB", self.version_length, self.service, length, 0x4242, self.fragment, self.ttl, self.protocol)
        addresses = self.source.packed + self.destination.packed
        checksum = ones_complement(start + b"\0\0" + addresses) ^ 0xFFFF if self.ip_checksum is None else self.ip_checksum
        return start + struct.pack(">H", checksum) + addresses + b"\1" * (4 * (self.version_length & 15) - 20)

    def _ipv6(self) -> bytes:
        length = 8 + len(self.payload) if self.ip_length is None else self.ip_length
        start = struct.pack(">IHBB", 0x60012345 | self.service << 20, length, self.protocol, self.ttl)
        return start + self.source.packed + self.destination.packed


@dataclass(frozen=True)
class Reply:
    """A reply's frame taken apart; everything about it that can be right or wrong without the request is checked."""

    to: bytes
    sender: bytes
    source: Address
    destination: Address
    source_port: int
    port: int
    payload: bytes

    @classmethod
    def read(cls, octets: bytes) -> "Reply":
        """Raises AssertionError for a wrong checksum or header."""
        kind = octets[12:14]
        ip = octets[14:]
        if kind == b"\x08\x00":
            assert ip[:12] == bytes.fromhex("4500004c00004000") + b"\x40\x11" + ip[10:12]
            assert ones_complement(ip[:20]) == 0xFFFF
            source, destination, rest = ip[12:16], ip[16:20], ip[20:]
        else:
            assert kind == b"\x86\xdd"
            assert ip[:8] == bytes.fromhex("6000000000381140")
            source, destination, rest = ip[8:24], ip[24:40], ip[40:]
        source_port, port, length, checksum = struct.unpack_from(">4H", rest)
        assert (length, len(rest)) == (56, 56)
        assert checksum != 0
        assert ones_complement(source + destination + struct.pack(">HH", 17, length) + rest) == 0xFFFF
        return cls(octets[:6], octets[6:12], ip_address(source), ip_address(destination), source_port, port, rest[8:])
