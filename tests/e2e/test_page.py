"""The status page in a real browser (Debian's chromium), against the real application and a picture that the test changes."""

import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from testkit.http import serving
from testkit.loopback import free_port
from testkit.shown import NOW, FakeSource, make_bare_status, make_status

from stratum1.control import LockStatus, RecentSeries, Status
from stratum1.gnss.events import FixMode
from stratum1.interchange import Leap, LockState
from stratum1.timescale import NS, UtcNs
from stratum1.web import make_app

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_STARTED = time.monotonic()


class _LiveSource(FakeSource):
    """Its time runs; the rest is as the test sets it."""

    def snapshot(self) -> Status:
        status = super().snapshot()
        elapsed = time.monotonic() - _STARTED
        moving = replace(status.time, utc=UtcNs(NOW + round(elapsed * NS)))
        return replace(status, time=moving, uptime=5000 + elapsed)


def _past(status: Status) -> RecentSeries:
    series = RecentSeries()
    for i in range(600):
        then = replace(status.time, utc=UtcNs(NOW - (600 - i) * NS), offset=50e-9 * math.sin(i / 9), frequency_ppm=-19.8 + i * 1e-6)
        series.record(replace(status, time=then, uptime=4400.0 + i))
    return series


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[_LiveSource, int]]:
    source, port = _LiveSource(make_status()), free_port()
    with serving(lambda: make_app(source, _past(make_status())), f"127.0.0.1:{port}"):
        yield source, port


class _Visit:
    """A page that is open, with everything that it complained about and every host that it asked."""

    def __init__(self, page: Page, port: int) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI))"
        )
        page.goto(f"http://127.0.0.1:{port}/")
        self.until("document.title !== 'stratum1'")  # the first message has come

    def until(self, condition: str) -> None:
        """Wait; Playwright's own wait_for_function needs eval(), which the page's policy forbids."""
        end = time.monotonic() + 10
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, condition
            self.page.wait_for_timeout(50)

    def text(self, name: str) -> str:
        return self.page.locator(f'[data-t="{name}"]').first.inner_text()

    def wait_for(self, name: str, text: str) -> None:
        self.until(f"document.querySelector('[data-t={name}]').textContent.includes('{text}')")


@pytest.fixture
def visit(browser: Browser, served: tuple[_LiveSource, int]) -> Iterator[_Visit]:
    served[0].status = make_status()
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield _Visit(page, served[1])
    page.close()


def _holdover() -> Status:
    status = make_status()
    assert status.gnss is not None
    assert status.refclock is not None
    line = replace(status.gnss.line, open=False, error="unplugged; it is opened again when it comes back")
    return replace(
        status,
        simulated=True,
        lock=LockStatus(LockState.HOLDOVER, UtcNs(NOW - 90 * NS), "no pulse for 90 s", True),
        time=replace(status.time, error_bound=4.2e-6),
        gnss=replace(status.gnss, line=line, mode=FixMode.NONE, satellites_used=0, satellites=()),
        refclock=replace(status.refclock, usable=False, reason="no pulse for 90 s"),
    )


def test_the_page_is_quiet_and_asks_nobody_else(visit: _Visit, served: tuple[_LiveSource, int]) -> None:
    visit.page.wait_for_timeout(1500)
    assert visit.complaints == []
    assert visit.hosts == {f"127.0.0.1:{served[1]}"}
    assert visit.text("state") == "Locked"
    assert visit.page.locator("#sky g").count() == 10  # of eleven satellites one has no place in the sky
    assert visit.page.locator("#bars rect").count() == 9
    assert visit.page.title() == "Locked: clock.example"


def test_plots_are_drawn(visit: _Visit) -> None:
    visit.page.wait_for_timeout(1500)
    for name in ("offset", "frequency"):
        colours = visit.page.evaluate(
            """(id) => { const c = document.getElementById(id); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            const seen = new Set(); for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200) seen.add(d[i] + ',' + d[i+1] + ',' + d[i+2]);
            return seen.size; }""",
            f"plot-{name}",
        )
        assert colours > 10


