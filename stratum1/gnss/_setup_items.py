"""One thing that a receiver is set to: how it is read, what it should be, how it is written. Two families of messages. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from ._framer import UbxFrame
from ._setup_frames import VALGET, VALSET, FrameError, Value, encode_keys, fields, frame, ids, key_values, patched, valget, valset

__all__ = ["Ask", "Item", "Keys", "Legacy", "UnsuitableError"]


class UnsuitableError(Exception):
    """The receiver can't be set so; the message says why."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A frame and what ends the wait for its answer: an acknowledgement of `acknowledged`, and the content that `wants` finds.

    wants: gives an answer's content, None for another frame; None where only the acknowledgement counts.
    """

    data: bytes
    acknowledged: tuple[int, int] | None
    wants: Callable[[UbxFrame], bytes | None] | None = None
    timeout: float = 2.0
    tries: int = 3


class Item(Protocol):
    """`content` is what the receiver holds, as its own bytes; only those that an item made or read are given to it."""

    @property
    def what(self) -> str:
        """The thing, in words."""

    @property
    def optional(self) -> bool:
        """Whether a receiver that does not know it is in order."""

    def reading(self) -> Ask:
        """Ask for the content."""

    def target(self, content: bytes) -> bytes:
        """What the content should be; the same where it is right already. Raises UnsuitableError, FrameError."""

    def writing(self, content: bytes, present: bytes) -> Ask:
        """Make the content so, where it is `present` now."""


@dataclass(frozen=True, slots=True)
class Legacy:
    """A CFG message of generations 6 to 8.

    poll: payload that asks for it; begins: how the answer's payload starts. change: the fields that should differ, of the fields that
    are there (may raise UnsuitableError). marks: fields that tell the receiver which others a write is about.
    """

    what: str
    message: str
    change: Callable[[Mapping[str, Value]], Mapping[str, Value]]
    poll: bytes = b""
    begins: bytes = b""
    marks: Mapping[str, Value] = field(default_factory=dict)
    optional: bool = False

    def reading(self) -> Ask:
        return Ask(frame(self.message, self.poll), ids(self.message), self._content)

    def target(self, content: bytes) -> bytes:
        return patched(self.message, content, self.change(fields(self.message, content)))

    def writing(self, content: bytes, present: bytes) -> Ask:
        del present  # a message is written whole
        return Ask(frame(self.message, patched(self.message, content, self.marks)), ids(self.message))

    def _content(self, answer: UbxFrame) -> bytes | None:
        if (answer.message_class, answer.message_id) != ids(self.message):
            return None
        if answer.payload == self.poll or not answer.payload.startswith(self.begins):
            return None
        try:
            patched(self.message, answer.payload, {})
        except FrameError:
            return None
        return answer.payload


@dataclass(frozen=True, slots=True)
class Keys:
    """Configuration items of generations 9 and 10, set in RAM together.

    keys: all that are looked at. change: those that should differ, of the values that are there (may raise UnsuitableError).
    divisible: the receiver may know some keys and not others.
    """

    what: str
    keys: tuple[str, ...]
    change: Callable[[Mapping[str, Value]], Mapping[str, Value]]
    optional: bool = False
    divisible: bool = False

    def reading(self) -> Ask:
        return Ask(valget(self.keys), VALGET, self._content)

    def target(self, content: bytes) -> bytes:
        values = key_values(content)
        return encode_keys({**values, **self.change(values)})

    def writing(self, content: bytes, present: bytes) -> Ask:
        now = key_values(present)
        return Ask(valset(1, {key: value for key, value in key_values(content).items() if value != now.get(key)}), VALSET)

    def only(self, *keys: str) -> "Keys":
        """The same with some of its keys."""
        return replace(self, keys=keys)

    def _content(self, answer: UbxFrame) -> bytes | None:
        if (answer.message_class, answer.message_id) != VALGET or len(answer.payload) < 4 or answer.payload[:2] != b"\1\0":
            return None
        try:
            values = key_values(answer.payload[4:])
            return encode_keys({key: values[key] for key in self.keys}) if values.keys() >= set(self.keys) else None
        except FrameError:
            return None
