"""The lock table: closed, reachable, with a way out of every state, and printable."""

from stratum1.discipline import TRANSITIONS, LockEvent, lock_table
from stratum1.discipline._lock import LockMachine
from stratum1.interchange import LockState
from stratum1.timescale import MonoNs


def test_every_state_is_reachable_and_none_is_a_trap() -> None:
    reached = {LockState.COLD}
    for _ in LockState:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(LockState)
    assert {before for before, _ in TRANSITIONS} == set(LockState)
    for state in LockState:
        seen = {state}
        for _ in LockState:
            seen |= {after for (before, _), after in TRANSITIONS.items() if before in seen}
        assert LockState.LOCKED in seen, f"{state} never gets back to locked"


def test_every_event_occurs_and_no_row_stays_where_it_is() -> None:
    assert {event for _, event in TRANSITIONS} == set(LockEvent)
    assert all(before is not after for (before, _), after in TRANSITIONS.items())


def test_a_state_is_left_for_worse_only_where_it_claimed_something() -> None:
    assert TRANSITIONS[LockState.LOCKED, LockEvent.LOST] is LockState.HOLDOVER
    assert TRANSITIONS[LockState.HOLDOVER, LockEvent.LIMIT] is LockState.UNSYNCHRONISED
    assert (LockState.COLD, LockEvent.LOST) not in TRANSITIONS


def test_machine_keeps_reasons_and_ignores_what_the_table_does_not_know() -> None:
    machine = LockMachine()
    assert not machine.happen(LockEvent.LIMIT, MonoNs(1), "no bound yet")
    assert machine.happen(LockEvent.HEARD, MonoNs(2), "a byte")
    assert machine.happen(LockEvent.SETTLED, MonoNs(3), "within bounds")
    changes = machine.take()
    assert [(c.before, c.after, c.reason) for c in changes] == [
        (LockState.COLD, LockState.ACQUIRING, "a byte"),
        (LockState.ACQUIRING, LockState.LOCKED, "within bounds"),
    ]
    assert machine.take() == ()
    assert machine.history == changes
    assert (machine.since_ns, machine.reason) == (3, "within bounds")


def test_history_is_bounded() -> None:
    machine = LockMachine()
    machine.happen(LockEvent.HEARD, MonoNs(0), "start")
    for k in range(200):
        machine.happen(LockEvent.SETTLED if k % 2 == 0 else LockEvent.STRAYED, MonoNs(k), "to and fro")
    assert len(machine.history) == 64


def test_table_prints_as_markdown() -> None:
    lines = lock_table().splitlines()
    assert lines[0] == "| state | event | next state |"
    assert len(lines) == 2 + len(TRANSITIONS)
    assert "| locked | the reference is lost | holdover |" in lines
