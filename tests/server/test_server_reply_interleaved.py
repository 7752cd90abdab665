"""Interleaved mode (RFC 9769), its memory, and the random bits of timestamps that it rests on."""

from dataclasses import replace

import pytest
from asking import HERE, HERE6, RECEIVED, REQUEST, RING, SENT, UID, Desk, NtsClient
from hypothesis import given
from hypothesis import strategies as st
from served_states import LOCKED

from stratum1.interchange import Leap
from stratum1.ntp import KeyKind, Mode, Packet, SymmetricKey, parse
from stratum1.server import MAX_HOLD_NS, Outcome, Protection, Sender, ServerReason, ServerResponse
from stratum1.server._stamps import Grain, later
from stratum1.server._tables import InterleavedTable, address_hash, mix64, network_hash
from stratum1.server.service import ServiceSettings
from stratum1.timescale import NS, NtpTimestamp, UtcNs, ntp_timestamp

CHANCE = bytes.fromhex("0123456789abcdeffedcba98765432100f0f0f0f5a5a5a5a1111111122222222")  # fmt: skip


def interleaved(previous: Packet, receive: int = 111, transmit: int = 222, version: int = 4, mode: Mode = Mode.CLIENT) -> bytes:
    """The request of a client in interleaved mode: the origin is the receive timestamp of the previous reply."""
    stamps = {"origin": previous.receive, "receive": NtpTimestamp(receive), "transmit": NtpTimestamp(transmit)}
    return Packet(version, mode, **stamps).to_bytes()  # type: ignore[arg-type]


def later_by(seconds: float) -> tuple[UtcNs, UtcNs]:
    return UtcNs(RECEIVED + round(seconds * NS)), UtcNs(SENT + round(seconds * NS))


def test_facts_interleaved_request_the_third_reply_is_the_first_interleaved_one() -> None:
    """FACTS, interleaved request and server: origin = request RX, TX = that earlier reply's real TX; each saved RX is used once."""
    desk = Desk(chance=CHANCE)
    first = desk.answer()
    # the client's second request names the receive timestamp of the first reply, of which nothing was saved
    second = desk.ask(interleaved(first), HERE, *later_by(1))
    assert second.record.response is ServerResponse.TIME
    assert second.saved is not None
    assert second.reply is not None
    reply = parse(second.reply)
    assert (reply.origin, reply.transmit) == (222, Grain(-23).transmit(later_by(1)[1], 0xFEDCBA9876543210))
    assert desk.tables.interleaved is not None
    departed = UtcNs(later_by(1)[1] + 4321)
    desk.tables.interleaved.sent(second.saved, departed)
    third = desk.ask(interleaved(reply, 333, 444), HERE, *later_by(2))
    assert third.record.response is ServerResponse.INTERLEAVED
    assert third.reply is not None
    packet = parse(third.reply)
    assert packet.origin == 333
    assert packet.transmit == Grain(-23).transmit(departed, 0x0F0F0F0F5A5A5A5A)
    assert packet.receive == Grain(-23).receive(later_by(2)[0], 0x0F0F0F0F5A5A5A5A)
    assert later(packet.transmit, packet.reference)
    again = desk.ask(interleaved(reply, 333, 444), HERE, *later_by(3))
    assert again.record.response is ServerResponse.TIME, "each saved stamp is used once"


def test_without_a_stamp_of_the_kernel_the_time_of_sending_is_told() -> None:
    desk = Desk()
    second = desk.answer(interleaved(desk.answer()), received=later_by(1)[0], sent=later_by(1)[1])
    third = desk.answer(interleaved(second), received=later_by(2)[0], sent=later_by(2)[1])
    assert third.transmit == ntp_timestamp(later_by(1)[1]) & -1 << 9
    assert third.reference <= third.transmit


