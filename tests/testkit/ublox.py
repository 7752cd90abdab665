"""A simulated u-blox receiver as far as its configuration goes: generations 6 to 10, acknowledgements, messages each second. Pure."""

import heapq
import struct
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from pyubx2 import UBX_CONFIG_DATABASE, UBX_MSGIDS

from stratum1.gnss import Framer, UbxFrame
from stratum1.gnss.setup import ChangeRate, Send, SetupMachine, SetupNote
from stratum1.timescale import NS, MonoNs

__all__ = ["BOOT_TEXT", "Bench", "Ublox", "ubx"]

_IDS = {name: (key[0], key[1]) for key, name in UBX_MSGIDS.items()}
_NAMES = {value: name for name, value in _IDS.items()}
BOOT_TEXT = b"$GNTXT,01,01,02,u-blox AG - www.u-blox.com*4E\r\n"
_RMC = b"$GPRMC,202640.000,A,4404.1306,N,12118.8515,W,0.03,225.97,130415,,,D*73\r\n"

_VERSIONS = {
    6: ("7.03 (45969)", "00040007", ()),
    7: ("1.00 (59842)", "00070000", ("PROTVER 14.00", "GPS;SBAS;GLO;QZSS")),
    8: (
        "EXT CORE 3.01 (111141)",
        "00080000",
        ("ROM BASE 2.01 (75331)", "FWVER=TIM 1.10", "PROTVER=22.00", "MOD=NEO-M8T-0", "GPS;GLO;GAL;BDS"),
    ),
    9: ("EXT CORE 1.00 (71b20c)", "00190000", ("ROM BASE 0x118B2060", "FWVER=TIM 2.20", "PROTVER=29.20", "MOD=ZED-F9T")),
    10: ("ROM SPG 5.10 (7b202e)", "000A0000", ("FWVER=SPG 5.10", "PROTVER=34.10", "MOD=MAX-M10S")),
}
_SIZES = {"L": 1, "U": 0, "I": 0, "E": 0, "R": 0}


def ubx(name: str, payload: bytes = b"") -> bytes:
    """A frame with its checksum, made without the program's own code."""
    body = bytes(_IDS[name]) + struct.pack("<H", len(payload)) + payload
    a = b = 0
    for byte in body:
        a = (a + byte) & 0xFF
        b = (b + a) & 0xFF
    return b"\xb5\x62" + body + bytes((a, b))


def _key(name: str) -> int:
    return int(UBX_CONFIG_DATABASE[name][0])


_KEY_NAMES = {value[0]: name for name, value in UBX_CONFIG_DATABASE.items()}
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}


def _keys_of(generation: int, timing: bool) -> dict[str, bytes]:
    """Default values, as bytes, of the items that we have to do with."""
    named = {
        "CFG_RATE_MEAS": 1000,
        "CFG_RATE_NAV": 1,
        "CFG_NAVSPG_DYNMODEL": 0,
        "CFG_TP_PULSE_LENGTH_DEF": 1,
        "CFG_TP_PERIOD_TP1": 1_000_000,
        "CFG_TP_PERIOD_LOCK_TP1": 1_000_000,
        "CFG_TP_LEN_LOCK_TP1": 100_000,
        "CFG_TP_ANT_CABLEDELAY": 50,
        "CFG_UART1_BAUDRATE": 38400,
        **dict.fromkeys(("CFG_UART1OUTPROT_UBX", "CFG_UART1OUTPROT_NMEA", "CFG_USBOUTPROT_UBX", "CFG_USBOUTPROT_NMEA"), 1),
    }
    zero = ["PULSE_DEF", "LEN_TP1", *(f"{x}_TP1" for x in ("SYNC_GNSS", "USE_LOCKED", "ALIGN_TO_TOW", "TIMEGRID", "POL")), "TP1_ENA"]
    named |= {f"CFG_TP_{name}": 0 for name in zero}
    for constellation in ("GPS", "GAL", "BDS", "QZSS", "GLO", "SBAS"):
        named[f"CFG_SIGNAL_{constellation}_ENA"] = 1
    messages = ["NAV_PVT", "NAV_SAT", "NAV_STATUS", "NAV_TIMELS", "TIM_TP", "MON_RF", "SEC_SIG"]
    messages += (["TIM_SVIN"] if timing else []) + (["NAV_SVIN"] if timing and generation == 9 else [])
    named |= {f"CFG_MSGOUT_UBX_{name}_{port}": 0 for name in messages for port in ("UART1", "USB")}
    if timing:
        tmode = ("MODE", "POS_TYPE", "SVIN_MIN_DUR", "SVIN_ACC_LIMIT", "FIXED_POS_ACC")
        named |= {f"CFG_TMODE_{name}": 0 for name in (*tmode, *(f"ECEF_{axis}{hp}" for axis in "XYZ" for hp in ("", "_HP")))}
    return {name: value.to_bytes(_WIDTHS[_key(name) >> 28 & 7], "little") for name, value in named.items()}


