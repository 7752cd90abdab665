"""The client's state machine of key establishment, and both sides together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.nts.ke_client import KeClient, KeClientError, KeFailure, KeResult, request, retry_after
from stratum1.nts.ke_server import Grant, KePolicy, KeServer, Reply
from stratum1.nts.records import Record, RecordKind, encode, pack_numbers

END = Record(RecordKind.END, critical=True)
NTPV4 = Record(RecordKind.NEXT_PROTOCOL, b"\0\0", critical=True)
AEAD = Record(RecordKind.AEAD, b"\0\x0f")
COOKIE = Record(RecordKind.COOKIE, b"cookie")


def read(*records: Record) -> KeResult:
    result = KeClient().feed(encode(*records, END))
    assert result is not None
    return result


@pytest.mark.parametrize("aead", [15, 16, 17, 30])
def test_both_sides_agree(aead: int) -> None:
    grant = KeServer(KePolicy(server="ntp.example.org", port=123, aeads=(aead,))).feed(request())
    assert isinstance(grant, Grant)
    client = KeClient()
    answer = grant.answer([bytes([n]) for n in range(8)])
    results = [client.feed(bytes([octet])) for octet in answer]
    assert results[:-1] == [None] * (len(answer) - 1)
    result = results[-1]
    assert result == KeResult(0, aead, tuple(bytes([n]) for n in range(8)), "ntp.example.org", 123, compliant=aead == 30)
    assert result.contexts == grant.contexts


def test_an_answer_without_a_server_means_the_same_host_and_port_123() -> None:
    result = read(NTPV4, AEAD, COOKIE)
    assert (result.server, result.port, result.cookies) == (None, 123, (b"cookie",))
    assert not result.compliant


def test_unknown_records_are_skipped_unless_critical() -> None:
    assert read(Record(0x4321, b"x"), NTPV4, AEAD, COOKIE).aead == 15
    with pytest.raises(KeClientError, match="17185") as raised:
        read(Record(0x4321, b"x", critical=True), NTPV4, AEAD, COOKIE)
    assert raised.value.failure is KeFailure.UNKNOWN_CRITICAL


def test_nothing_in_common_is_told_apart() -> None:
    for theirs, failure in ((b"\x12\x34", KeFailure.NO_PROTOCOL), (b"\0\0", KeFailure.NO_AEAD)):
        asked = encode(Record(RecordKind.NEXT_PROTOCOL, theirs, critical=True), Record(RecordKind.AEAD, b"\0\1"), END)
        reply = KeServer(KePolicy()).feed(asked)
        assert isinstance(reply, Reply)
        with pytest.raises(KeClientError) as raised:
            KeClient().feed(reply.octets)
        assert raised.value.failure is failure


@pytest.mark.parametrize(
    ("records", "failure"),
    [
        ((Record(RecordKind.ERROR, b"\0\0", critical=True),), KeFailure.ERROR),
        ((Record(RecordKind.ERROR, b"\0\1", critical=True), NTPV4, AEAD, COOKIE), KeFailure.ERROR),
        ((Record(RecordKind.ERROR, b"\x12\x34", critical=True),), KeFailure.ERROR),
        ((Record(RecordKind.ERROR, b"", critical=True),), KeFailure.MALFORMED),
        ((Record(RecordKind.WARNING, b"\0\1", critical=True), NTPV4, AEAD, COOKIE), KeFailure.WARNING),
        ((NTPV4, AEAD), KeFailure.NO_COOKIES),
        ((NTPV4, AEAD, Record(RecordKind.COOKIE)), KeFailure.NO_COOKIES),
        ((NTPV4, COOKIE), KeFailure.MALFORMED),
        ((AEAD, COOKIE), KeFailure.MALFORMED),
        ((NTPV4, NTPV4, AEAD, COOKIE), KeFailure.MALFORMED),
        ((NTPV4, Record(RecordKind.AEAD, b"\0\x63"), COOKIE), KeFailure.MALFORMED),
        ((NTPV4, Record(RecordKind.AEAD, b"\0\x0f\0\x11"), COOKIE), KeFailure.MALFORMED),
        ((NTPV4, Record(RecordKind.AEAD, b"\0"), COOKIE), KeFailure.MALFORMED),
        ((NTPV4, AEAD, COOKIE, Record(RecordKind.SERVER, b"")), KeFailure.MALFORMED),
        ((NTPV4, AEAD, COOKIE, Record(RecordKind.PORT, b"\0\0")), KeFailure.MALFORMED),
        ((NTPV4, AEAD, COOKIE, Record(RecordKind.END, b"x")), KeFailure.MALFORMED),
    ],
)
def test_no_keys_come_of_it(records: tuple[Record, ...], failure: KeFailure) -> None:
    with pytest.raises(KeClientError) as raised:
        KeClient().feed(encode(*records, END))
    assert raised.value.failure is failure


def test_an_answer_of_65536_octets_is_read_and_one_more_is_not() -> None:
    rest = 65536 - len(encode(NTPV4, AEAD, COOKIE, END)) - 8
    filled = (Record(0x1000, bytes(rest)), Record(0x1001))
    assert read(*filled, NTPV4, AEAD, COOKIE).aead == 15
    with pytest.raises(KeClientError) as raised:
        read(Record(0x1000, bytes(rest + 1)), Record(0x1001), NTPV4, AEAD, COOKIE)
    assert raised.value.failure is KeFailure.TOO_LONG


@given(st.binary(max_size=300))
def test_any_answer_is_keys_or_a_reason_or_not_over(octets: bytes) -> None:
    try:
        result = KeClient().feed(octets)
    except KeClientError:
        return
    assert result is None or result.cookies


def test_the_wish_for_a_server_is_sent() -> None:
    assert encode(Record(RecordKind.SERVER, b"ntp.example"), Record(RecordKind.PORT, pack_numbers((124,)))) in request(
        (15,), server="ntp.example", port=124
    )


def test_retries_wait_longer_each_time_up_to_five_days() -> None:
    waits = [retry_after(n) for n in range(1, 100)]
    assert waits[:3] == [10.0, 15.0, 22.5]
    assert waits[-1] == 5 * 86400.0
    assert waits == sorted(waits)
