import html.parser
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testkit.http import request, serving
from testkit.loopback import free_port
from testkit.shown import FakeSource, make_bare_status, make_status

from stratum1.control import EventRecord, RecentSeries, Status
from stratum1.interchange import LockState
from stratum1.web import make_app

HOSTILE = "<script>alert('&\"')</script>"


class _Page(html.parser.HTMLParser):
    """Tags with their attributes, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def hidden(self, part: str) -> bool:
        return next("hidden" in attributes for _, attributes in self.tags if attributes.get("data-if") == part)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeSource, int]]:
    source, port = FakeSource(make_status()), free_port()
    with serving(lambda: make_app(source, RecentSeries()), f"127.0.0.1:{port}"):
        yield source, port


def _page(served: tuple[FakeSource, int], status: Status) -> _Page:
    served[0].status = status
    answer, body = request(served[1], "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return _Page(body.decode())


def test_page_says_everything_without_a_script(served: tuple[FakeSource, int]) -> None:
    page = _page(served, make_status())
    for text in (
        "clock.example", "03:14:15", "2026-11-24", "Locked", "steered by the pulse, within its bound", "1.26 µs", "−37.2 ns", "−19.877 ppm",
        "reference GPS", "7 of 11", "3D fix", "137 ms", "GNGGA", "[::]:11123", "ntp11.metas.ch", "acquiring to locked", "47.2° N, 8.5° E",
    ):  # fmt: skip
        assert text in page.text, text
    assert page.hidden("simulated")
    assert page.hidden("alarms")
    assert not page.hidden("receiver")


@pytest.mark.parametrize(
    "status",
    [
        replace(make_status(), gnss=None),
        replace(make_status(), pps=None),
        replace(make_status(), refclock=None),
        replace(make_status(), discipline=None),
    ],
    ids=["gnss", "pps", "refclock", "discipline"],
)
def test_page_renders_without_a_part(served: tuple[FakeSource, int], status: Status) -> None:
    page = _page(served, status)
    assert page.hidden("receiver") == (status.gnss is None)
    assert page.hidden("no-receiver") != (status.gnss is None)
    assert not page.hidden("pulse")


def test_page_renders_with_nothing_known(served: tuple[FakeSource, int]) -> None:
    page = _page(served, make_bare_status())
    assert "does not know the time yet" in page.text
    assert "No receiver is configured" in page.text
    assert not page.hidden("no-listeners")


@pytest.mark.parametrize("state", list(LockState))
def test_page_renders_in_every_state(served: tuple[FakeSource, int], state: LockState) -> None:
    status = make_status()
    page = _page(served, replace(status, lock=replace(status.lock, state=state)))
    assert page.tags[0][1]["data-state"] == state.value


def test_simulated_time_is_told_loudly(served: tuple[FakeSource, int]) -> None:
    assert not _page(served, replace(make_status(), simulated=True)).hidden("simulated")


def test_alarms_are_shown(served: tuple[FakeSource, int]) -> None:
    status = make_status()
    assert status.refclock is not None
    page = _page(served, replace(status, refclock=replace(status.refclock, alarms=("The pulse is inverted: set pps-edge.",))))
    assert not page.hidden("alarms")
    assert "The pulse is inverted" in page.text


def test_everything_from_outside_is_escaped(served: tuple[FakeSource, int]) -> None:
    status = make_status()
    assert status.gnss is not None
    hostile = replace(
        status,
        hostname=HOSTILE,
        lock=replace(status.lock, reason=HOSTILE),
        time=replace(status.time, refid=HOSTILE),
        gnss=replace(status.gnss, sentences={HOSTILE: 1}, line=replace(status.gnss.line, device=HOSTILE, error=HOSTILE)),
        events=(EventRecord(status.started, HOSTILE, HOSTILE),),
    )
    page = _page(served, hostile)
    assert page.text.count(HOSTILE) >= 7
    assert [tag for tag, _ in page.tags].count("script") == 1


def test_page_has_no_inline_code_and_nothing_from_elsewhere(served: tuple[FakeSource, int]) -> None:
    page = _page(served, make_status())
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert scripts == [{"type": "module", "src": "/static/page.js"}]
    for tag, attributes in page.tags:
        assert "style" not in attributes
        assert tag != "style"
        assert not [name for name in attributes if name.startswith("on")]
        for link in (attributes.get("src"), attributes.get("href")):
            assert link is None or (link.startswith("/") and not link.startswith("//"))
    for path in files("stratum1.web").joinpath("static").iterdir():
        addresses = re.findall(r"\w+://[^\s\"')]*", path.read_text())
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path.name  # a namespace, never fetched


def test_page_with_all_its_files_is_small(served: tuple[FakeSource, int]) -> None:
    names = [path.name for path in files("stratum1.web").joinpath("static").iterdir()]
    size = sum(len(request(served[1], f"/static/{name}")[1]) for name in names) + len(request(served[1], "/")[1])
    assert len(names) >= 4
    assert size < 200_000


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/api/v1/status", "/api/v1/series", "/metrics", "/nothing"])
def test_every_answer_has_the_security_headers(served: tuple[FakeSource, int], path: str) -> None:
    answer, _ = request(served[1], path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Server"] == "stratum1"
    assert answer.status == (404 if path == "/nothing" else 200)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/api/v1/reload", "/api/v1/simulate/unplug", "/api/v1/record"])
def test_nothing_can_be_changed_from_the_network(served: tuple[FakeSource, int], method: str, path: str) -> None:
    answer, _ = request(served[1], path, method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET,HEAD"


def test_a_method_that_is_none_is_refused(served: tuple[FakeSource, int]) -> None:
    assert request(served[1], "/", "FROBNICATE")[0].status in (400, 405)  # aiohttp's C parser does not know it, its Python one does


def test_the_control_sockets_actions_are_unknown_on_the_network(served: tuple[FakeSource, int]) -> None:
    for path in ("/api/v1/reload", "/api/v1/simulate/unplug", "/api/v1/record"):
        assert request(served[1], path)[0].status == 404


def test_head_answers_without_a_body(served: tuple[FakeSource, int]) -> None:
    for path in ("/", "/metrics", "/api/v1/status", "/live", "/api/v1/events"):
        answer, body = request(served[1], path, "HEAD")
        assert (answer.status, body) == (200, b"")


def test_bodies_and_malformed_hosts_are_refused(served: tuple[FakeSource, int]) -> None:
    assert request(served[1], "/", headers={"Content-Length": "5"})[0].status in (400, 413)
    for host in ("a b", "<script>", "x" * 300, ""):
        assert request(served[1], "/", headers={"Host": host})[0].status == 400
    assert request(served[1], "/", headers={"Host": "[fe80::1%25eth0]:8080"})[0].status == 200


def test_static_files_are_cached_by_their_content(served: tuple[FakeSource, int]) -> None:
    first, _ = request(served[1], "/static/page.css")
    again, body = request(served[1], "/static/page.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, body) == (304, b"")


@pytest.mark.parametrize("name", ["../page.html", "..%2fpage.html", "%2e%2e/__init__.py", "page.js%00", "nothing.js", ".", ""])
def test_only_known_files_can_be_asked_for(served: tuple[FakeSource, int], name: str) -> None:
    assert request(served[1], f"/static/{name}")[0].status in (400, 404)


def test_live_stream_brings_the_view(served: tuple[FakeSource, int]) -> None:
    served[0].status = make_status()
    with socket.create_connection(("127.0.0.1", served[1]), timeout=10) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while received.count(b"\n\n") < 1:
            received += connection.recv(65536)
    assert b"Content-Type: text/event-stream" in received
    view = json.loads(next(line for line in received.split(b"\n") if line.startswith(b"data: "))[6:])
    assert view["texts"]["state"] == "Locked"
    assert view["data"]["utc_ms"] == pytest.approx(served[0].status.time.utc / 1e6)
    assert len(view["data"]["satellites"]) == 11


def test_metrics_come_in_both_formats(served: tuple[FakeSource, int]) -> None:
    plain, body = request(served[1], "/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain")
    assert b"ntp_server_received_packets_total{" in body
    wanted, body = request(served[1], "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert wanted.headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_get_an_error_or_nothing(served: tuple[FakeSource, int], data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served[1]), timeout=5) as connection:
        connection.sendall(data + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = connection.recv(65536)
        except ConnectionError:
            answer = b""
    assert b"Traceback" not in answer
    assert not answer or answer.startswith(b"HTTP/1.")


@settings(deadline=None, max_examples=150)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=60))
def test_arbitrary_paths_are_answered(served: tuple[FakeSource, int], path: str) -> None:
    answer, body = request(served[1], f"/{path}")
    assert answer.status in (200, 400, 404)
    assert b"Traceback" not in body
