"""A newer list from a server on loopback: over https, hash-checked, at most once a day; and everything that can be wrong with it."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from test_leaplist_files import list_text

from stratum1.clock import StateError
from stratum1.leaplist import FetchError, LeapFetcher, LeapLists, LeapWatch, packaged_list
from stratum1.timescale import NS, LeapTable, UtcNs, from_rfc3339

NOW = from_rfc3339("2027-03-01")
DAY = 86_400 * NS


def never(table: LeapTable) -> None:
    raise AssertionError(table)


class Publisher:
    """Serves what the test wants, and counts how often it is asked."""

    def __init__(self) -> None:
        self.text = list_text("2027-12-28")
        self.status = 200
        self.asked = 0
        self.url = ""

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        headers = {"Location": "http://127.0.0.1:9/"} if self.status == 302 else {}
        return web.Response(text=self.text, status=self.status, headers=headers)


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    published = Publisher()
    application = web.Application()
    application.router.add_get("/leap-seconds.list", published.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    published.url = f"http://127.0.0.1:{runner.addresses[0][1]}/leap-seconds.list"
    yield published
    await runner.cleanup()


async def test_a_newer_list_is_kept_and_used(publisher: Publisher, tmp_path: Path) -> None:
    fetcher = LeapFetcher(publisher.url, tmp_path)
    taken: list[LeapTable] = []
    notes: list[tuple[bool, str]] = []
    watch = LeapWatch(LeapLists([fetcher.path], pytest.fail), fetcher, taken.append, lambda alarm, text: notes.append((alarm, text)))
    await watch.freshen(fetcher, NOW)
    assert [table.expires for table in taken] == [from_rfc3339("2027-12-28")]
    assert watch.table.origin == str(fetcher.path)
    assert notes == [(False, f"the list of leap seconds is now {fetcher.path}")]
    await watch.freshen(fetcher, UtcNs(NOW + 2 * DAY))
    assert publisher.asked == 1, "the new one is good for long"


async def test_it_is_asked_for_once_a_day_over_restarts_too_and_only_near_the_end(publisher: Publisher, tmp_path: Path) -> None:
    table = packaged_list()
    assert not LeapFetcher(publisher.url, tmp_path).is_due(UtcNs(table.expires - 151 * DAY), table)
    assert LeapFetcher(publisher.url, tmp_path).is_due(UtcNs(table.expires + 900 * DAY), table)
    publisher.status = 503
    for hour in range(50):
        fetcher = LeapFetcher(publisher.url, tmp_path)
        watch = LeapWatch(LeapLists([], pytest.fail), fetcher, never, lambda *_: None)
        await watch.freshen(fetcher, UtcNs(NOW + hour * DAY // 24))
    assert publisher.asked == 3
    await watch.freshen(fetcher, None)
    assert publisher.asked == 3, "while the time is not known nothing is fetched"


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("", 404, "answers 404 Not Found"),
        ("", 302, "answers 302"),
        ("<html>captive portal</html>", 200, "line 1"),
        (list_text("2027-12-28", hashed=False), 200, "no hash"),
        (list_text("2027-12-28").replace("\t", " ")[:-3], 200, "does not match"),
        (list_text("2027-06-28"), 200, "does not expire later"),
        (list_text("2026-06-28"), 200, "expired itself"),
        (list_text("2027-12-28", cut=1), 200, "by the list that comes with"),
        ("#" * 100_000, 200, "longer than"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_kept(publisher: Publisher, tmp_path: Path, text: str, status: int, words: str) -> None:
    publisher.text, publisher.status = text, status
    fetcher = LeapFetcher(publisher.url, tmp_path)
    with pytest.raises(FetchError, match=words):
        await fetcher.fetch(NOW, packaged_list())
    assert not fetcher.path.exists()


async def test_the_same_trouble_is_told_once(publisher: Publisher, tmp_path: Path) -> None:
    publisher.status = 500
    notes: list[str] = []
    fetcher = LeapFetcher(publisher.url, tmp_path)
    watch = LeapWatch(LeapLists([], pytest.fail), fetcher, never, lambda _alarm, text: notes.append(text))
    for day in range(3):
        await watch.freshen(fetcher, UtcNs(NOW + day * DAY))
    assert publisher.asked == 3
    assert len(notes) == 1
    assert "tried again tomorrow" in notes[0]


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:9"):
        await LeapFetcher("http://127.0.0.1:9/list", tmp_path).fetch(NOW, packaged_list())


async def test_a_state_directory_that_can_not_be_written_is_told(publisher: Publisher, tmp_path: Path) -> None:
    fetcher = LeapFetcher(publisher.url, tmp_path / "file" / "below")
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError):
        await fetcher.fetch(NOW, packaged_list())
    assert publisher.asked == 0


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    certificate = Path(__file__).with_name("loopback.pem")  # made for this test, with its key
    published = Publisher()
    application = web.Application()
    application.router.add_get("/leap-seconds.list", published.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/leap-seconds.list"
    try:
        with pytest.raises(FetchError, match=r"[Cc]ertificate"):
            await LeapFetcher(url, tmp_path).fetch(NOW, packaged_list())
        trusting = LeapFetcher(url, tmp_path, ssl.create_default_context(cafile=str(certificate)))
        assert (await trusting.fetch(NOW, packaged_list())).expires == from_rfc3339("2027-12-28")
    finally:
        await runner.cleanup()
