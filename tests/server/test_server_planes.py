"""Which plane a listener gets, what becomes of one that can't be had, and how settings reach the planes."""

import contextlib
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import pytest
from testkit.served import locked_now

from stratum1.interchange import TimeState
from stratum1.nts.keyring import KeyRing, MasterKey
from stratum1.server import (
    Counters,
    DataPlane,
    ListenAddress,
    ListenError,
    Plane,
    PlaneError,
    PlaneReport,
    PythonPlane,
    Server,
    StampKind,
    StateCell,
)
from stratum1.server._interfaces import LocalAddress
from stratum1.server.service import ListenerSettings, RateLimit, ServiceSettings


@dataclass
class Recorded:
    """A plane that answers nothing and remembers everything."""

    name: str
    addresses: tuple[ListenAddress, ...]
    service: ServiceSettings
    states: list[TimeState] = field(default_factory=list)
    settings: list[ListenerSettings] = field(default_factory=list)
    alive: bool = False
    trouble: Exception | None = None

    def start(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.alive = True

    def stop(self) -> None:
        self.alive = False

    def publish(self, state: TimeState) -> None:
        self.states.append(state)

    def configure(self, service: ServiceSettings, listeners: Sequence[ListenerSettings]) -> None:
        self.service, self.settings = service, list(listeners)

    def counters(self) -> Mapping[str, Counters]:
        return {str(each): Counters(receive_errors=1) for each in self.addresses}

    def report(self) -> PlaneReport:
        return PlaneReport(self.name, 1, StampKind.HARDWARE, StampKind.KERNEL)


class Makers(dict[DataPlane, object]):
    """Makers of planes that remember; those in `missing` can't be made, those in `failing` not be started."""

    def __init__(self, missing: str = "", failing: str = "") -> None:
        self.made: list[Recorded] = []

        def maker(kind: DataPlane) -> object:
            def make(listeners: Sequence[ListenAddress], service: ServiceSettings, state: TimeState) -> Plane:
                if kind in missing:
                    raise PlaneError("not built")
                trouble = PlaneError("no such driver") if kind in failing else None
                self.made.append(Recorded(kind, tuple(listeners), service, trouble=trouble))
                return self.made[-1]

            return make

        super().__init__({kind: maker(kind) for kind in (DataPlane.NATIVE, DataPlane.PYTHON, DataPlane.XDP)})


def listen(host: str, plane: str = "auto", port: int = 123) -> ListenAddress:
    return ListenAddress(ip_address(host), port, data_plane=DataPlane(plane))


def server(makers: Makers, *listeners: ListenAddress, cell: StateCell | None = None) -> Server:
    return Server(listeners, cell or StateCell(locked_now()), makers=makers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "missing", "failing", "got", "reason", "fell_back"),
    [
        ("auto", "", "", "native", "", False),
        ("auto", "native", "", "python", "native: not built", False),
        ("auto", "", "native", "python", "native: no such driver", False),
        ("native", "", "", "native", "", False),
        ("native", "native", "", "python", "native: not built", True),
        ("python", "", "", "python", "", False),
        ("xdp", "", "", "xdp", "", False),
        ("xdp", "xdp", "", "native", "xdp: not built", True),
        ("xdp", "native", "xdp", "python", "xdp: no such driver; native: not built", True),
    ],
)
def test_the_plane_asked_for_or_the_next_best_with_the_reason(
    asked: str, missing: str, failing: str, got: str, reason: str, fell_back: bool
) -> None:
    tried = server(Makers(missing, failing), listen("127.0.0.1", asked))
    tried.start()
    (report,) = tried.reports()
    assert (report.plane.name, report.reason, report.fell_back) == (got, reason, fell_back)
    assert tried.alive


