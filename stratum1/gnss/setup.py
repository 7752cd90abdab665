"""Brings a u-blox receiver of generations 6 to 10 to a wanted state, and keeps it there. Pure: bytes and the time in, actions out.

What is there is read first, and only what differs is written, acknowledged and read back; what the receiver refuses is put back and
told, and the rest goes on. A receiver that does not answer is left untouched. Tries, time and bytes are bounded, and so is how often
it begins anew after the receiver was started again.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import replace

from stratum1.timescale import NS, MonoNs

from ._framer import Framer, UbxFrame
from ._setup_dialogue import Dialogue, Kind, Move, Pause, Rate, Reply
from ._setup_frames import ACK, NAK, ids
from ._setup_items import Ask
from ._setup_model import (
    CONSTELLATIONS,
    MESSAGES,
    Action,
    ChangeRate,
    Constellation,
    Identity,
    Mode,
    Port,
    Send,
    SetupNote,
    SetupReport,
    SetupState,
    SetupWish,
    ecef,
)
from ._setup_plan import time_messages

__all__ = [
    "CONSTELLATIONS",
    "MESSAGES",
    "Action",
    "ChangeRate",
    "Constellation",
    "Identity",
    "Mode",
    "Port",
    "Send",
    "SetupMachine",
    "SetupNote",
    "SetupReport",
    "SetupState",
    "SetupWish",
    "ecef",
]

_MOST_BYTES = 16_384
"""Sent in one run; a whole set-up takes some 3000."""
_MOST_RUNS, _IN = 6, 3600 * NS
"""Runs in a time: a receiver that starts anew again and again is let alone after them."""
_GRACE = 0.3
"""Seconds after an answer in which its acknowledgement may still come; the oldest firmware sends none for a poll."""
_SETTLE = 1.0
"""Seconds without asking after an ask that was repeated: its other answers must not be taken for those of the next."""
_AGAIN = (10.0, 60.0)
"""Seconds until the next try after one that ended without an answer."""
_WATCH = 60.0
_LOST = 10.0
"""Seconds without the message that tells the time, while others come."""
_BOOT = 2.0
"""Seconds that a receiver needs after its first words."""
_FIRST_WORDS = b"u-blox AG"
"""In the text that a receiver sends when it starts (NMEA TXT or UBX-INF-NOTICE)."""


_WELL = (SetupState.DONE, SetupState.PARTLY)


class SetupMachine:
    """Fed by the shell that owns the line: `opened` and `closed`, `feed` with all bytes, `tick` at `deadline`.

    Each returns what the shell is to do, in order. Not thread-safe.
    """

    def __init__(self, wish: SetupWish) -> None:
        self._wish = wish
        self._baud: int | None = None
        self._framer = Framer()
        self._dialogue = Dialogue(wish, None)
        self._talk: Generator[Move, Reply, SetupState] | Generator[Move, Reply, bool] | None = None
        self._watching = False
        self._ask: Ask | None = None
        self._tries = self._sent = self._failures = 0
        self._answer: bytes | None = None
        self._acknowledged = False
        self._settled_at = MonoNs(0)
        self._runs: deque[MonoNs] = deque(maxlen=_MOST_RUNS)
        self._told: set[str] = set()
        self._turn = 0
        self._tail = b""
        self._main = b""
        self._main_at = MonoNs(0)
        self._actions: list[Action] = []
        self.deadline: MonoNs | None = None
        """When `tick` is to be called; None: not until something else happens."""
        self.report = SetupReport()
        """As of now, for people."""

    def opened(self, baud: int | None, now: MonoNs) -> list[Action]:
        """The line is open, at this rate (None: it has none), and the receiver is to be set up."""
        self.closed()
        self._baud = baud
        self._failures = 0
        self._told.clear()
        self._begin(now)
        return self._done()

    def closed(self) -> None:
        """The line is gone: whatever was under way is over."""
        if self.report.state in _WELL:
            self._runs.clear()
        if self._talk is not None:
            self._talk.close()
        self._talk = self._ask = self.deadline = None
        self._framer.reset()
        self._tail = b""
        self.report = replace(self.report, state=SetupState.WAITING)

    def unwritable(self, why: str) -> list[Action]:
        """The line takes no bytes: the receiver is left as it is until the line is opened again."""
        self.closed()
        self.report = replace(self.report, state=SetupState.UNWRITABLE)
        return [SetupNote(True, f"the receiver can't be set up: its line takes no bytes ({why})")]

    def feed(self, data: bytes, now: MonoNs) -> list[Action]:
        """What the receiver sent."""
        if self._talk is None:
            self._overhear(data, now)
            return self._done()
        if _FIRST_WORDS in data and not self._watching:
            self._restart(now, "it was started anew while it was set up")
            return self._done()
        for frame in self._framer.feed(data, now):
            if isinstance(frame, UbxFrame):
                self._take(frame, now)
        return self._done()

    def tick(self, now: MonoNs) -> list[Action]:
        """The deadline has come (called earlier, nothing happens)."""
        if self.deadline is None or now < self.deadline:
            return []
        if self._talk is None:
            self._wake(now)
        elif self._ask is None:
            self._advance(Reply(Kind.ANSWERED), now)
        elif self._answer is not None:
            self._resolve(Reply(Kind.ANSWERED, self._answer), now)
        elif self._tries < self._ask.tries:
            self._send(self._ask, now)
        else:
            self._resolve(Reply(Kind.SILENT), now)
        return self._done()

    def _done(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    def _begin(self, now: MonoNs) -> None:
        """A run from its start, if there were not too many."""
        if self._exhausted(now):
            return
        self._runs.append(now)
        self._sent = 0
        self._watching = False
        self._framer.reset()
        self._dialogue = Dialogue(self._wish, self._baud)
        self._talk = self._dialogue.run()
        self._state(SetupState.ASKING)
        self._advance(None, now)

    def _exhausted(self, now: MonoNs) -> bool:
        """Whether there were too many runs; then it is told, and the next one waits."""
        if len(self._runs) < _MOST_RUNS or now - self._runs[0] >= _IN:
            return False
        if self.deadline != self._runs[0] + _IN:
            self._tell(True, "the receiver loses what it is set to again and again; it is let alone for an hour")
        self.deadline = MonoNs(self._runs[0] + _IN)
        self._state(SetupState.FAILED)
        return True

    def _wake(self, now: MonoNs) -> None:
        """Between two runs: try again what did not end well, or look whether all is still there."""
        items = self._dialogue.items
        if self.report.state not in _WELL or not items:
            self._begin(now)
            return
        self._turn += 1
        self._sent = 0
        self._watching = True
        self._talk = self._dialogue.watch(items[self._turn % len(items)])
        self._advance(None, now)

    def _overhear(self, data: bytes, now: MonoNs) -> None:
        """Cheaply, between two runs: was the receiver started anew?"""
        text = self._tail + data
        self._tail = text[-len(_FIRST_WORDS) :]
        if self.report.state not in (*_WELL, SetupState.UNANSWERED, SetupState.FAILED):
            return
        if _FIRST_WORDS in text:
            self._tail = b""
            self._restart(now, "it was started anew")
        elif self._main and self._main in text:
            self._main_at = now
        elif self._main and now - self._main_at > _LOST * NS:
            self._restart(now, "it has stopped sending what it was told to")

    def _restart(self, now: MonoNs, why: str) -> None:
        if self._talk is not None:
            self._talk.close()
        self._talk = self._ask = None
        self._main = b""
        if self._exhausted(now):
            return
        self._state(SetupState.ASKING)
        self._tell(False, f"the receiver is set up again: {why}")
        self.deadline = _after(now, _BOOT)

    def _advance(self, reply: Reply | None, now: MonoNs) -> None:
        """Go on with the dialogue until it waits for something or ends."""
        self._ask = None
        while self._talk is not None:
            try:
                move = self._talk.send(reply) if reply is not None else next(self._talk)
            except StopIteration as end:
                self._talk = None
                self._end(end.value, now)
                return
            if self._dialogue.identity is not None and self.report.identity != self._dialogue.identity:
                self.report = replace(self.report, identity=self._dialogue.identity, state=SetupState.SETTING)
            if isinstance(move, Rate):
                self._baud = move.baud
                self._actions.append(ChangeRate(move.baud))
                reply = Reply(Kind.ANSWERED)
                continue
            if isinstance(move, Pause):
                self.deadline = _after(now, move.seconds)
                return
            self._put(move, now)
            return

    def _put(self, ask: Ask, now: MonoNs) -> None:
        self._ask, self._tries, self._answer, self._acknowledged = ask, 0, None, False
        if now < self._settled_at:
            self.deadline = self._settled_at
        else:
            self._send(ask, now)

    def _send(self, ask: Ask, now: MonoNs) -> None:
        self._sent += len(ask.data)
        if self._sent > _MOST_BYTES and self._talk is not None:
            self._talk.close()
            self._talk = None
            self._end(SetupState.FAILED, now)
            return
        self._tries += 1
        self._actions.append(Send(ask.data))
        self.deadline = _after(now, ask.timeout)

    def _take(self, frame: UbxFrame, now: MonoNs) -> None:
        ask = self._ask
        if ask is None or not self._tries:
            return
        kind = (frame.message_class, frame.message_id)
        if kind in (ACK, NAK):
            if tuple(frame.payload) != ask.acknowledged:
                return
            self._acknowledged = self._acknowledged or kind == ACK
            if kind == NAK and self._answer is None:
                self._resolve(Reply(Kind.REFUSED), now)
                return
        elif ask.wants is not None and self._answer is None:
            self._answer = ask.wants(frame)
            if self._answer is not None:
                self.deadline = _after(now, _GRACE)
        if (ask.wants is None or self._answer is not None) and (ask.acknowledged is None or self._acknowledged):
            self._resolve(Reply(Kind.ANSWERED, self._answer or b""), now)

    def _resolve(self, reply: Reply, now: MonoNs) -> None:
        if self._tries > 1:
            self._settled_at = _after(now, _SETTLE)
        self._advance(reply, now)

    def _end(self, result: SetupState | bool, now: MonoNs) -> None:
        """A dialogue is over. result: how a run ended; of a look, whether all is still there."""
        self._ask = self.deadline = None
        self._tail = b""
        if result is True:
            self.deadline = _after(now, _WATCH)
            self._main_at = now
        elif result is False:
            self._restart(now, "it does not hold what it was set to any more")
        elif self._watching:
            self.deadline = _after(now, _WATCH)
        else:
            self._ended(SetupState(result), now)

    def _ended(self, state: SetupState, now: MonoNs) -> None:
        dialogue = self._dialogue
        self.report = SetupReport(
            state, dialogue.identity, dialogue.timing, tuple(dialogue.refused), self.report.changes + len(dialogue.changed)
        )
        self._watching = False
        match state:
            case SetupState.DONE | SetupState.PARTLY:
                self._failures = 0
                self._main = self._message_start() if self._wish.messages and self._wish.silence_nmea else b""
                self._main_at = now
                self.deadline = _after(now, _WATCH)
                self._tell_outcome()
            case SetupState.SETTING:
                self._restart(now, "it lost what it was set to meanwhile")
            case SetupState.UNKNOWN:
                self._once(f"the receiver is left untouched: it is no u-blox of a generation from 6 to 10 ({dialogue.identity})")
            case _:
                self._tell_failure(state)
                if self._failures < len(_AGAIN):
                    self.deadline = _after(now, _AGAIN[self._failures])
                self._failures += 1

    def _message_start(self) -> bytes:
        """How the frames of the message begin that tells the time, if the receiver sends it each second."""
        identity = self._dialogue.identity
        name = time_messages(identity.generation or 0 if identity else 0)[0]
        every_second = self._wish.rates.get(name, 1) == 1
        return b"\xb5\x62" + bytes(ids(name)) if every_second and name in {item.what for item in self._dialogue.all_items} else b""

    def _tell_outcome(self) -> None:
        dialogue = self._dialogue
        if dialogue.changed:
            self._tell(False, f"the receiver is set up ({dialogue.identity}): {', '.join(dialogue.changed)}")
        else:
            self._once(f"the receiver is set as wanted already ({dialogue.identity})", alarm=False)
        for text in dialogue.refused:
            self._once(f"receiver set-up: {text}")

    def _tell_failure(self, state: SetupState) -> None:
        if state is SetupState.UNANSWERED:
            self._once("the receiver does not answer UBX and is left untouched: is it a u-blox, and does this line's TX go to its RX?")
        else:
            self._once(f"the receiver stopped answering while it was set up ({self._dialogue.identity}); it is tried again")
            for text in self._dialogue.refused:
                self._once(f"receiver set-up: {text}")

    def _once(self, text: str, alarm: bool = True) -> None:
        """Once for each time that the line is opened."""
        if text not in self._told:
            self._told.add(text)
            self._tell(alarm, text)

    def _tell(self, alarm: bool, text: str) -> None:
        self._actions.append(SetupNote(alarm, text))

    def _state(self, state: SetupState) -> None:
        self.report = replace(self.report, state=state)


def _after(now: MonoNs, seconds: float) -> MonoNs:
    return MonoNs(now + round(seconds * NS))
