"""One run of the set-up as a dialogue: it yields what to send and is sent what came of it. Pure; time and tries are the machine's."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum

from ._framer import UbxFrame
from ._setup_frames import FrameError, Value, encode_keys, frame, identity, ids, key_values, valset
from ._setup_items import Ask, Item, Keys, UnsuitableError
from ._setup_model import Identity, SetupState, SetupWish
from ._setup_plan import KEYED_FROM, TIMING_MODE, Step, nmea_off, plan, port_item, rate_item, time_messages

__all__ = ["Dialogue", "Kind", "Move", "Pause", "Rate", "Reply"]

_PORTS = {"uart1": 1, "uart2": 2, "usb": 3}
_BBR, _FLASH = 2, 4
_MOST_KEYS = 64  # in one VALSET
_SAVED = {
    "clearMask": bytes(4),
    "saveMask": bytes((0x1F, 0, 0, 0)),  # ports, messages, INF, navigation, receiver manager: the sections that hold our items
    "loadMask": bytes(4),
    "deviceMask": bytes((0x17,)),  # battery-backed RAM, flash, EEPROM, SPI flash; those that are not there are passed over
}


class Kind(Enum):
    """How an ask ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Reply:
    """content: of an answer that was wanted, else empty."""

    kind: Kind
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Rate:
    """The line goes on at this rate."""

    baud: int


Move = Ask | Pause | Rate
Talk = Generator[Move, Reply, bool]


class _LostError(Exception):
    """The receiver does not answer any more."""


@dataclass(slots=True)
class _Accepted:
    item: Item
    changed: bool