def _legacy_of(generation: int, timing: bool, old: bool) -> dict[tuple[str, bytes], bytes]:
    """Payloads by message and what tells several of a kind apart."""
    uart = struct.pack("<BxHIIHHHxx", 1, 0, 0x8D0, 9600, 7, 3, 0)
    usb = struct.pack("<BxHIIHHHxx", 3, 0, 0, 0, 7, 3, 0)
    content = {
        ("CFG-PRT", b"\1"): uart,
        ("CFG-PRT", b"\3"): usb,
        ("CFG-RATE", b""): struct.pack("<HHH", 1000, 1, 1),
        ("CFG-NAV5", b""): bytes.fromhex("ffff000300000000102700000500fa00fa0064002c010000000000000000000000000000"),
    }
    if old:
        content["CFG-TP", b""] = struct.pack("<IIbBBxhhi", 1_000_000, 100_000, 1, 1, 0, 50, 0, 0)
    else:
        content["CFG-TP5", b""] = struct.pack("<BBxxhhIIIIiI", 0, 1, 50, 0, 1_000_000, 1_000_000, 0, 100_000, 0, 0xF7)
    if generation == 6:
        content["CFG-SBAS", b""] = bytes.fromhex("0103030000000000")
        if timing:
            content["CFG-TMODE" if old else "CFG-TMODE2", b""] = bytes(28)
    else:
        blocks = [(0, 8, 16, 0x01010001), (1, 1, 3, 0x01010000), (5, 0, 3, 0x01010001), (6, 8, 14, 0x01010001)]
        blocks += [(2, 4, 8, 0x01010000), (3, 8, 16, 0x01010000), (4, 0, 8, 0x03010000)] if generation == 8 else []
        content["CFG-GNSS", b""] = bytes((0, 32, 32, len(blocks))) + b"".join(struct.pack("<BBBxI", *block) for block in blocks)
        if timing:
            content["CFG-TMODE2", b""] = bytes(28)
    for name in _messages_of(generation, timing):
        content["CFG-MSG", bytes(_IDS[name])] = bytes(_IDS[name]) + bytes(6)
    return content


def _messages_of(generation: int, timing: bool) -> list[str]:
    names = ["NAV-STATUS", "TIM-TP", "MON-HW", "NAV-TIMEUTC", "NAV-SOL", "NAV-SVINFO"] + (["TIM-SVIN"] if timing else [])
    return names + (["NAV-PVT"] if generation >= 7 else []) + (["NAV-SAT", "NAV-TIMELS"] if generation >= 8 else [])


