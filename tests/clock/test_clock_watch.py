"""The watch on sets of the clock. That a set is seen needs one: tests/long/test_kernel_clock.py does it."""

import asyncio
import select

import pytest

from stratum1.clock import ClockError, ClockSetWatch


def test_nothing_is_reported_while_nobody_sets_the_clock() -> None:
    with ClockSetWatch() as watch:
        assert select.select([watch], [], [], 0.05)[0] == []
        assert not watch.cancelled()


def test_an_event_loop_takes_it_and_gives_it_back() -> None:
    async def use() -> list[bool]:
        seen: list[bool] = []
        with ClockSetWatch() as watch:
            loop = asyncio.get_running_loop()
            loop.add_reader(watch.fileno(), lambda: seen.append(watch.cancelled()))
            await asyncio.sleep(0.05)
            assert loop.remove_reader(watch.fileno())
        return seen

    assert asyncio.run(use()) == []


def test_closing_twice_is_harmless_and_a_closed_watch_says_so() -> None:
    watch = ClockSetWatch()
    watch.close()
    watch.close()
    assert watch.fileno() == -1
    with pytest.raises(ClockError, match="watch on the clock failed"):
        watch.cancelled()
