import asyncio
import http.client
import json
import os
import socket
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from testkit.http import request, serving
from testkit.loopback import free_port
from testkit.shown import FakeSource, make_status

from stratum1.cli.client import ControlClient, ControlError
from stratum1.config import ConfigError
from stratum1.control import RecentSeries, status_json
from stratum1.control.http import ActionRefusedError, Actions, ControlServer, EventStream, make_control_app
from stratum1.control.http._server import _client
from stratum1.web import make_app


async def _nothing_new() -> str:
    return "nothing changed"


def _control(source: FakeSource, actions: Actions | None = None) -> Callable[[], web.Application]:
    return lambda: make_control_app(source, RecentSeries(), actions or Actions(_nothing_new))


def test_status_over_the_unix_socket_is_the_snapshot_with_its_exact_position(tmp_path: Path) -> None:
    source = FakeSource(make_status())
    path = tmp_path / "run" / "control.sock"
    with serving(_control(source), str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert ControlClient(path).get("/api/v1/status") == json.loads(json.dumps(status_json(source.status)))
        assert ControlClient(path).get("/api/v1/series")["at"] == []
    assert not path.exists()


def test_status_over_tcp_has_the_rounded_position() -> None:
    port = free_port()
    with serving(lambda: make_app(FakeSource(make_status()), RecentSeries()), f"127.0.0.1:{port}"):
        answer, body = request(port, "/api/v1/status")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(body)["gnss"]["position"] == {"latitude": 47.2, "longitude": 8.5, "altitude": 400.0}


def test_reload_says_what_it_did_or_why_not(tmp_path: Path) -> None:
    async def refuse() -> str:
        raise ConfigError("stratum1.toml: web.listen: must be ...")

    path = tmp_path / "s"
    with serving(_control(FakeSource(make_status())), str(path)):
        assert ControlClient(path).post("/api/v1/reload") == {"done": "nothing changed"}
    with (
        serving(_control(FakeSource(make_status()), Actions(refuse)), str(path)),
        pytest.raises(ControlError, match=r"web\.listen: must be"),
    ):
        ControlClient(path).post("/api/v1/reload")


def test_simulated_receiver_obeys_only_known_actions(tmp_path: Path) -> None:
    done: list[str] = []

    def busy() -> None:
        raise ActionRefusedError("it is unplugged already")

    actions = Actions(_nothing_new, simulate={"pause-pulse": lambda: done.append("pause"), "unplug": busy})
    path = tmp_path / "s"
    with serving(_control(FakeSource(make_status()), actions), str(path)):
        client = ControlClient(path)
        assert client.post("/api/v1/simulate/pause-pulse") == {"done": "pause-pulse"}
        with pytest.raises(ControlError, match="unplugged already"):
            client.post("/api/v1/simulate/unplug")
        with pytest.raises(ControlError, match="known here: pause-pulse, unplug"):
            client.post("/api/v1/simulate/explode")
    assert done == ["pause"]
    with serving(_control(FakeSource(make_status())), str(path)), pytest.raises(ControlError, match="not simulated"):
        ControlClient(path).post("/api/v1/simulate/unplug")


def test_the_owner_vouches_for_the_receivers_on_the_socket_only(tmp_path: Path) -> None:
    def refuse() -> str:
        raise ActionRefusedError("no receiver is configured: there is nothing to trust")

    path = tmp_path / "s"
    with serving(_control(FakeSource(make_status()), Actions(_nothing_new, trust=lambda: "believed")), str(path)):
        assert ControlClient(path).post("/api/v1/trust-reference") == {"done": "believed"}
    for actions, told in ((Actions(_nothing_new, trust=refuse), "nothing to trust"), (Actions(_nothing_new), "no receiver to trust")):
        with serving(_control(FakeSource(make_status()), actions), str(path)), pytest.raises(ControlError, match=told):
            ControlClient(path).post("/api/v1/trust-reference")


def test_recording_streams_and_its_source_is_closed_when_the_reader_leaves(tmp_path: Path) -> None:
    closed: list[bool] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"chunk\n"
                await asyncio.sleep(0.01)
        finally:
            closed.append(True)

    path = tmp_path / "s"
    with serving(_control(FakeSource(make_status()), Actions(_nothing_new, endless)), str(path)):
        stream = ControlClient(path).stream("POST", "/api/v1/record")
        assert next(stream).startswith(b"chunk\n")
        stream.close()  # type: ignore[attr-defined]
        _until(lambda: closed == [True])
    with serving(_control(FakeSource(make_status())), str(path)), pytest.raises(ControlError, match="nothing to record"):
        next(ControlClient(path).stream("POST", "/api/v1/record"))


def test_events_come_at_once_and_then_regularly_and_cost_nothing_unheard(tmp_path: Path) -> None:
    source = FakeSource(make_status())
    path = tmp_path / "s"
    with serving(_control(source), str(path)):
        events = ControlClient(path).events()
        began = time.monotonic()
        assert next(events)["lock"]["state"] == "locked"
        assert time.monotonic() - began < 0.8
        next(events)
        assert 0.5 < time.monotonic() - began < 3
        events.close()  # type: ignore[attr-defined]
        time.sleep(2.5)
        asked = source.asked
        time.sleep(1.5)
        assert source.asked == asked


def test_event_listeners_are_bounded_and_slow_ones_dropped() -> None:
    streams: list[EventStream] = []

    def make() -> web.Application:
        stream = EventStream(FakeSource(make_status()), lambda status: b"x" * 500_000, limit=2, interval=0.02)
        streams.append(stream)
        app = web.Application()
        app.router.add_get("/events", stream.respond)
        app.on_shutdown.append(stream.close)
        return app

    port = free_port()
    with serving(make, f"127.0.0.1:{port}"):
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        for each in idle:
            each.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        _until(lambda: streams[0].listeners == 2)
        answer, _ = request(port, "/events")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
        _until(lambda: streams[0].listeners == 0)  # they never read: dropped
        for each in idle:
            each.close()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/events")
        assert connection.getresponse().status == 200  # there is room again
        connection.close()


def test_connections_are_bounded() -> None:
    port = free_port()
    with serving(lambda: make_app(FakeSource(make_status()), RecentSeries()), f"127.0.0.1:{port}", connections=3):
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", port)) as extra:
            extra.settimeout(5)
            assert _closed(extra)
        for each in held:
            each.close()
        time.sleep(0.2)
        assert request(port, "/")[0].status == 200


def test_one_client_can_not_keep_the_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratum1.control.http._server._client", lambda transport: transport.get_extra_info("peername")[0])
    port = free_port()
    with serving(lambda: make_app(FakeSource(make_status()), RecentSeries()), f"127.0.0.1:{port}", per_client=3):
        held = [socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) for _ in range(3)]
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as extra:
            extra.settimeout(5)
            assert _closed(extra)
        assert request(port, "/")[0].status == 200
        held.pop().close()
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as again:
            again.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            again.settimeout(5)
            assert again.recv(100).startswith(b"HTTP/1.0 200")
        for each in held:
            each.close()


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7"),
        (("2001:db8:0:1::7", 1, 0, 0), "2001:db8:0:1::/64"),
        (("fe80::7%eth0", 1, 0, 2), "fe80::/64"),
        (("127.0.0.1", 1), ""),
        (("::1", 1, 0, 0), ""),
        (("::ffff:127.0.0.1", 1, 0, 0), ""),
        ("/run/peer.sock", ""),
        (None, ""),
    ],
)
def test_whose_a_connection_is(peer: object, client: str) -> None:
    class Transport(asyncio.BaseTransport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return {"peername": peer}.get(name, default)

    assert _client(Transport()) == client
    assert _client(None) == ""


def test_a_stale_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    app = _control(FakeSource(make_status()))
    with serving(app, str(path)):
        told = _start_and_stop(str(path))
        assert "another stratum1 answers there" in told[0]
        assert ControlClient(path).get("/api/v1/status")["lock"]["state"] == "locked"


def test_a_path_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    assert "no socket" in _start_and_stop(str(path))[0]
    assert path.read_text() == "precious"
    assert "107 bytes" in _start_and_stop("/" + "x" * 200)[0]
    assert "must exist and be writable" in _start_and_stop("/proc/none/control.sock")[0]


def test_a_taken_port_is_told_with_its_remedy_and_taken_later() -> None:
    told: list[tuple[str, str]] = []

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            app = make_app(FakeSource(make_status()), RecentSeries())
            server = ControlServer(app, f"127.0.0.1:{port}", lambda kind, text: told.append((kind, text)), retry=0.05)
            assert not await server.start()
            assert f"sport = :{port}" in server.error
            await asyncio.sleep(0.2)
        await asyncio.to_thread(_until, lambda: server.listening)
        assert server.error == ""
        await server.stop()

    asyncio.run(run())
    assert [kind for kind, _ in told] == ["web", "web"]  # once for the failure however often it is tried, once for the success
    assert "something else listens there" in told[0][1]
    assert "listening on" in told[1][1]


def test_the_any_address_takes_both_families() -> None:
    port = free_port()
    with serving(lambda: make_app(FakeSource(make_status()), RecentSeries()), f"[::]:{port}"):
        assert request(port, "/")[0].status == 200
        if Path("/proc/net/if_inet6").exists():
            socket.create_connection(("::1", port)).close()


def test_an_address_of_nobody_is_told() -> None:
    assert "no interface has this address" in _start_and_stop("192.0.2.1:8080")[0]


def test_a_socket_of_others_is_told_with_the_remedy() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "s"
        with serving(_control(FakeSource(make_status())), str(path)):
            path.chmod(0)
            with _without_privilege(), pytest.raises(ControlError, match="join its group"):
                ControlClient(path).get("/api/v1/status")


def test_nobody_there_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"no daemon answers there; start it \(`systemctl start stratum1`"):
        ControlClient(tmp_path / "none").get("/api/v1/status")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(ControlError, match="does not answer within"):
            ControlClient(tmp_path / "s", timeout=0.2).get("/api/v1/status")


@contextmanager
def _without_privilege() -> Iterator[None]:
    """As another user where the tests run as root, who may connect anywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def _start_and_stop(address: str) -> list[str]:
    told: list[str] = []

    async def run() -> None:
        server = ControlServer(_control(FakeSource(make_status()))(), address, lambda kind, text: told.append(text))
        assert not await server.start()
        await server.stop()

    asyncio.run(run())
    return told


def _closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def _until(reached: Callable[[], bool], patience: float = 10.0) -> None:
    end = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)