def test_the_reference_time_is_not_after_the_earlier_transmit_time() -> None:
    desk = Desk()
    second = desk.answer(interleaved(desk.answer()), received=later_by(1)[0], sent=later_by(1)[1])
    desk.responder = desk.responder.renewed(replace(LOCKED, reference_time=later_by(1.5)[0]))
    third = desk.ask(interleaved(second), HERE, *later_by(2))
    assert third.record.response is ServerResponse.INTERLEAVED
    assert third.reply is not None
    assert parse(third.reply).reference == parse(third.reply).transmit


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_every_version_may_interleave(version: int) -> None:
    desk = Desk()
    saved = desk.answer(interleaved(desk.answer(), version=version))
    assert desk.ask(interleaved(saved, version=version)).record.response is ServerResponse.INTERLEAVED


def test_the_stamp_belongs_to_the_address_and_not_to_the_port() -> None:
    """FACTS, interleaved server: not keyed by port (RFC 9109)."""
    desk = Desk()
    saved = desk.answer(interleaved(desk.answer()))
    assert desk.ask(interleaved(saved), Sender(bytes((192, 0, 2, 8)), HERE.port)).record.response is ServerResponse.TIME
    assert desk.ask(interleaved(saved), HERE6).record.response is ServerResponse.TIME
    assert desk.ask(interleaved(saved), Sender(HERE.address, 9)).record.response is ServerResponse.INTERLEAVED


def test_facts_interleaved_server_basic_clients_cost_no_memory() -> None:
    """FACTS, interleaved server: RX low bit 1, TX low bit 0, so that a basic client's origin never touches the table."""
    desk = Desk(ServiceSettings(interleaved_slots=256))
    reply = desk.answer()
    for request in (
        Packet(4, Mode.CLIENT, origin=reply.transmit, receive=NtpTimestamp(5), transmit=NtpTimestamp(6)).to_bytes(),
        interleaved(reply, 7, 7),  # RX = TX asks for the basic mode
        interleaved(reply, mode=Mode.SYMMETRIC_ACTIVE),
        REQUEST,
    ):
        outcome = desk.ask(request)
        assert (outcome.record.response, outcome.saved) == (ServerResponse.TIME, None)
    assert desk.tables.interleaved is not None
    assert desk.tables.interleaved.used == 0


def test_nothing_is_saved_or_taken_while_the_time_is_not_known() -> None:
    desk = Desk()
    saved = desk.answer(interleaved(desk.answer()))
    known, desk.responder = desk.responder, desk.responder.renewed(replace(LOCKED, leap=Leap.UNKNOWN))
    outcome = desk.ask(interleaved(saved))
    assert (outcome.record.reason, outcome.saved) == (ServerReason.UNSYNCHRONISED, None)
    desk.responder = known
    assert desk.ask(interleaved(saved)).record.response is ServerResponse.INTERLEAVED


def test_without_a_table_there_is_no_interleaved_mode() -> None:
    desk = Desk(ServiceSettings(interleaved_slots=0))
    for _ in range(3):
        outcome = desk.ask(interleaved(desk.answer()))
        assert (outcome.record.response, outcome.saved) == (ServerResponse.TIME, None)


def test_interleaved_replies_may_be_authenticated() -> None:
    key = SymmetricKey(1, KeyKind.AES128, b"k" * 16)
    desk = Desk(ServiceSettings(keys={1: key}, nts=None))
    saved = desk.answer(interleaved(desk.answer()))
    request = interleaved(saved) + UID
    outcome = desk.ask(request + b"\0\0\0\1" + key.digest(request))
    assert outcome.record[2:] == (ServerResponse.INTERLEAVED, Protection.MAC)
    assert outcome.reply is not None
    assert outcome.reply[-16:] == key.digest(outcome.reply[:-20])


def test_facts_interleaved_nts() -> None:
    desk = Desk(ServiceSettings(nts=RING))
    client = NtsClient()
    saved = desk.answer(interleaved(desk.answer()))
    outcome = desk.ask(client.request(head=interleaved(saved)))
    assert outcome.record[2:] == (ServerResponse.INTERLEAVED, Protection.NTS)
    assert outcome.reply is not None
    assert len(client.cookies(outcome.reply)) == 1


# the table alone


def test_a_group_forgets_its_oldest_reply() -> None:
    table = InterleavedTable(256)
    keys = [number << 8 | 4 for number in range(1, 6)]
    for order, key in enumerate(keys):
        table.save(key, 1000 + order)
    assert [table.take(key) for key in keys] == [None, 1001, 1002, 1003, 1004]
    assert table.used == 0


