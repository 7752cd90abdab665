"""The wire: NTP packets of versions 1 to 4 (RFC 5905, RFC 7822), octets in and values out. Pure; the only room that knows the layout."""

from ._errors import (
    ExtensionOverrunError,
    ExtensionTooShortError,
    ExtensionUnalignedError,
    ForeignModeError,
    TrailingOctetsError,
    TruncatedHeaderError,
    UnalignedLengthError,
    UnencodablePacketError,
    UnsupportedVersionError,
    WireError,
)
from ._fields import FieldKind, FieldPlace, field, inner_fields, request_fields_v4
from ._header import HEADER_SIZE, Header, HeaderFields, Mode, pack_header, request_fields, unpack_header
from ._keys import KeyKind, SymmetricKey
from ._packet import ExtensionField, Mac, Packet, parse
from ._refid import NO_REFID, refid_of_address, refid_of_name, refid_text

__all__ = [
    "HEADER_SIZE",
    "NO_REFID",
    "ExtensionField",
    "ExtensionOverrunError",
    "ExtensionTooShortError",
    "ExtensionUnalignedError",
    "FieldKind",
    "FieldPlace",
    "ForeignModeError",
    "Header",
    "HeaderFields",
    "KeyKind",
    "Mac",
    "Mode",
    "Packet",
    "SymmetricKey",
    "TrailingOctetsError",
    "TruncatedHeaderError",
    "UnalignedLengthError",
    "UnencodablePacketError",
    "UnsupportedVersionError",
    "WireError",
    "field",
    "inner_fields",
    "pack_header",
    "parse",
    "refid_of_address",
    "refid_of_name",
    "refid_text",
    "request_fields",
    "request_fields_v4",
    "unpack_header",
]
