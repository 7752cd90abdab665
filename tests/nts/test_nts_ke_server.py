"""The server's state machine of key establishment: each rule of RFC 8915, section 4, and of what implementations get wrong."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.nts.ke_server import NTPV5_DRAFT_NAME, Decision, Grant, KeOutcome, KePolicy, KeServer, Reply
from stratum1.nts.records import NTPV5_DRAFT, MessageReader, Record, RecordKind, encode, pack_numbers

END = Record(RecordKind.END, critical=True)
NTPV4 = Record(RecordKind.NEXT_PROTOCOL, b"\0\0", critical=True)
POLICY = KePolicy()
POOL = replace(POLICY, tokens=(b"let me in", b"another"))
TOKEN = Record(RecordKind.TOKEN, b"let me in")
KEEP = Record(RecordKind.KEEP_ALIVE)
ERROR_0, ERROR_1, ERROR_2 = (encode(Record(RecordKind.ERROR, bytes((0, code)), critical=True), END) for code in (0, 1, 2))


def aeads(*ids: int) -> Record:
    return Record(RecordKind.AEAD, pack_numbers(ids), critical=True)


def decide(*records: Record, policy: KePolicy = POLICY) -> Decision:
    decision = KeServer(policy).feed(encode(*records, END))
    assert decision is not None
    return decision


def granted(*records: Record, policy: KePolicy = POLICY) -> Grant:
    decision = decide(*records, policy=policy)
    assert isinstance(decision, Grant)
    return decision


def told(answer: bytes) -> tuple[Record, ...]:
    found = MessageReader(65536).feed(answer)
    assert found is not None
    return found


def test_the_plain_request_of_a_client() -> None:
    grant = granted(NTPV4, aeads(15))
    assert (grant.protocol, grant.aead, grant.exported_as, grant.cookies) == (0, 15, 15, 8)
    assert grant.contexts == (bytes.fromhex("0000000f00"), bytes.fromhex("0000000f01"))
    cookies = [bytes([n]) * 100 for n in range(8)]
    assert told(grant.answer(cookies)) == (
        NTPV4,
        Record(RecordKind.AEAD, b"\0\x0f"),
        *(Record(RecordKind.COOKIE, each) for each in cookies),
    )


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_records_span_what_tls_delivers(pieces: list[int]) -> None:
    octets = encode(NTPV4, Record(0x123, b"something"), aeads(17, 15), END)
    server, at, decision = KeServer(POLICY), 0, None
    for each in [*pieces, len(octets)]:
        if at < len(octets):
            assert decision is None
            decision = server.feed(octets[at : at + each])
            at += each
    assert isinstance(decision, Grant)
    assert decision.aead == 15


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        ((15, 30, 17, 16), (30, 15), 15),
        ((30, 15), (15, 30), 30),
        ((17, 15), (15, 17), 17),
        ((15, 30, 17, 16), (16, 17), 17),
        ((15,), (1, 2, 999, 15), 15),
    ],
)
def test_our_order_decides(ours: tuple[int, ...], theirs: tuple[int, ...], chosen: int) -> None:
    assert granted(NTPV4, aeads(*theirs), policy=replace(POLICY, aeads=ours)).aead == chosen


def test_aead_30_is_exported_as_itself_only_for_clients_that_ask() -> None:
    asks = Record(RecordKind.COMPLIANT_EXPORT)
    with_it, without = granted(NTPV4, aeads(30), asks), granted(NTPV4, aeads(30))
    assert with_it.contexts == (bytes.fromhex("0000001e00"), bytes.fromhex("0000001e01"))
    assert without.contexts == (bytes.fromhex("0000000f00"), bytes.fromhex("0000000f01"))
    assert asks in told(with_it.answer([]))
    assert asks not in told(without.answer([]))
    assert asks not in told(granted(NTPV4, aeads(15), asks).answer([]))


def test_nothing_in_common_is_an_empty_record_and_no_error() -> None:
    other = Record(RecordKind.NEXT_PROTOCOL, b"\x12\x34", critical=True)
    assert decide(other) == Reply(encode(Record(RecordKind.NEXT_PROTOCOL, critical=True), END), KeOutcome.NO_PROTOCOL)
    assert decide(NTPV4, aeads(1, 2)) == Reply(encode(NTPV4, Record(RecordKind.AEAD), END), KeOutcome.NO_AEAD)


def test_an_unknown_record_is_skipped_unless_it_is_critical() -> None:
    assert isinstance(decide(Record(0x4321, b"x"), NTPV4, aeads(15)), Grant)
    assert decide(Record(0x4321, b"x", critical=True), NTPV4, aeads(15)) == Reply(ERROR_0, KeOutcome.UNKNOWN_CRITICAL)


@pytest.mark.parametrize(
    "records",
    [
        (),
        (NTPV4,),
        (aeads(15),),
        (NTPV4, NTPV4, aeads(15)),
        (NTPV4, aeads(15), aeads(15)),
        (replace(NTPV4, critical=False), aeads(15)),
        (replace(NTPV4, body=b""), aeads(15)),
        (replace(NTPV4, body=b"\0"), aeads(15)),
        (NTPV4, aeads()),
        (NTPV4, replace(aeads(15), body=b"\0\0\0")),
        (NTPV4, aeads(15), Record(RecordKind.ERROR, b"\0\0", critical=True)),
        (NTPV4, aeads(15), Record(RecordKind.WARNING, b"\0\0", critical=True)),
        (NTPV4, aeads(15), Record(RecordKind.COOKIE, b"mine")),
        (NTPV4, aeads(15), Record(RecordKind.COMPLIANT_EXPORT, b"x")),
        (NTPV4, aeads(15), Record(RecordKind.SERVER, b"")),
        (NTPV4, aeads(15), Record(RecordKind.SERVER, b"a b")),
        (NTPV4, aeads(15), Record(RecordKind.SERVER, b"a"), Record(RecordKind.SERVER, b"b")),
        (NTPV4, aeads(15), Record(RecordKind.PORT, b"\0\0")),
        (NTPV4, aeads(15), Record(RecordKind.PORT, b"\0")),
        (NTPV4, aeads(15), Record(RecordKind.END, b"x", critical=True)),
        (NTPV4, aeads(15), Record(RecordKind.END)),
    ],
)
def test_a_bad_request_is_called_so(records: tuple[Record, ...]) -> None:
    assert decide(*records) == Reply(ERROR_1, KeOutcome.BAD_REQUEST)


def test_octets_after_the_end_make_a_bad_request() -> None:
    assert KeServer(POLICY).feed(encode(NTPV4, aeads(15), END) + b"x") == Reply(ERROR_1, KeOutcome.BAD_REQUEST)


def test_half_a_request_is_error_1_when_the_time_is_up() -> None:
    server = KeServer(POLICY)
    assert server.feed(encode(NTPV4, aeads(15))) is None
    assert server.time_out() == Reply(ERROR_1, KeOutcome.TIMEOUT)
    assert KeServer(POLICY).time_out() == Reply(ERROR_1, KeOutcome.TIMEOUT)


def test_a_fault_of_ours_is_error_2() -> None:
    assert KeServer.failed() == Reply(ERROR_2, KeOutcome.INTERNAL)


def test_requests_of_1024_octets_are_taken_and_longer_ones_than_configured_refused() -> None:
    padding = Record(0x1000, bytes(1024 - len(encode(NTPV4, aeads(15), END)) - 4))
    least = replace(POLICY, max_request=1024)
    assert isinstance(decide(NTPV4, padding, aeads(15), policy=least), Grant)
    one_more = replace(padding, body=padding.body + b"x")
    assert decide(NTPV4, one_more, aeads(15), policy=least) == Reply(ERROR_1, KeOutcome.BAD_REQUEST)
    server = KeServer(replace(POLICY, max_request=65536))
    assert isinstance(server.feed(encode(Record(0x1000, bytes(65500)), NTPV4, aeads(15), END)), Grant)


def test_where_to_ask_is_told_and_a_client_s_wish_is_heard_without_being_granted() -> None:
    policy = replace(POLICY, server="ntp.example.org", port=11123)
    wishes = (Record(RecordKind.SERVER, b"other.example"), Record(RecordKind.PORT, b"\0\x7b"))
    answer = told(granted(NTPV4, aeads(15), *wishes, policy=policy).answer([b"c"]))
    assert answer[-2:] == (
        Record(RecordKind.SERVER, b"ntp.example.org", critical=True),
        Record(RecordKind.PORT, b"\x2b\x73", critical=True),
    )
    assert [each.kind for each in told(granted(NTPV4, aeads(15)).answer([]))] == [RecordKind.NEXT_PROTOCOL, RecordKind.AEAD]


def test_ntpv5_is_agreed_upon_where_it_is_spoken() -> None:
    v5 = Record(RecordKind.NEXT_PROTOCOL, b"\x80\x01\0\0", critical=True)
    policy = replace(POLICY, protocols=(0, NTPV5_DRAFT))
    grant = granted(v5, aeads(15), policy=policy)
    assert grant.protocol == NTPV5_DRAFT  # the client's order counts
    assert grant.contexts[0] == bytes.fromhex("8001000f00")
    assert granted(v5, aeads(15)).protocol == 0
    named = granted(v5, aeads(15), Record(RecordKind.DRAFT_NAME, NTPV5_DRAFT_NAME), policy=policy)
    assert Record(RecordKind.DRAFT_NAME, NTPV5_DRAFT_NAME) in told(named.answer([]))
    assert granted(v5, aeads(15), Record(RecordKind.DRAFT_NAME, b"draft-ietf-ntp-ntpv5-04"), policy=policy).protocol == 0


class TestPool:
    """The records of the NTS pool draft, which are unknown unless tokens are configured."""

    @pytest.mark.parametrize("kind", [RecordKind.KEEP_ALIVE, RecordKind.PROTOCOL_LIST, RecordKind.AEAD_LIST, RecordKind.FIXED_KEYS])
    def test_they_are_unknown_by_default(self, kind: RecordKind) -> None:
        assert isinstance(decide(NTPV4, aeads(15), Record(kind)), Grant)
        assert decide(NTPV4, aeads(15), Record(kind, critical=True)) == Reply(ERROR_0, KeOutcome.UNKNOWN_CRITICAL)

    @pytest.mark.parametrize("token", [(), (Record(RecordKind.TOKEN, b"wrong"),)])
    def test_they_need_a_token(self, token: tuple[Record, ...]) -> None:
        assert decide(Record(RecordKind.AEAD_LIST), *token, policy=POOL) == Reply(ERROR_1, KeOutcome.BAD_REQUEST)

    def test_what_we_have_is_listed(self) -> None:
        asked = (Record(RecordKind.AEAD_LIST, critical=True), Record(RecordKind.PROTOCOL_LIST, critical=True))
        reply = decide(TOKEN, *asked, policy=POOL)
        assert isinstance(reply, Reply)
        assert reply.outcome is KeOutcome.LISTED
        assert not reply.keep
        pairs = pack_numbers((15, 32, 30, 16, 17, 64, 16, 48))
        assert told(reply.octets) == (replace(asked[1], body=b"\0\0"), replace(asked[0], body=pairs))

    def test_fixed_keys_take_the_place_of_an_export(self) -> None:
        keys = (bytes(range(32)), bytes(range(32, 64)))
        grant = granted(TOKEN, NTPV4, aeads(15), Record(RecordKind.FIXED_KEYS, b"".join(keys), critical=True), policy=POOL)
        assert grant.fixed_keys == keys

    @pytest.mark.parametrize(
        "records",
        [
            (NTPV4, aeads(15, 17), Record(RecordKind.FIXED_KEYS, bytes(64))),
            (NTPV4, aeads(15), Record(RecordKind.FIXED_KEYS, bytes(63))),
            (NTPV4, aeads(17), Record(RecordKind.FIXED_KEYS, bytes(64))),
            (replace(NTPV4, body=b"\0\0\x80\1"), aeads(15), Record(RecordKind.FIXED_KEYS, bytes(64))),
            (Record(RecordKind.FIXED_KEYS, bytes(64)), Record(RecordKind.AEAD_LIST)),
        ],
    )
    def test_fixed_keys_leave_no_choice(self, records: tuple[Record, ...]) -> None:
        assert decide(TOKEN, *records, policy=POOL) == Reply(ERROR_1, KeOutcome.BAD_REQUEST)

    def test_a_kept_connection_never_exports_keys(self) -> None:
        server = KeServer(POOL)
        first = server.feed(encode(TOKEN, KEEP, Record(RecordKind.AEAD_LIST), END))
        assert isinstance(first, Reply)
        assert first.keep
        assert KEEP in told(first.octets)
        assert server.time_out() is None  # idle, and nothing is owed
        fixed = Record(RecordKind.FIXED_KEYS, bytes(64))
        second = server.feed(encode(TOKEN, KEEP, NTPV4, aeads(15), fixed, END, TOKEN, NTPV4, aeads(15), END))
        assert isinstance(second, Grant)
        assert second.keep
        assert server.feed(b"") == Reply(ERROR_1, KeOutcome.BAD_REQUEST)  # a key export after keep-alive
        assert decide(TOKEN, KEEP, NTPV4, aeads(15), policy=POOL) == Reply(ERROR_1, KeOutcome.BAD_REQUEST)


@given(st.binary(max_size=200), st.booleans())
def test_any_request_has_a_decision_or_waits(octets: bytes, pool: bool) -> None:
    decision = KeServer(POOL if pool else POLICY).feed(octets)
    if isinstance(decision, Reply):
        assert told(decision.octets) is not None


@given(st.lists(st.builds(Record, st.sampled_from([*RecordKind, 77]), st.binary(max_size=6), st.booleans()), max_size=6))
def test_any_records_have_exactly_one_decision(records: list[Record]) -> None:
    decision = KeServer(POOL).feed(encode(*records, END))
    assert isinstance(decision, Reply | Grant)
