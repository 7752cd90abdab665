"""A service under test: its settings, its tables and its chance in one place."""

import struct
from dataclasses import dataclass, field
from ipaddress import ip_network

from served_states import LOCKED, NOW

from stratum1.interchange import TimeState
from stratum1.ntp import KeyKind, Mode, Packet, SymmetricKey, parse
from stratum1.nts.aead import Aead, Sealer
from stratum1.nts.cookies import CookieJar, Session
from stratum1.nts.keyring import KeyRing, MasterKey
from stratum1.server import Outcome, Responder, Sender, Smear
from stratum1.server._tables import Tables
from stratum1.server.service import AccessAction, AccessRule, ListenerSettings, ServiceSettings
from stratum1.timescale import NS, NtpTimestamp, UtcNs

RECEIVED = UtcNs(NOW + 5 * NS + 123)
SENT = UtcNs(RECEIVED + 30_000)
HERE = Sender(bytes((192, 0, 2, 7)), 40_000)
HERE6 = Sender(bytes.fromhex("20010db8000000010000000000000007"), 40_000)
KEYS = {
    number: SymmetricKey(number, kind, bytes([number]) * {KeyKind.AES128: 16, KeyKind.AES256: 32}.get(kind, 9))
    for number, kind in enumerate(KeyKind, 1)
}
RING = KeyRing(MasterKey(2, b"m" * 32), (MasterKey(1, b"l" * 32), MasterKey(2, b"m" * 32)), frozenset({9}))
REQUEST = Packet(4, Mode.CLIENT, poll=6, precision=32, transmit=NtpTimestamp(0xFEDCBA9876543210)).to_bytes()


def rule(network: str, action: AccessAction) -> AccessRule:
    """One access rule."""
    return AccessRule(ip_network(network), action)


@dataclass
class Desk:
    """Asks a responder. chance: the octets that it draws one after the other, zeros when they are used up; drawn: how it drew."""

    service: ServiceSettings = field(default_factory=ServiceSettings)
    listener: ListenerSettings = field(default_factory=ListenerSettings)
    state: TimeState = LOCKED
    smear: Smear = Smear.NONE
    chance: bytes = b""
    drawn: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tables = Tables.of(self.service)
        self.responder = Responder(self.state, self.service, self.listener, self.tables, self.smear)

    def entropy(self, octets: int) -> bytes:
        """Random octets as `chance` has them."""
        self.drawn.append(octets)
        given, self.chance = self.chance[:octets], self.chance[octets:]
        return given.ljust(octets, b"\0")

    def ask(self, request: bytes, sender: Sender = HERE, received: UtcNs = RECEIVED, sent: UtcNs = SENT) -> Outcome:
        """The outcome of one datagram."""
        return self.responder.reply(request, sender, received, sent, self.entropy)

    def answer(self, request: bytes = REQUEST, sender: Sender = HERE, received: UtcNs = RECEIVED, sent: UtcNs = SENT) -> Packet:
        """The reply as a packet; there has to be one."""
        octets = self.ask(request, sender, received, sent).reply
        assert octets is not None
        return parse(octets)


def extension(kind: int, value: bytes) -> bytes:
    """The octets of one field, of version 4 or 5."""
    return struct.pack("!HH", kind, 4 + len(value)) + value + bytes(-len(value) % 4)


UID = extension(0x0104, bytes(range(32)))


@dataclass(frozen=True)
class NtsClient:
    """A client that has keys: makes requests and reads replies, by nothing of what the server uses but the ciphers."""

    aead: Aead = Aead.AES_SIV_CMAC_256
    version5: bool = False

    @property
    def session(self) -> Session:
        """The keys of this client."""
        return Session(self.aead, bytes(range(self.aead.key_length)), bytes(range(90, 90 + self.aead.key_length)), self.version5)

    @property
    def cookie(self) -> bytes:
        """A cookie of the server with these keys."""
        return CookieJar(RING).seal(self.session, b"c" * 16)

    def sealed(self, clear: bytes, text: bytes = b"", nonce: bytes | None = None, more: int = 0) -> bytes:
        """A packet with its authenticator. more: octets of additional padding."""
        nonce = b"n" * self.aead.nonce_length if nonce is None else nonce
        ciphertext = Sealer(self.aead, self.session.c2s).seal(nonce, (clear,), text)
        value = struct.pack("!HH", len(nonce), len(ciphertext)) + nonce + bytes(-len(nonce) % 4)
        return clear + extension(0x0404, value + ciphertext + bytes(-len(ciphertext) % 4 + more))

    def request(self, placeholders: int = 0, head: bytes = REQUEST, inner: bytes = b"") -> bytes:
        """A request as RFC 8915 has it."""
        return self.sealed(head + UID + extension(0x0204, self.cookie) + placeholders * self.placeholder, inner)

    @property
    def placeholder(self) -> bytes:
        """One field that asks for one more cookie."""
        return extension(0x0304, bytes(len(self.cookie)))

    def cookies(self, reply: bytes, clear: int = 48 + len(UID)) -> list[bytes]:
        """The new cookies in an authentic reply, whose authenticator begins at octet `clear`."""
        kind, length, nonce, size = struct.unpack_from("!HHHH", reply, clear)
        assert (kind, clear + length) == (0x0404, len(reply))
        sealed = reply[clear + 8 + nonce : clear + 8 + nonce + size]
        text = Sealer(self.aead, self.session.s2c).open(reply[clear + 8 : clear + 8 + nonce], (reply[:clear],), sealed)
        assert text is not None, "the reply is not authentic"
        assert not any(reply[clear + 8 + nonce + size :]), "padding is zeros"
        each = 4 + len(self.cookie)
        fields = [text[at : at + each] for at in range(0, len(text), each)]
        assert all(one[:4] == struct.pack("!HH", 0x0204, each) for one in fields)
        return [one[4:] for one in fields]