@dataclass
class Ublox:
    """timing: a timing module. old: firmware 6 of generation 6, which knows CFG-TP and CFG-TMODE.

    refuses: messages (legacy) or keys whose writing is answered by NAK; ignores: acknowledged, but not taken; clamps: taken wrongly once;
    mute: answers nothing; unacknowledged: writes are taken and not acknowledged. delay: seconds until an answer leaves.
    polls_acknowledged: as real receivers do.
    """

    generation: int
    timing: bool = True
    old: bool = False
    port: str = "uart1"
    refuses: frozenset[str] = frozenset()
    ignores: frozenset[str] = frozenset()
    clamps: frozenset[str] = frozenset()
    unacknowledged: frozenset[str] = frozenset()
    no_flash: bool = False
    deaf_to_baud: bool = False
    mute: bool = False
    delay: float = 0.05
    polls_acknowledged: bool = True
    line_baud: int = 0
    writes: list[str] = field(default_factory=list)
    saves: list[str] = field(default_factory=list)
    polls: int = 0

    def __post_init__(self) -> None:
        self._framer = Framer()
        self.legacy = _legacy_of(self.generation, self.timing, self.old) if self.generation <= 8 else {}
        self.keys = _keys_of(self.generation, self.timing) if self.generation >= 9 else {}
        self._defaults = deepcopy((self.legacy, self.keys))
        self._saved: tuple[dict[tuple[str, bytes], bytes], dict[str, bytes]] | None = None
        self._second = 0
        self.line_baud = self.baud

    @property
    def baud(self) -> int:
        """Of its UART."""
        if self.generation >= 9:
            return int.from_bytes(self.keys["CFG_UART1_BAUDRATE"], "little")
        return int.from_bytes(self.legacy["CFG-PRT", b"\1"][8:12], "little")

    def reboot(self) -> bytes:
        """Power was lost for a moment: what was not saved is gone. Its first words."""
        self.legacy, self.keys = deepcopy(self._saved or self._defaults)
        self._framer.reset()
        return BOOT_TEXT

    def feed(self, data: bytes) -> bytes:
        """What it answers to these bytes."""
        if self.mute or self.line_baud != self.baud:
            return b""
        return b"".join(self._answer(each) for each in self._framer.feed(data, MonoNs(0)) if isinstance(each, UbxFrame))

    def second(self) -> bytes:
        """What it sends by itself in the next second."""
        self._second += 1
        if self.line_baud != self.baud:
            return b"\xf8\x00\x80" * 20
        port = self._port_number
        out = _RMC if self._sends("NMEA") else b""
        for name in [*_messages_of(8, True), "MON-RF", "SEC-SIG", "NAV-SVIN"]:
            if self.generation >= 9:
                rate = self.keys.get(f"CFG_MSGOUT_UBX_{name.replace('-', '_')}_{self.port.upper()}", b"\0")[0]
            else:
                rate = self.legacy.get(("CFG-MSG", bytes(_IDS[name])), bytes(8))[2 + port]
            if rate and self._second % rate == 0 and self._sends("UBX"):
                out += ubx(name, bytes(92))
        return out

    @property
    def _port_number(self) -> int:
        return {"uart1": 1, "usb": 3}[self.port]

    def _sends(self, protocol: str) -> bool:
        if self.generation >= 9:
            return self.keys[f"CFG_{self.port.upper()}OUTPROT_{protocol}"] == b"\1"
        mask = self.legacy["CFG-PRT", bytes([self._port_number])][14]
        return bool(mask & (1 if protocol == "UBX" else 2))

    def _answer(self, frame: UbxFrame) -> bytes:
        name = _NAMES.get((frame.message_class, frame.message_id), "")
        payload = frame.payload
        if name == "MON-VER" and not payload:
            software, hardware, extensions = _VERSIONS[self.generation]
            rows = [software.encode().ljust(30, b"\0"), hardware.encode().ljust(10, b"\0")]
            if not self.timing:
                extensions = tuple(row.replace("TIM", "SPG").replace("M8T-0", "M8N-0").replace("ZED-F9T", "NEO-M9N") for row in extensions)
            return ubx(name, b"".join(rows + [row.encode().ljust(30, b"\0") for row in extensions]))
        if not name.startswith("CFG-"):
            return b""
        if name == "CFG-VALGET":
            return self._valget(payload)
        if name == "CFG-VALSET":
            return self._valset(payload)
        if self.generation >= 9:
            return self._nak(name)
        if name == "CFG-CFG":
            self.saves.append("all")
            self._saved = deepcopy((self.legacy, self.keys))
            return self._ack(name)
        return self._legacy_poll(name, payload) if self._is_poll(name, payload) else self._legacy_set(name, payload)

    def _ack(self, name: str) -> bytes:
        return ubx("ACK-ACK", bytes(_IDS[name]))

    def _nak(self, name: str) -> bytes:
        return ubx("ACK-NAK", bytes(_IDS[name]))

    def _is_poll(self, name: str, payload: bytes) -> bool:
        return len(payload) <= (2 if name == "CFG-MSG" else 1 if name == "CFG-PRT" else 0)

    def _place(self, name: str, payload: bytes) -> tuple[str, bytes]:
        if name == "CFG-MSG":
            return name, payload[:2]
        if name == "CFG-PRT":
            return name, payload[:1] or bytes([self._port_number])
        return name, b""

    def _legacy_poll(self, name: str, payload: bytes) -> bytes:
        self.polls += 1
        content = self.legacy.get(self._place(name, payload))
        if content is None:
            return self._nak(name)
        return ubx(name, content) + (self._ack(name) if self.polls_acknowledged else b"")

    def _legacy_set(self, name: str, payload: bytes) -> bytes:
        place = self._place(name, payload)
        content = self.legacy.get(place)
        label = _NAMES.get((payload[0], payload[1]), name) if name == "CFG-MSG" else name
        self.writes.append(label)
        if content is None or len(content) != len(payload) or label in self.refuses:
            return self._nak(name)
        if label not in self.ignores:
            self._store(name, place, payload, label)
        return b"" if label in self.unacknowledged else self._ack(name)

    def _store(self, name: str, place: tuple[str, bytes], payload: bytes, label: str) -> None:
        before = self.legacy[place]
        if name == "CFG-NAV5":  # the mask says which fields count
            payload = before[:2] + (payload[2:3] if payload[0] & 1 else before[2:3]) + before[3:]
        if name == "CFG-PRT" and self.deaf_to_baud:
            payload = payload[:8] + before[8:12] + payload[12:]
        if label in self.clamps:
            self.clamps -= {label}
            wrong = {"CFG-MSG": 3, "CFG-TP5": 28, "CFG-GNSS": 8, "CFG-NAV5": 2}.get(name, 0)
            payload = bytes(byte ^ 0x0F if index == wrong else byte for index, byte in enumerate(payload))
        self.legacy[place] = payload

    def _valget(self, payload: bytes) -> bytes:
        self.polls += 1
        keys = [_KEY_NAMES.get(key, "") for (key,) in struct.iter_unpack("<I", payload[4:])]
        if payload[:2] != b"\0\0" or len(keys) > 64 or any(key not in self.keys for key in keys):
            return self._nak("CFG-VALGET")
        data = b"".join(struct.pack("<I", _key(key)) + self.keys[key] for key in keys)
        return ubx("CFG-VALGET", b"\1\0\0\0" + data) + self._ack("CFG-VALGET")

    def _valset(self, payload: bytes) -> bytes:
        values = dict(self._items(payload[4:]))
        layers = payload[1]
        if layers == 1:
            self.writes += sorted(values)
        if not values or layers not in (1, 2, 4) or any(key not in self.keys for key in values) or self.refuses & values.keys():
            return self._nak("CFG-VALSET")
        if layers == 4 and self.no_flash:
            return self._nak("CFG-VALSET")
        if layers > 1:
            self.saves.append({2: "bbr", 4: "flash"}[layers])
            self._saved = ({}, {**(self._saved or self._defaults)[1], **values})
            return self._ack("CFG-VALSET")
        for key, value in values.items():
            if key not in self.ignores and not (key.endswith("BAUDRATE") and self.deaf_to_baud):
                self.keys[key] = bytes(byte ^ 0x55 for byte in value) if key in self.clamps else value
                self.clamps -= {key}
        return b"" if self.unacknowledged & values.keys() else self._ack("CFG-VALSET")

    @staticmethod
    def _items(data: bytes) -> Iterator[tuple[str, bytes]]:
        place = 0
        while place < len(data):
            (key,) = struct.unpack_from("<I", data, place)
            width = _WIDTHS[key >> 28 & 7]
            yield _KEY_NAMES.get(key, ""), data[place + 4 : place + 4 + width]
            place += 4 + width


