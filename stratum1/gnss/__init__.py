"""The satellite receiver: its bytes into events. Pure, but for `serial_reader`, the shell that reads the line."""

from ._calendar import CONFIRMATIONS
from ._decoder import Counters, GnssDecoder
from ._framer import MAX_SENTENCE, MAX_UBX_PAYLOAD, Frame, Framer, NmeaFrame, Reject, UbxFrame
from ._sentences import DECODED, SentenceError, decode_sentence
from .events import Dop, Event, Fix, FixMode, Health, LeapNotice, Position, Satellite, Sky, TimeMark
from .recording import RecordedEpoch, decode_recording, epoch_dict, epoch_line, recording_counters

__all__ = [
    "CONFIRMATIONS",
    "DECODED",
    "MAX_SENTENCE",
    "MAX_UBX_PAYLOAD",
    "Counters",
    "Dop",
    "Event",
    "Fix",
    "FixMode",
    "Frame",
    "Framer",
    "GnssDecoder",
    "Health",
    "LeapNotice",
    "NmeaFrame",
    "Position",
    "RecordedEpoch",
    "Reject",
    "Satellite",
    "SentenceError",
    "Sky",
    "TimeMark",
    "UbxFrame",
    "decode_recording",
    "decode_sentence",
    "epoch_dict",
    "epoch_line",
    "recording_counters",
]
