"""Requests for differential tests: valid ones of every kind, the same ones damaged, and arbitrary octets; all from one seed.

A `Scene` is a server's settings and state; a `Maker` makes requests for it and is told of each reply, so that it can go on from there
(interleaved mode, rate limit).
"""

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from generated_scenes import Scene

from stratum1.ntp import FieldKind, SymmetricKey
from stratum1.nts.aead import Aead
from stratum1.nts.cookies import Session, cookie_length, seal_cookie
from stratum1.nts.keyring import MasterKey
from stratum1.server import Sender
from stratum1.timescale import NS, UtcNs

__all__ = ["Asked", "Maker"]

DRAFT = b"draft-ietf-ntp-ntpv5-09"
_LENGTHS = struct.Struct("!HH")


class Asked(NamedTuple):
    """A datagram and when it came; sent: when its reply will leave."""

    request: bytes
    sender: Sender
    received: UtcNs
    sent: UtcNs


class _Earlier(NamedTuple):
    """A reply that somebody got."""

    sender: Sender
    reply: bytes


@dataclass
class Maker:
    """Makes requests for a scene, one after the other, a little later each; some at served times at which replies change (edges)."""

    scene: Scene
    chance: random.Random
    now: int
    earlier: list[_Earlier] = field(default_factory=list)
    saved: list[_Earlier] = field(default_factory=list)
    edges: tuple[int, ...] = ()
    cookies: dict[tuple[Session, MasterKey], bytes] = field(default_factory=dict)

    def make(self) -> Asked:
        """The next request."""
        chance = self.chance
        self.now += chance.choice((0, 1, 1_000, 40_000, 1_000_000, 30_000_000, NS))
        kinds: Sequence[Callable[[], tuple[bytes, Sender]]] = (
            *(self._plain, self._interleaved, self._interleaved, self._with_fields, self._with_mac, self._with_mac),
            *(self._nts, self._nts, self._nts, self._version_5, self._version_5, self._arbitrary),
        )
        request, sender = chance.choice(kinds)()
        if chance.random() < 0.3:
            request = self._damaged(request)
        hold = chance.choice((0, 1, 300_000, NS, NS + 1, -1, -NS)) if chance.random() < 0.1 else 20_000
        received = self.now
        if chance.random() < 0.05 and self.edges:
            received = chance.choice(self.edges) - chance.choice((0, hold, hold, hold)) + chance.choice((0, 0, -1, 1))
        elif chance.random() < 0.01:  # as a clock that is wrong by centuries would have it
            received = chance.choice((0, -1, -NS, 1 << 61, -(1 << 61), chance.randrange(1 << 62)))
        return Asked(request, sender, UtcNs(received), UtcNs(received + hold))

    def answered(self, asked: Asked, reply: bytes | None, saved: int | None) -> None:
        """Tell of a reply, which later requests go on from."""
        if reply is not None:
            kept = self.earlier if saved is None else self.saved
            kept.append(_Earlier(asked.sender, reply))
            del kept[:-10]

    def _sender(self) -> Sender:
        chance = self.chance
        if chance.random() < 0.01 and self.scene.listener.own:
            return Sender(*chance.choice(sorted(self.scene.listener.own)))
        port = chance.choice((123, 40_000 + chance.randrange(4), 0)) if chance.random() < 0.1 else 40_000
        return Sender(chance.choice(self.scene.addresses), port)

    def _header(self, version: int = 4, mode: int = 3) -> bytearray:
        chance = self.chance
        header = bytearray(48)
        header[0] = chance.randrange(4) << 6 | version << 3 | mode
        header[1:3] = chance.choice((b"\0\6", b"\0\x0a", chance.randbytes(2)))
        if chance.random() < 0.5:
            header[3:24] = chance.choice((chance.randbytes(21), b"\x20" + bytes(12) + b"NTP5DRFT"))
        header[40:48] = chance.randbytes(8)
        if chance.random() < 0.2:
            header[24:40] = chance.randbytes(16)
        return header

    def _old(self) -> bytearray:
        """A header of versions 1 to 4, mostly of a client, sometimes of a mode that is not answered."""
        version = self.chance.choice((1, 2, 3, 4, 4, 4))
        mode = 0 if version == 1 and self.chance.random() < 0.5 else self.chance.choice((3, 3, 3, 3, 3, 1, self.chance.randrange(8)))
        return self._header(version, mode)

    def _plain(self) -> tuple[bytes, Sender]:
        return bytes(self._old()), self._sender()

    def _interleaved(self) -> tuple[bytes, Sender]:
        """A request that goes on from an earlier reply: interleaved, basic, or not quite."""
        chance = self.chance
        kept = self.saved if self.saved and chance.random() < 0.8 else self.earlier
        if not kept:
            return self._plain()
        sender, reply = chance.choice(kept)
        version = reply[0] >> 3 & 7
        header = self._header(version) if version else self._header()
        header[24:32] = reply[chance.choice((32, 32, 32, 40)) :][:8]
        header[32:40] = chance.choice((reply[40:48], chance.randbytes(8), header[40:48]))
        if version == 5:
            header[13] = chance.choice((0, 1, 3))
            header[14:16] = b"\0\2"
            header[16:24] = reply[chance.choice((16, 32)) :][:8]
            return bytes(header + self._draft()), sender
        tail = b"" if chance.random() < 0.7 or version != 4 else self._identifier()
        return bytes(header) + tail, sender if chance.random() < 0.9 else self._sender()

    def _identifier(self) -> bytes:
        return self._field(
            FieldKind.UNIQUE_IDENTIFIER, self.chance.randbytes(28 if self.chance.random() < 0.03 else self.chance.choice((32, 36, 64)))
        )

    def _field(self, kind: int, value: bytes) -> bytes:
        return _LENGTHS.pack(kind, 4 + len(value)) + value

    def _draft(self) -> bytes:
        text = DRAFT if self.chance.random() < 0.95 else self.chance.choice((DRAFT[:-1] + b"8", DRAFT + b"\0", b""))
        return _LENGTHS.pack(0xF5FF, 4 + len(text)) + text + bytes(-len(text) % 4)

    def _with_fields(self) -> tuple[bytes, Sender]:
        chance = self.chance
        packet = bytes(self._header(4, chance.choice((3, 3, 3, 1))))
        for _ in range(chance.randrange(1, 4)):
            packet += chance.choice(
                (
                    self._identifier(),
                    self._field(
                        chance.choice((0x0002, 0x0102, 0x8102, 0x2005, chance.randrange(1 << 16))), bytes(chance.choice((12, 24, 60)))
                    ),
                    self._field(0xF5FF, DRAFT + chance.choice((b"\0", b"\0", b"x"))),
                )
            )
        return packet, self._sender()

    def _key(self) -> SymmetricKey | None:
        keys = list(self.scene.service.keys.values())
        return self.chance.choice(keys) if keys else None

    def _with_mac(self) -> tuple[bytes, Sender]:
        chance, packet = self.chance, bytes(self._old())
        version = packet[0] >> 3 & 7
        if version == 4 and chance.random() < 0.4:
            packet += self._identifier()
        odd, key = chance.random(), self._key()
        if odd < 0.1:
            return packet + chance.choice((bytes(4), bytes(20), chance.randbytes(4) + bytes(16), chance.randbytes(72))), self._sender()
        if key is None or odd < 0.2:
            return packet + chance.randbytes(chance.choice((4, 20, 24, 36))), self._sender()
        cut, whole = key.kind.lengths
        length = cut if version == 4 or chance.random() < 0.5 else whole
        digest = key.digest(packet if odd < 0.9 else packet + b"x")[: length if odd < 0.97 else length - 4]
        return packet + key.key_id.to_bytes(4, "big") + digest, self._sender()

    def _master(self) -> MasterKey:
        ring = self.scene.service.nts
        if ring is None or self.chance.random() < 0.04:
            return MasterKey(self.chance.choice((self.scene.expired, 0x123456)), bytes(range(32)))
        return self.chance.choice((*ring.accepted, ring.current))

    def _cookie(self, session: Session) -> bytes:
        """A cookie for a session, at times made wrong."""
        master = self._master()
        if (session, master) not in self.cookies:
            self.cookies[session, master] = seal_cookie(master, session, self.chance.randbytes(16))
        cookie = self.cookies[session, master]
        if self.chance.random() < 0.04:
            cookie = self.chance.choice((cookie[:-4], cookie + bytes(4), cookie[:3] + b"\x07" + cookie[4:], cookie[:-1] + b"!", b""))
        return cookie

    def _placeholders(self, count: int, length: int) -> list[bytes]:
        if self.chance.random() < 0.05:
            length += 4
        return [self._field(FieldKind.NTS_PLACEHOLDER, bytes(length)) for _ in range(count)]

    def _authenticator(self, session: Session, covered: bytes, text: bytes) -> bytes:
        """The field that makes a request out of what it covers, its nonce and padding sometimes unusual."""
        chance = self.chance
        nonce = chance.randbytes(session.aead.nonce_length)
        if chance.random() < 0.1:
            nonce = chance.randbytes(chance.choice((0, 1, 8, 12, 13, 20, 33)))
        room = chance.choice((0, 0, 0, 4, 16, 400))
        cipher = self.scene.sealer(session)
        if not nonce or (session.aead is Aead.AES_128_GCM_SIV and len(nonce) != 12):
            sealed = chance.randbytes(16 + len(text))
        else:
            sealed = cipher.seal(nonce, (covered,), text)
        value = _LENGTHS.pack(len(nonce), len(sealed)) + nonce + bytes(-len(nonce) % 4) + sealed + bytes(-len(sealed) % 4) + bytes(room)
        return self._field(FieldKind.NTS_AUTHENTICATOR, value)

    def _nts_fields(self, version5: bool) -> tuple[Session, list[bytes], bytes]:
        """A session, the fields in clear and the text to encrypt of a request of NTS."""
        chance = self.chance
        session = chance.choice([session for session in self.scene.sessions if session.version5 is version5 or chance.random() < 0.02])
        fields = [self._field(FieldKind.NTS_COOKIE, self._cookie(session))]
        length = cookie_length(session.aead)
        fields += self._placeholders(chance.choice((8, 9)) if chance.random() < 0.05 else chance.choice((0, 0, 0, 1, 2, 5, 7)), length)
        if chance.random() < 0.1:
            fields.append(self._field(chance.choice((0x0104, 0x0204, 0x2005)), chance.randbytes(chance.choice((12, 32, length)))))
        chance.shuffle(fields)
        inside = self._placeholders(chance.choice((0, 0, 0, 0, 0, 0, 1, 3)), length) + [self._field(0x0204, b"")] * (chance.random() < 0.1)
        text = b"".join(inside) + (b"\0\1\0\3" if chance.random() < 0.03 else b"")
        return session, [self._identifier()] * (chance.random() < 0.97) + fields, text

    def _nts(self) -> tuple[bytes, Sender]:
        chance = self.chance
        session, fields, text = self._nts_fields(version5=False)
        if self.earlier and chance.random() < 0.2:
            packet, sender = self._interleaved()
            packet = packet[:48]
        else:
            packet, sender = bytes(self._header(4, 3 if chance.random() < 0.95 else 1)), self._sender()
        packet += b"".join(fields)
        if chance.random() < 0.97:
            packet += self._authenticator(session, packet, text)
        if chance.random() < 0.1:
            packet += chance.choice((self._identifier(), chance.randbytes(24), bytes(4)))
        return packet, sender

    def _version_5(self) -> tuple[bytes, Sender]:
        """A request of version 5 with any of its fields, with a MAC, NTS or neither."""
        chance = self.chance
        header = self._header(5)
        header[4:12] = bytes(8)
        header[12:16] = bytes((chance.choice((0, 0, 1, 2, 3)), chance.randrange(3), 0, chance.choice((0, 0, 1, 2, 3))))
        header[16:24] = bytes(8) if chance.random() < 0.8 else chance.randbytes(8)
        header[32:48] = bytes(16)
        fields = [self._draft()] if chance.random() < 0.98 else []
        fields += [self._field_5() for _ in range(chance.randrange(5))]
        end = chance.random()
        if end < 0.3:
            session, more, text = self._nts_fields(version5=True)
            fields += more
            chance.shuffle(fields)
            packet = bytes(header) + b"".join(fields)
            return packet + self._authenticator(session, packet, text), self._sender()
        if chance.random() < 0.5:
            chance.shuffle(fields)
        packet, key = bytes(header) + b"".join(fields), self._key()
        if end < 0.5 and key is not None:
            digest = key.digest(packet if end < 0.45 else packet + b"x")[: key.kind.lengths[0]]
            packet += self._field(0xF502, key.key_id.to_bytes(4, "big") + digest)
        return packet, self._sender()

    def _field_5(self) -> bytes:
        chance = self.chance
        sizes = {0xF501: 24, 0xF503: 16, 0xF504: 16, 0xF505: 4, 0xF506: 24, 0xF507: 8, 0xF508: 12, 0xF509: 12, 0x0104: 32, 0xF502: 20}
        kind = chance.choice((*sizes, 0x2005))
        value = bytearray(sizes.get(kind, 8) if chance.random() < 0.85 else chance.randrange(70))
        if kind in (0xF503, 0xF506, 0xF509) or chance.random() < 0.3:
            value[:2] = chance.randbytes(2) if chance.random() < 0.3 else bytes((chance.randrange(4), chance.choice((0, 16, 240))))
            value[4:] = chance.randbytes(max(0, len(value) - 4))
        return _LENGTHS.pack(kind, 4 + len(value)) + bytes(value) + bytes(-len(value) % 4)

    def _arbitrary(self) -> tuple[bytes, Sender]:
        chance = self.chance
        size = chance.choice((0, 1, 47, 48, 49, 52, 68, 72, 96, 2044, 2048, 2049, 2052, chance.randrange(1400)))
        if chance.random() < 0.01:
            size = chance.randrange(1 << 16)
        octets = bytearray(chance.randbytes(size))
        if octets and chance.random() < 0.7:
            octets[0] = chance.choice((0x23, 0x1B, 0x0B, 0x08, 0x2B, 0x21, 0xE3))
        return bytes(octets), self._sender()

    def _damaged(self, request: bytes) -> bytes:
        """The request with some of its bits, octets, lengths or fields changed."""
        chance, octets = self.chance, bytearray(request)
        how = chance.randrange(6)
        if how == 0 and octets:
            for _ in range(chance.randrange(1, 5)):
                octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        elif how == 1:
            del octets[chance.randrange(len(octets) + 1) & chance.choice((-1, -4)) :]
        elif how == 2:
            octets += chance.randbytes(chance.choice((1, 4, 8, 20, 24, 28, 60)))
        elif len(octets) > 56:
            return bytes(octets[:48] + self._rearranged(octets[48:], how))
        return bytes(octets)

    def _rearranged(self, rest: bytearray, how: int) -> bytearray:
        """What follows a header with a field doubled, left out or given another length."""
        starts, at = [], 0
        while at + 4 <= len(rest):
            starts.append(at)
            at += max(4, int.from_bytes(rest[at + 2 : at + 4], "big") + 3 & -4)
        start = self.chance.choice(starts)
        length = int.from_bytes(rest[start + 2 : start + 4], "big")
        end = min(len(rest), start + max(4, length + 3 & -4))
        if how == 3:
            return rest[:end] + rest[start:end] + rest[end:]
        if how == 4:
            return rest[:start] + rest[end:]
        changed = length + self.chance.choice((-4, -1, 1, 4, -length, 1 << 15)) & 0xFFFF
        return rest[: start + 2] + changed.to_bytes(2, "big") + rest[start + 4 :]