class Bench:
    """A machine and a receiver on a line in virtual time; `mangle` may change what the receiver says."""

    def __init__(self, machine: SetupMachine, receiver: Ublox, mangle: Callable[[bytes], bytes] = lambda data: data) -> None:
        self.machine, self.receiver, self.mangle = machine, receiver, mangle
        self.now = MonoNs(NS)
        self.notes: list[SetupNote] = []
        self.sent = 0
        self.sends: list[tuple[MonoNs, bytes]] = []
        self._coming: list[tuple[int, int, bytes]] = []
        self._order = 0
        self._next_second = self.now + NS
        self._script: list[tuple[int, Callable[[], bytes]]] = []

    def at(self, seconds: float, action: Callable[[], bytes]) -> None:
        """Something happens to the receiver at that time from now; what it returns is sent."""
        self._script.append((self.now + round(seconds * NS), action))

    def open(self, baud: int | None = None) -> None:
        """The line is opened."""
        self._do(self.machine.opened(self.receiver.line_baud if baud is None else baud, self.now))

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.now + round(seconds * NS)
        while True:
            due = [end, self._next_second]
            due += [self.machine.deadline] if self.machine.deadline is not None else []
            due += [self._coming[0][0]] if self._coming else []
            due += [min(when for when, _ in self._script)] if self._script else []
            self.now = MonoNs(max(self.now, min(due)))
            if self.now >= end:
                return
            self._happen()

    def _happen(self) -> None:
        for entry in [entry for entry in self._script if entry[0] <= self.now]:
            self._script.remove(entry)
            self._say(entry[1](), 0.0)
        if self._next_second <= self.now:
            self._next_second += NS
            self._say(self.receiver.second(), 0.0)
        while self._coming and self._coming[0][0] <= self.now:
            data = self.mangle(heapq.heappop(self._coming)[2])
            for start in range(0, len(data), 64):
                self._do(self.machine.feed(data[start : start + 64], self.now))
        if self.machine.deadline is not None and self.machine.deadline <= self.now:
            self._do(self.machine.tick(self.now))

    def _say(self, data: bytes, delay: float) -> None:
        if data:
            self._order += 1
            heapq.heappush(self._coming, (self.now + round(delay * NS), self._order, data))

    def _do(self, actions: list[Send | ChangeRate | SetupNote]) -> None:
        for action in actions:
            if isinstance(action, SetupNote):
                self.notes.append(action)
            elif isinstance(action, ChangeRate):
                self.receiver.line_baud = action.baud
            else:
                self.sent += len(action.data)
                self.sends.append((self.now, action.data))
                self._say(self.receiver.feed(action.data), self.receiver.delay)