class Dialogue:
    """Identifies the receiver, brings each item to what is wanted, saves if asked to, looks over everything once more."""

    def __init__(self, wish: SetupWish, line_baud: int | None) -> None:
        """line_baud: bits per second of the line, None where it has none."""
        self._wish = wish
        self._line_baud = line_baud
        self._port = _PORTS[wish.port]
        self._silent = 0
        self.identity: Identity | None = None
        self.timing: bool | None = None
        self.accepted: list[_Accepted] = []
        self.refused: list[str] = []
        self.changed: list[str] = []

    @property
    def items(self) -> tuple[Item, ...]:
        """Those that the receiver keeps; the changed ones if there are any: what a restart takes away."""
        changed = tuple(each.item for each in self.accepted if each.changed)
        return changed or self.all_items

    @property
    def all_items(self) -> tuple[Item, ...]:
        """Everything that the receiver holds as wanted."""
        return tuple(each.item for each in self.accepted)

    def run(self) -> Generator[Move, Reply, SetupState]:
        """The whole dialogue; returns how it ended: SETTING if something was lost again meanwhile, so that it has to begin anew."""
        answer = yield from self._hello()
        if not answer:
            return SetupState.UNANSWERED
        if self.identity is None or self.identity.generation is None:
            return SetupState.UNKNOWN
        try:
            yield from self._everything(self.identity.generation)
            for each in self.accepted:
                if not (yield from self._look(each.item)):
                    return SetupState.SETTING
            if self._wish.save and self.changed:
                yield from self._save(self.identity.generation)
        except _LostError:
            return SetupState.FAILED
        return SetupState.PARTLY if self.refused else SetupState.DONE

    def watch(self, item: Item) -> Talk:
        """Whether the receiver still holds what is wanted; True too where it does not say."""
        self._silent = 0
        return (yield from self._look(item))

    def _look(self, item: Item) -> Talk:
        reply = yield from self._heard(item.reading())
        return reply.kind is not Kind.ANSWERED or _holds(item, reply.content)

    def _hello(self) -> Talk:
        def wants(answer: UbxFrame) -> bytes | None:
            found = identity(answer) if (answer.message_class, answer.message_id) == ids("MON-VER") else None
            if found is not None:
                self.identity = found
            return None if found is None else b"\1"

        reply = yield Ask(frame("MON-VER"), None, wants, tries=4)
        return reply.kind is Kind.ANSWERED

    def _everything(self, generation: int) -> Generator[Move, Reply, None]:
        wish = self._wish
        if generation < KEYED_FROM:
            yield from self._find_port()
        if wish.baud is not None and self._line_baud is not None and self._port != _PORTS["usb"]:
            yield from self._change_rate(rate_item(generation, self._port, wish))
        told = set()
        for step in plan(generation, wish, self._port):
            if (yield from self._bring(step)) and step.message:
                told.add(step.message)
        if wish.messages and wish.silence_nmea:
            lacking = set(time_messages(generation)) - told
            if lacking:
                self.refused.append(f"NMEA output: it stays on, since the receiver does not send {' and '.join(sorted(lacking))}")
            else:
                yield from self._bring(nmea_off(generation, wish, self._port))

    def _find_port(self) -> Generator[Move, Reply, None]:
        reply = yield from self._heard(port_item().reading())
        if reply.kind is Kind.ANSWERED and reply.content[0] in _PORTS.values():
            self._port = reply.content[0]

    def _heard(self, ask: Ask) -> Generator[Move, Reply, Reply]:
        """As asked; two asks in a row without any answer mean that the receiver is gone. Raises _LostError."""
        reply = yield ask
        self._silent = self._silent + 1 if reply.kind is Kind.SILENT else 0
        if self._silent >= 2:
            raise _LostError
        return reply

    def _bring(self, step: Step) -> Talk:
        """Bring one thing to what is wanted; False if it is refused or not known. Raises _LostError."""
        item, content = yield from self._read(step)
        if item is None:
            return False
        try:
            target = item.target(content)
        except (FrameError, UnsuitableError) as error:
            self.refused.append(f"{step.what}: {error}; it is left as it is")
            return False
        if target == content:
            self.accepted.append(_Accepted(item, False))
            return True
        return (yield from self._write(item, content, target))

    def _read(self, step: Step) -> Generator[Move, Reply, tuple[Item | None, bytes]]:
        """The first item that the receiver knows, and its content."""
        reply = Reply(Kind.REFUSED)
        for item in step.items:
            reply = yield from self._heard(item.reading())
            if reply.kind is Kind.REFUSED and isinstance(item, Keys) and item.divisible:
                item, reply = yield from self._divide(item)  # noqa: PLW2901 - the same item, with the keys that there are
            if reply.kind is Kind.ANSWERED:
                if step.what == TIMING_MODE:
                    self.timing = True
                return item, reply.content
        if step.what == TIMING_MODE:
            self.timing = False if reply.kind is Kind.REFUSED else None
        if not step.items[0].optional or reply.kind is Kind.SILENT:
            said = "the receiver does not know it" if reply.kind is Kind.REFUSED else "the receiver does not say what it is set to"
            self.refused.append(f"{step.what}: {said}; it is left as it is")
        return None, b""

    def _divide(self, item: Keys) -> Generator[Move, Reply, tuple[Keys, Reply]]:
        """The item with those of its keys that the receiver knows, found one by one."""
        values: dict[str, Value] = {}
        for key in item.keys:
            reply = yield from self._heard(item.only(key).reading())
            if reply.kind is Kind.ANSWERED:
                values |= key_values(reply.content)
        if not values:
            return item, Reply(Kind.REFUSED)
        return item.only(*values), Reply(Kind.ANSWERED, encode_keys(values))

    def _write(self, item: Item, before: bytes, target: bytes) -> Talk:
        """Write, read back, and put back what was there where it is not taken. Raises _LostError, having tried to put it back."""
        try:
            reply = yield from self._heard(item.writing(target, before))
            held = yield from self._read_back(item)
        except _LostError:
            yield item.writing(before, target)  # it may hear us, although we don't hear it
            raise
        if held is not None and _holds(item, held):
            self.accepted.append(_Accepted(item, True))
            self.changed.append(item.what)
            return True
        why = {
            Kind.ANSWERED: "the receiver takes it and then holds something else",
            Kind.REFUSED: "the receiver refuses it (NAK)",
            Kind.SILENT: "the receiver does not acknowledge it",
        }[reply.kind]
        self.refused.append(f"{item.what}: {why}; {(yield from self._put_back(item, before, target, held))}")
        return False

    def _read_back(self, item: Item) -> Generator[Move, Reply, bytes | None]:
        """What it holds now, None where it does not say. Asked twice if it is wrong: the first may be a late answer of before."""
        held = None
        for _ in range(2):
            reply = yield from self._heard(item.reading())
            if reply.kind is not Kind.ANSWERED:
                return held
            held = reply.content
            if _holds(item, held):
                break
            yield Pause(0.5)
        return held

    def _put_back(self, item: Item, before: bytes, target: bytes, held: bytes | None) -> Generator[Move, Reply, str]:
        if held == before:
            return "it is left as it was"
        yield from self._heard(item.writing(before, target))
        reply = yield from self._heard(item.reading())
        if reply.kind is Kind.ANSWERED and reply.content == before:
            return "what was there is put back"
        return "what was there was sent again, and the receiver does not confirm it"

    def _change_rate(self, item: Item) -> Generator[Move, Reply, None]:
        """Both ends change together: the receiver may say so at the new rate, at the old or not at all, so it is asked who it is."""
        baud, before = self._wish.baud, self._line_baud
        reply = yield from self._heard(item.reading())
        if baud is None or before is None or reply.kind is not Kind.ANSWERED:
            self.refused.append("baud rate: the receiver does not say what it is set to; it is left as it is")
            return
        target = item.target(reply.content)
        if target == reply.content:
            return
        ask = item.writing(target, reply.content)
        reply = yield Ask(ask.data, ask.acknowledged, timeout=0.4, tries=1)
        if reply.kind is Kind.REFUSED:
            self.refused.append(f"baud rate: the receiver refuses {baud} (NAK); it is left as it was")
            return
        for rate in (baud, before):
            yield Rate(rate)
            yield Pause(0.3)
            if (yield from self._hello()):
                break
        else:
            raise _LostError
        if rate == baud:
            self._line_baud = baud
            self.changed.append("baud rate")
        else:
            self.refused.append(f"baud rate: the receiver is not heard at {baud}; it is left as it was")

    def _save(self, generation: int) -> Generator[Move, Reply, None]:
        """Keep it over a loss of power: only after something was changed, so that flash is not worn by every start."""
        if generation < KEYED_FROM:
            reply = yield from self._heard(Ask(frame("CFG-CFG", b"".join(_SAVED.values())), ids("CFG-CFG")))
            if reply.kind is not Kind.ANSWERED:
                self.refused.append("saving: the receiver keeps nothing; all of it is set until the power is lost")
            return
        values = yield from self._values()
        kept = not values
        for layer, part in ((layer, part) for layer in (_BBR, _FLASH) for part in _parts(values)):
            reply = yield from self._heard(Ask(valset(layer, part), ids("CFG-VALSET")))
            kept = kept or reply.kind is Kind.ANSWERED
        if not kept:  # one of the two is enough: many modules have no flash
            self.refused.append("saving: the receiver keeps nothing; all of it is set until the power is lost")

    def _values(self) -> Generator[Move, Reply, dict[str, Value]]:
        """What is set now, by key."""
        values: dict[str, Value] = {}
        for each in self.accepted:
            reply = yield from self._heard(each.item.reading())
            if reply.kind is Kind.ANSWERED:
                values |= key_values(reply.content)
        return values


def _holds(item: Item, content: bytes) -> bool:
    """Whether the content is as wanted."""
    try:
        return item.target(content) == content
    except (FrameError, UnsuitableError):
        return False


def _parts(values: dict[str, Value]) -> Iterator[dict[str, Value]]:
    pairs = list(values.items())
    for start in range(0, len(pairs), _MOST_KEYS):
        yield dict(pairs[start : start + _MOST_KEYS])