def test_saving_a_key_again_replaces_its_time() -> None:
    table = InterleavedTable(256)
    table.save(5, 1)
    table.save(5, 2)
    assert table.used == 1
    table.sent(5, 3)
    table.sent(6, 4)
    assert (table.take(5), table.take(5), table.take(6)) == (3, None, None)
    table.save(5, 1)
    table.clear()
    assert table.take(5) is None


def test_a_key_is_never_the_mark_of_an_empty_slot() -> None:
    assert InterleavedTable.key(77, 77) == 1
    assert mix64(0) == 0


def test_more_clients_than_slots_are_no_trouble() -> None:
    table = InterleavedTable(256)
    for number in range(10_000):
        table.save(InterleavedTable.key(number, 1), number)
    assert table.used == table.slots == 256


def test_sixteen_thousand_clients_are_kept_interleaved_by_default() -> None:
    table = InterleavedTable(ServiceSettings().interleaved_slots)
    keys = [InterleavedTable.key(number << 20 | 1, address_hash(9, number.to_bytes(4, "big"))) for number in range(16_000)]
    for key in keys:
        table.save(key, key & 0xFFFF)
    kept = sum(table.take(key) is not None for key in keys)
    assert kept >= 15_990


def test_hashes_are_as_the_native_plane_has_them() -> None:
    assert mix64(1) == 0x5692161D100B05E5
    assert mix64((1 << 64) - 1) == 0xB4D055FCF2CBBD7B
    assert address_hash(0, bytes((192, 0, 2, 7))) == network_hash(0, bytes((192, 0, 2, 7))) == mix64(0xC0000207)
    assert address_hash(3, HERE6.address) == mix64(mix64(3 ^ 0x20010DB800000001) ^ 7)
    assert network_hash(3, HERE6.address) == mix64(mix64(3 ^ 0x20010DB800000001) ^ 1)


# the timestamps


@given(
    precision=st.integers(-128, 0),
    received=st.integers(-(2**61), 2**61),
    held=st.integers(0, MAX_HOLD_NS) | st.integers(0, 1000),
    random=st.integers(0, 2**64 - 1),
)
def test_facts_precision_bits_below_it_are_random_and_the_order_stays(precision: int, received: int, held: int, random: int) -> None:
    """FACTS, precision: randomised below it; interleaved server: RX != TX in every packet."""
    rx, tx = Grain(precision).pair(UtcNs(received), UtcNs(received + held), random)
    assert rx & 1 == 1
    assert tx & 1 == 0
    assert later(tx, rx)
    bits = min(31, max(1, 32 + precision))
    assert rx >> bits == ntp_timestamp(UtcNs(received)) >> bits
    assert tx >> bits == ntp_timestamp(UtcNs(received + held)) >> bits or tx == rx + 1 & 2**64 - 1
    assert rx & (1 << bits) - 2 == random >> 32 & (1 << bits) - 2


def test_receive_timestamps_of_one_instant_differ() -> None:
    made = {Grain(-20).receive(RECEIVED, seed << 33) for seed in range(1000)}
    assert len(made) == 1000


def test_across_the_change_of_era() -> None:
    last = UtcNs(2_085_978_496 * NS - 1)  # the last nanosecond of era 0
    rx, tx = Grain(-32).pair(last, UtcNs(last + 1), 0)
    assert (rx >> 32, tx) == (0xFFFFFFFF, 0)
    assert later(tx, rx)
    rx, tx = Grain(-1).pair(last, last, 0xFFFFFFFF_00000000)
    assert (rx, tx) == (2**64 - 1, 0)


def test_a_reply_that_is_older_than_a_second_is_not_sent() -> None:
    desk = Desk()
    assert desk.ask(REQUEST, sent=UtcNs(RECEIVED + MAX_HOLD_NS)).reply is not None
    stale = desk.ask(REQUEST, sent=UtcNs(RECEIVED + MAX_HOLD_NS + 1))
    assert stale == Outcome(stale.record._replace(reason=ServerReason.STALE, response=ServerResponse.IGNORE), None)
    assert desk.drawn == [8]
