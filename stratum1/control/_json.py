"""A `Status` as JSON: seconds as numbers, instants as RFC 3339 text, what is not a number as null."""

import math
import types
from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from stratum1.timescale import UtcNs, rfc3339

from .model import Status, alarms

__all__ = ["status_json"]

_Encoder = Callable[[Any], Any]


def status_json(status: Status) -> dict[str, Any]:
    """The picture as values that json.dumps takes with allow_nan=False: the shape of /api/v1/status.

    "alarms" is added: every sentence that needs a person.
    """
    return {**_encoder(Status)(status), "alarms": list(alarms(status))}


@cache
def _encoder(hint: Any) -> _Encoder:
    """The encoder of an annotation. Annotations decide, since an instant and a counter are both integers at run time."""
    if isinstance(hint, NewType):
        return rfc3339 if hint is UtcNs else _encoder(hint.__supertype__)
    origin = get_origin(hint)
    if origin is not None:
        return _generic(hint, origin)
    if is_dataclass(hint):
        return _record(hint)
    if hint is float:
        return lambda value: value if math.isfinite(value) else None
    return _enumeration if issubclass(hint, Enum) else _plain


def _generic(hint: Any, origin: Any) -> _Encoder:
    if origin in (Union, types.UnionType):
        return _optional(hint)
    if origin is tuple:
        each = _encoder(get_args(hint)[0])
        return lambda values: [each(value) for value in values]
    return dict  # Mapping[str, int], the only other kind that the model has


def _record(hint: Any) -> _Encoder:
    parts = {name: _encoder(part) for name, part in get_type_hints(hint).items()}
    return lambda value: {name: encode(getattr(value, name)) for name, encode in parts.items()}


def _optional(hint: Any) -> _Encoder:
    (present,) = (option for option in get_args(hint) if option is not type(None))
    encode = _encoder(present)
    return lambda value: None if value is None else encode(value)


def _enumeration(value: Enum) -> Any:
    return value.value


def _plain(value: object) -> object:
    return value
