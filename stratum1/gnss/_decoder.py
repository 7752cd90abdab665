"""Serial bytes in, GNSS events out: ties framer, sentences, UBX messages, calendar and epochs together."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stratum1.timescale import NS, ROLLOVER_WEEKS, MonoNs, UtcNs, rfc3339

from ._calendar import CONFIRMATIONS, Calendar, Dated, Trust
from ._epoch import Epoch, Used
from ._framer import Frame, Framer, NmeaFrame, Reject, UbxFrame
from ._satellites import Gsv, SkyRounds
from ._sentences import Gsa, Nav, SentenceError, decode_sentence
from ._ubx_messages import OTHER_UBX, parse_ubx
from ._ubx_reader import UbxReader
from .events import Event, FixMode, Health, Satellite, Sky, TimeMark

__all__ = ["Counters", "GnssDecoder"]

_SILENCE_NS = NS // 2
_MAX_ADDRESSES = 64
_OTHER = "other"
_SKY_LASTS_NS = 30 * NS


@dataclass(frozen=True, slots=True)
class Counters:
    """What came over the line since the start: sentences by talker and kind ("other": not decoded) and UBX messages by name
    ("UBX-NAV-PVT"; "UBX-other": not decoded), faults, UBX frames in all.
    """

    sentences: Mapping[str, int]
    rejects: Mapping[Reject, int]
    ubx_frames: int


class GnssDecoder:
    """Decodes a receiver's NMEA and UBX; one for each line, fed in order.

    floor: no true date lies before it (the daemon's build date); None leaves dates as sent. repair: move dates before the floor by
    whole multiples of 1024 weeks; when off they stand as sent, an alarm says so, and they are never trusted. protocol: what is
    believed, "nmea", "ubx" or both ("auto"); frames of the other kind are counted only.

    `TimeMark` comes at once with each sentence that names a time of day, once a date is known. `Sky` and `Fix` come when their epoch
    is over: a sentence with another time of day (or one that was said already) begins the next, or half a second passes without
    a byte, which `poll` notices where no byte comes any more.

    A leap second, 23:59:60, gets the number of the second after it, as POSIX counts. The date of an RMC without a fix is not used.

    Where UBX says that the receiver is not certain of the leap seconds yet (it starts with the count that its firmware knows), no time
    is trusted, in NMEA neither: the same receiver makes both.
    """

    def __init__(self, floor: UtcNs | None, repair: bool = True, protocol: str = "auto") -> None:
        self._framer = Framer()
        self._calendar = Calendar(floor, repair)
        self._trust = Trust()
        self._sky = SkyRounds()
        self._used = Used()
        self._epoch: Epoch | None = None
        self._told: Epoch | None = None
        self._last_at: MonoNs | None = None
        self._claim = False
        self._alarm: tuple[int, bool] = (0, False)
        self._sentences: Counter[str] = Counter()
        self._rejects: Counter[Reject] = Counter()
        self._nmea = protocol != "ubx"
        self._reader = UbxReader() if protocol != "nmea" else None
        self._ubx_sky: tuple[tuple[Satellite, ...], MonoNs] | None = None
        self._ubx_sky_fresh = False
        self._ubx = 0

    @property
    def counters(self) -> Counters:
        """A snapshot of the counters; they survive `reset`."""
        rejects = self._rejects + Counter(self._framer.rejects)
        return Counters(MappingProxyType(dict(self._sentences)), MappingProxyType(dict(rejects)), self._ubx)

    def reset(self) -> None:
        """The line was closed and opened again, perhaps with another receiver behind it: forget everything but the counters."""
        self._framer.reset()
        self._calendar.reset()
        self._trust.reset()
        self._sky = SkyRounds()
        self._used = Used()
        self._epoch = self._told = self._last_at = self._ubx_sky = None
        self._claim = self._ubx_sky_fresh = False
        self._reader = UbxReader() if self._reader is not None else None

    def feed(self, data: bytes, at_ns: MonoNs) -> list[Event]:
        """Take what one read returned at `at_ns` (which never goes back)."""
        events = self.poll(at_ns)
        if data:
            self._last_at = at_ns
        for frame in self._framer.feed(data, at_ns):
            events += self._frame(frame)
        return events

    def expect_leap(self, at: UtcNs | None) -> None:
        """The instant right after the next leap second, None where none is known: a second's jump there is no reason for distrust."""
        self._trust.leap = at

    def poll(self, at_ns: MonoNs) -> list[Event]:
        """It is `at_ns` now: end the epoch if the line has been silent for half a second."""
        if self._last_at is None or at_ns - self._last_at <= _SILENCE_NS:
            return []
        return self._end_epoch(self._last_at)

    def flush(self, at_ns: MonoNs) -> list[Event]:
        """The stream ends: end the running epoch and count the unfinished frame."""
        events: list[Event] = []
        for frame in self._framer.flush():
            events += self._frame(frame)
        return events + self._end_epoch(at_ns)

    def _frame(self, frame: Frame) -> list[Event]:
        if isinstance(frame, UbxFrame):
            self._ubx += 1
            return self._message(frame, self._reader) if self._reader is not None else []
        return self._sentence(frame)

    def _message(self, frame: UbxFrame, reader: UbxReader) -> list[Event]:
        try:
            message = parse_ubx(frame)
            self._count(f"UBX-{message.name}" if message else OTHER_UBX)
            told = reader.read(message, frame, self._calendar.estimate(frame.at_ns)) if message else None
            if told is None:
                return []
            if told.satellites is not None:
                self._ubx_sky, self._ubx_sky_fresh = (told.satellites, frame.at_ns), True
            nav = told.nav
            if nav is None:
                return told.events
            return told.events + (self._gather(nav, frame.at_ns) if nav.tod_ns is None else self._timed(nav, frame.at_ns))
        except SentenceError as error:
            self._rejects[error.reason] += 1
            return []

    def _certain(self, at_ns: MonoNs) -> bool:
        """Whether nothing was said against the leap seconds in the receiver's UTC lately."""
        return self._reader is None or self._reader.certain(at_ns)

    def _sentence(self, frame: NmeaFrame) -> list[Event]:
        if not self._nmea:
            self._count(_OTHER)
            return []
        try:
            sentence = decode_sentence(frame)
            self._count(frame.text[1:6] if sentence else _OTHER)
            if isinstance(sentence, Nav) and sentence.tod_ns is not None:
                return self._timed(sentence, frame.at_ns)
        except SentenceError as error:
            self._rejects[error.reason] += 1
            return []
        if isinstance(sentence, Nav) and not sentence.address.endswith("VTG"):
            return self._gather(sentence, frame.at_ns)
        if isinstance(sentence, Gsa):
            self._used.add(sentence)
        elif isinstance(sentence, Gsv):
            self._sky.add(sentence)
        return []

    def _count(self, address: str) -> None:
        known = address in self._sentences or len(self._sentences) < _MAX_ADDRESSES
        self._sentences[address if known else _OTHER] += 1

    def _timed(self, nav: Nav, at_ns: MonoNs) -> list[Event]:
        assert nav.tod_ns is not None
        own = nav.date is not None and nav.valid is not False
        dated = self._calendar.date(nav.date, nav.tod_ns, at_ns) if own and nav.date else self._calendar.place(nav.tod_ns, at_ns)
        events = self._gather(nav, at_ns)
        if nav.valid is not None:
            self._claim = nav.valid
        epoch = self._epoch or self._told
        if dated is None or epoch is None:
            return events
        epoch.date(dated, own)
        believed = self._certain(at_ns) and not (dated.stale or epoch.contradiction)
        trusted = believed and self._trust.agrees(dated.utc, epoch.at_ns, epoch.leap)
        mark = TimeMark(at_ns, dated.utc, nav.address, self._claim, trusted, dated.rollovers)
        return [*events, mark]

    def _gather(self, nav: Nav, at_ns: MonoNs) -> list[Event]:
        """Give a sentence to its epoch, which may be over already (told after a silence) or may have to begin."""
        events: list[Event] = []
        if self._epoch is not None and not self._epoch.takes(nav):
            events = self._end_epoch(at_ns)
        if self._epoch is None:
            named = nav.tod_ns is not None or nav.detail is not None
            if self._told is not None and named and self._told.takes(nav):
                self._told.addresses.add(nav.address)
                return events
            self._epoch = Epoch(at_ns, nav.tod_ns if nav.tod_ns is not None or nav.detail is None else nav.detail.key_ns)
        self._epoch.add(nav)
        return events

    def _end_epoch(self, at_ns: MonoNs) -> list[Event]:
        epoch, self._epoch = self._epoch, None
        if epoch is None and not self._sky.fresh and not self._ubx_sky_fresh:
            return []
        events: list[Event] = []
        satellites, fresh = self._satellites(at_ns)
        if fresh:
            events.append(Sky(at_ns, satellites))
        if epoch is None:
            return events
        if epoch.dated is not None:
            events += self._judge(epoch, epoch.dated)
        elif not self._trust.trusted:
            self._trust.reset()
        trusted = self._trust.trusted and epoch.dated is not None and self._certain(at_ns)
        leap_seconds, holds = (self._reader.leap_seconds, self._reader.holds_position) if self._reader is not None else (None, False)
        events.append(epoch.fix(self._used, len(satellites), trusted, leap_seconds, holds))
        self._used = Used()
        self._told = epoch
        return events

    def _satellites(self, at_ns: MonoNs) -> tuple[tuple[Satellite, ...], bool]:
        """The satellites in view, and whether they were told anew: those of UBX, where it tells them, are the whole sky in one message."""
        fresh, self._ubx_sky_fresh = self._ubx_sky_fresh, False
        if self._ubx_sky is not None and at_ns - self._ubx_sky[1] <= _SKY_LASTS_NS:
            self._sky.settle()
            return self._ubx_sky[0], fresh
        fresh = self._sky.fresh
        self._sky.settle()
        return self._sky.satellites(self._used.satellites), fresh

    def _judge(self, epoch: Epoch, dated: Dated) -> list[Event]:
        """Account for the epoch's time; tell what a person should know about it."""
        trusted = self._trust.trusted
        error = self._trust.error_ns(dated.utc, epoch.at_ns, epoch.leap)
        if dated.stale or epoch.contradiction:
            self._trust.doubt()
        fix = epoch.mode(self._used) >= FixMode.TWO_D
        usable = fix and not dated.stale and not epoch.contradiction and self._certain(epoch.at_ns)
        self._trust.update(dated.utc, epoch.at_ns, epoch.leap, usable)
        events = self._rollover(epoch.at_ns, dated)
        if trusted and not self._trust.trusted:
            jump = "its sentences disagree about the date" if epoch.contradiction else f"its time jumped by {(error or 0) / NS:+.3f} s"
            text = f"The receiver is not believed until {CONFIRMATIONS} consecutive fixes agree: {jump}."
            events.append(Health(epoch.at_ns, "date", alarm=True, text=text))
        elif self._trust.trusted and not trusted:
            events.append(Health(epoch.at_ns, "date", alarm=False, text=f"{CONFIRMATIONS} consecutive fixes agree about the date."))
        return events

    def _rollover(self, at_ns: MonoNs, dated: Dated) -> list[Event]:
        state = (dated.rollovers, dated.stale)
        if state == self._alarm:
            return []
        self._alarm = state
        if dated.stale:
            text = f"The receiver's date, {rfc3339(dated.utc, 0)}, lies before this program was built and repair is off: it is not used."
        elif dated.rollovers:
            weeks = dated.rollovers * ROLLOVER_WEEKS
            text = f"The receiver's date is {weeks} weeks behind (GPS week rollover); it is repaired to {rfc3339(dated.utc, 0)}."
        else:
            text = "The receiver's date needs no repair any more."
        return [Health(at_ns, "week-rollover", alarm=any(state), text=text)]
