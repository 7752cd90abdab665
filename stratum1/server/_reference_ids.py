"""Reference IDs of version 5, by which loops are found: sets of them as Bloom filters (draft-ietf-ntp-ntpv5-09). Pure."""

from collections.abc import Iterable

__all__ = ["REFERENCE_ID_LENGTH", "reference_filter"]

REFERENCE_ID_LENGTH = 15
"""Octets of a reference ID, which a server draws at its start."""

_FILTER_LENGTH = 512


def reference_filter(ids: Iterable[bytes]) -> bytes:
    """The filter of 4096 bits that holds these IDs: the ten 12-bit parts of each say which bits are set.

    Bit n is bit n % 8 of octet n // 8, the lowest bit of an octet first, as ntpd-rs has it (the draft does not say). Raises ValueError
    for an ID of another length.
    """
    filled = bytearray(_FILTER_LENGTH)
    for reference_id in ids:
        if len(reference_id) != REFERENCE_ID_LENGTH:
            raise ValueError(f"reference ID: {len(reference_id)} octets, not 15")
        number = int.from_bytes(reference_id, "big")
        for shift in range(0, 120, 12):
            place = number >> shift & 0xFFF
            filled[place // 8] |= 1 << place % 8
    return bytes(filled)