def test_the_clock_is_the_boxs_and_runs(visit: _Visit) -> None:
    def ahead() -> float:
        shown: str = visit.page.evaluate("document.getElementById('clock').dateTime")
        served_ms: float = NOW / 1e6 + (time.monotonic() - _STARTED) * 1000
        return float(visit.page.evaluate("(text) => Date.parse(text)", shown)) - served_ms

    visit.page.wait_for_timeout(1200)
    first = visit.text("clock")
    assert -1600 < ahead() < 300
    visit.page.wait_for_timeout(1200)
    assert visit.text("clock") != first
    assert re.fullmatch(r"\d\d:\d\d:\d\d", first)
    assert re.match(r"Your device's clock is .* (ahead|behind)|Your device's clock agrees", visit.page.locator("#browser").inner_text())


def test_values_follow_the_server(visit: _Visit, served: tuple[_LiveSource, int]) -> None:
    assert not visit.page.locator(".simulated").is_visible()
    served[0].status = _holdover()
    visit.wait_for("state", "Holdover")
    assert visit.text("reason").lower() == "no pulse for 90 s"
    assert visit.text("bound") == "4.20 µs"
    assert visit.text("satellites") == "0 of 11"
    assert visit.page.locator(".simulated").is_visible()
    assert "unplugged" in visit.page.locator(".alarms").inner_text()
    assert visit.page.locator("#sky g").count() == 0
    served[0].status = replace(make_status(), time=replace(make_status().time, leap=Leap.UNKNOWN, stratum=16, offset=None))
    visit.wait_for("stratum", "16")
    assert visit.text("offset") == "–"
    assert not visit.page.locator(".alarms").is_visible()
    assert visit.complaints == []


def test_silence_of_the_server_is_told(browser: Browser) -> None:
    port = free_port()
    page = browser.new_page()
    with serving(lambda: make_app(_LiveSource(make_status()), RecentSeries()), f"127.0.0.1:{port}"):
        _Visit(page, port)
        assert not page.locator("#stale").is_visible()
    page.wait_for_selector("#stale", state="visible", timeout=10000)
    assert "silent" in page.locator("#stale").inner_text()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("make", [make_status, make_bare_status, _holdover])
def test_no_width_scrolls_sideways_and_nothing_is_cut(
    browser: Browser, served: tuple[_LiveSource, int], tmp_path: Path, make: object, width: int, scheme: str
) -> None:
    assert callable(make)
    served[0].status = make()
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light")
    visit = _Visit(page, served[1])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = """[...document.querySelectorAll('.value')].filter(e => {
        const words = document.createRange(); words.selectNodeContents(e);
        return words.getBoundingClientRect().width > e.clientWidth; }).map(e => e.textContent)"""
    assert page.evaluate(cut) == []
    assert visit.complaints == []
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    page.close()


def test_a_page_that_nobody_sees_costs_nothing(visit: _Visit, served: tuple[_LiveSource, int]) -> None:
    visit.page.evaluate("Object.defineProperty(document, 'hidden', {value: true}); document.dispatchEvent(new Event('visibilitychange'))")
    end, asked = time.monotonic() + 15, -1
    while asked != served[0].asked:  # the server notices at its next messages
        assert time.monotonic() < end
        asked = served[0].asked
        visit.page.wait_for_timeout(2500)


def test_the_page_serves_those_without_scripts(browser: Browser, served: tuple[_LiveSource, int]) -> None:
    served[0].status = make_status()
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{served[1]}/")
    text = page.locator("body").inner_text()
    for words in ("Locked", "−37.2 ns", "7 of 11", "Scripts are off", "acquiring to locked"):
        assert words in text
    assert not page.locator("canvas").first.is_visible()
    context.close()
