"""What is said between us and other servers: requests and what their replies mean. Pure; time and randomness are arguments."""

from ._sntp import (
    BadReplyTimesError,
    BadStratumError,
    KissOfDeathError,
    MalformedReplyError,
    Measurement,
    NotAReplyError,
    OriginMismatchError,
    RefusedKeyError,
    ReplyError,
    build_request,
    measure,
)
from ._target import NTP_PORT, Target, parse_target

__all__ = [
    "NTP_PORT",
    "BadReplyTimesError",
    "BadStratumError",
    "KissOfDeathError",
    "MalformedReplyError",
    "Measurement",
    "NotAReplyError",
    "OriginMismatchError",
    "RefusedKeyError",
    "ReplyError",
    "Target",
    "build_request",
    "measure",
    "parse_target",
]
