"""Symmetric keys as text: the files of NTP and NTPsec (ntp.keys) and of chrony (chrony.keys). Pure.

A line is `ID [TYPE] KEY`, the type being MD5 where it is left out (chrony). A key is text, or hexadecimal digits behind "HEX:";
"ASCII:" says that it is text. Without either, more than 20 characters are hexadecimal digits (as ntpd reads them) if they can be,
else text. "#" begins a comment anywhere; lines that begin with "!", ";" or "%" are comments too (chrony).
"""

import re

from .service import KeyKind, SymmetricKey

__all__ = ["KeyFileError", "parse_keys"]

_LONGEST_TEXT = 20
_LONGEST_SECRET = 256
_LARGEST_ID = 2**32 - 1
_LENGTHS = {KeyKind.AES128: 16, KeyKind.AES256: 32}
_KINDS = {
    **{each.value: each for each in KeyKind},
    "m": KeyKind.MD5,
    "sha": KeyKind.SHA1,
    "aes": KeyKind.AES128,
    "aes128cmac": KeyKind.AES128,
    "aes256cmac": KeyKind.AES256,
}


class KeyFileError(ValueError):
    """A file of keys is refused; one line a mistake, each naming the line and what would be right. Never holds a secret."""


def parse_keys(text: str) -> dict[int, SymmetricKey]:
    """The keys of a file by their ids. Raises KeyFileError."""
    found: dict[int, SymmetricKey] = {}
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words or words[0][0] in "!;%":
            continue
        try:
            key = _key(words)
            if key.key_id in found:
                raise ValueError(f"key {key.key_id} stands twice")
            found[key.key_id] = key
        except ValueError as error:
            faults.append(f"line {number}: {error}")
    if faults:
        raise KeyFileError("\n".join(faults))
    return found


def _key(words: list[str]) -> SymmetricKey:
    if not 2 <= len(words) <= 3:
        more = "; a list of addresses behind the key is not supported" if len(words) > 3 else ""
        raise ValueError(f'expected "ID TYPE KEY", as "10 SHA256 HEX:1dc764e0..."{more}')
    number, *kind, secret = words
    if not (number.isascii() and number.isdigit() and 1 <= int(number) <= _LARGEST_ID):
        raise ValueError(f"the key's number must be from 1 to {_LARGEST_ID}, not {number[:20]!r}")
    chosen = _KINDS.get(re.sub("[-_]", "", kind[0].lower())) if kind else KeyKind.MD5
    if chosen is None:
        known = ", ".join(each.name for each in KeyKind)
        raise ValueError(f"{kind[0][:20]!r} is no type of key that is known: {known}")
    octets = _secret(secret)
    length = _LENGTHS.get(chosen)
    if length is not None and len(octets) != length:
        raise ValueError(f"a key of type {chosen.name} has {length} octets ({2 * length} hexadecimal digits), not {len(octets)}")
    return SymmetricKey(int(number), chosen, octets)


def _secret(text: str) -> bytes:
    head, colon, rest = text.partition(":")
    form = head.upper() if colon else ""
    if form == "HEX":
        octets = _hexadecimal(rest)
        if octets is None:
            raise ValueError('"HEX:" must be followed by pairs of hexadecimal digits')
    elif form == "ASCII":
        octets = rest.encode()
    else:
        octets = (_hexadecimal(text) if len(text) > _LONGEST_TEXT else None) or text.encode()
    if not 1 <= len(octets) <= _LONGEST_SECRET:
        raise ValueError(f"the key has {len(octets)} octets, and from 1 to {_LONGEST_SECRET} are possible")
    return octets


def _hexadecimal(text: str) -> bytes | None:
    return bytes.fromhex(text) if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", text) else None