def test_listeners_keep_their_order_whoever_answers() -> None:
    asked = [listen("127.0.0.1", "python"), listen("127.0.0.2", "native"), listen("127.0.0.3", "python"), listen("127.0.0.4", "xdp")]
    makers = Makers()
    mixed = server(makers, *asked)
    mixed.start()
    assert [str(each) for each in mixed.addresses] == [str(each) for each in asked]
    assert [each.plane.name for each in mixed.reports()] == ["python", "native", "python", "xdp"]
    assert list(mixed.counters()) == [str(each) for each in asked]
    assert [len(each.addresses) for each in makers.made] == [2, 1, 1]
    service = ServiceSettings(ntpv5=True)
    settings = [ListenerSettings(require_nts=bool(number % 2)) for number in range(4)]
    mixed.configure(service, settings)
    assert [each.service for each in makers.made] == [service] * 3
    own = frozenset((bytes([127, 0, 0, number]), 123) for number in range(1, 5))
    settings = [replace(each, own=own) for each in settings]
    assert [each.settings for each in makers.made] == [[settings[0], settings[2]], [settings[1]], [settings[3]]]
    mixed.configure(replace(service, ntpv5=False))
    assert mixed.service == ServiceSettings()
    assert makers.made[1].settings == [settings[1]]


def test_every_state_reaches_the_planes_until_they_stop() -> None:
    first = locked_now()
    cell, makers = StateCell(first), Makers(failing="native")
    published = server(makers, listen("127.0.0.1"), cell=cell)
    published.start()
    second = replace(first, stratum=2)
    cell.publish(second)
    with contextlib.suppress(ValueError):
        cell.publish(replace(first, refid=b""))
    published.stop()
    cell.publish(first)
    failed, works = makers.made
    assert failed.states == [first]
    assert works.states == [first, second]
    assert not works.alive


def test_a_taken_port_stops_what_had_begun() -> None:
    makers = Makers()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        makers[DataPlane.PYTHON] = PythonPlane
        begun = server(makers, listen("127.0.0.2", "native"), listen("127.0.0.1", "python", taken.getsockname()[1]))
        with pytest.raises(ListenError, match="taken by"):
            begun.start()
    assert not makers.made[0].alive
    assert not begun.alive


def test_packets_in_our_own_name_are_known_by_the_addresses_that_the_host_has(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {bytes(15) + b"\1", b"\x7f\0\0\1", b"\xc0\0\2\7"}
    dumb = False

    def tell() -> frozenset[LocalAddress]:
        if dumb:
            raise OSError(11, "the kernel does not tell")
        return frozenset(LocalAddress(ip_address(each), 1) for each in here)

    monkeypatch.setattr("stratum1.server._server.local_addresses", tell)
    makers = Makers()
    wild = server(makers, listen("::"), listen("0.0.0.0", port=1123), listen("192.0.2.9", port=1124), listen("::1", port=0))
    wild.start()
    assert makers.made[0].addresses[0].settings.own == {
        *((address, 123) for address in here),
        (b"\x7f\0\0\1", 1123),
        (b"\xc0\0\2\7", 1123),
        (b"\xc0\0\2\x09", 1124),
    }
    wild.look()
    assert makers.made[0].settings == []
    here.remove(b"\xc0\0\2\7")
    wild.look()
    assert {(b"\xc0\0\2\7", 123), (b"\xc0\0\2\7", 1123)}.isdisjoint(makers.made[0].settings[0].own)
    assert (b"\x7f\0\0\1", 123) in makers.made[0].settings[0].own
    dumb, makers.made[0].settings = True, []
    wild.look()
    assert makers.made[0].settings == []


def test_settings_that_can_t_be_change_nothing() -> None:
    makers = Makers()
    running = server(makers, listen("127.0.0.1"))
    running.start()
    with pytest.raises(ValueError, match="interleaved_slots"):
        running.configure(ServiceSettings(interleaved_slots=1000), [ListenerSettings(require_nts=True)])
    assert running.service == ServiceSettings()
    assert makers.made[0].settings == []


def test_settings_that_can_not_be_leave_the_python_plane_as_it_is() -> None:
    listen = ListenAddress(ip_address("127.0.0.1"), 0)
    plane = PythonPlane((listen,), ServiceSettings(rate_limit=RateLimit()), locked_now())
    plane.start()
    try:
        before = plane.report()
        short = MasterKey(1, bytes(31))
        with pytest.raises(ValueError, match="31"):
            plane.configure(ServiceSettings(nts=KeyRing(short, (short,))), (ListenerSettings(),))
        assert plane.report() == before
        assert before.rate_limit is not None
    finally:
        plane.stop()
