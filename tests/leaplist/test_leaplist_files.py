"""Which list is used, and when a file is read again."""

import hashlib
import os
from pathlib import Path

import pytest

from stratum1.leaplist import LeapLists, packaged_list, read_list
from stratum1.timescale import NS, NTP_UNIX_OFFSET, LeapTableError, UtcNs, from_rfc3339

END = from_rfc3339("2027-07-01")


def list_text(expires: str, *more: tuple[UtcNs, int], cut: int = 0, hashed: bool = True) -> str:
    """The packaged history, with other leap seconds after it."""
    known = packaged_list()
    rows = [*zip(known.starts, known.offsets, strict=True), *more][: len(known.starts) + len(more) - cut]
    numbers = [(start // NS + NTP_UNIX_OFFSET, offset) for start, offset in rows]
    until = from_rfc3339(expires) // NS + NTP_UNIX_OFFSET
    digest = hashlib.sha1(
        (str(until) + "".join(f"{start}{offset}" for start, offset in numbers)).encode(), usedforsecurity=False
    ).hexdigest()
    words = " ".join(digest[index : index + 8] for index in range(0, 40, 8))
    end = [f"#h {words}", ""] if hashed else [""]
    return "\n".join([f"#@ {until}", *(f"{start} {offset}" for start, offset in numbers), *end])


def test_the_packaged_copy_is_sound() -> None:
    table = packaged_list()
    assert table.tai_offset(from_rfc3339("2026-11-24")) == 37
    assert table.expires == from_rfc3339("2027-06-28")
    assert len(table.starts) == 28
    assert "comes with stratum1" in table.origin


def test_the_list_that_expires_last_is_used_and_read_again_when_it_changes(tmp_path: Path) -> None:
    told: list[str] = []
    first, second = tmp_path / "one", tmp_path / "two"
    lists = LeapLists([first, second], told.append)
    assert lists.best() is packaged_list()
    first.write_text(list_text("2026-12-28"))
    assert lists.best() is packaged_list(), "an older one is no gain"
    first.write_text(list_text("2027-12-28"))
    assert lists.best().origin == str(first)
    second.write_text(list_text("2028-06-28", (END, 38)))
    assert (lists.best().origin, lists.best().offsets[-1]) == (str(second), 38)
    second.unlink()
    assert lists.best().origin == str(first)
    assert told == []


def test_an_unchanged_file_is_not_read_again_and_a_fault_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    file = tmp_path / "list"
    file.write_text("<html>")
    lists = LeapLists([file], told.append)
    for _ in range(3):
        assert lists.best() is packaged_list()
    assert len(told) == 1
    assert str(file) in told[0]
    stamp = file.stat().st_mtime_ns
    file.write_text(list_text("2027-12-28"))
    os.utime(file, ns=(stamp + 1, stamp + 1))
    assert lists.best().origin == str(file)
    file.write_bytes(b"#" * 70_000)
    assert lists.best() is packaged_list()
    assert "longer than" in told[1]


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert LeapLists([pipe, tmp_path, tmp_path / "nothing"], pytest.fail).best() is packaged_list()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (list_text("2027-12-28", cut=1), "is unchanged by it and 37 s by the list that comes with stratum1"),
        (list_text("2027-12-28", (from_rfc3339("2020-01-01"), 38)), "is 38 s by it and unchanged"),
        (list_text("2027-12-28", (UtcNs(END + 3600 * NS), 38)), "at a midnight"),
        (list_text("2027-12-28", (END, 39)), "by one second"),
        (list_text("2027-12-28").replace("#@ 40", "#@ 41"), "does not match"),
        (list_text("2027-12-28", hashed=False).replace("#@ ", "#@ 999999999"), "line 1"),
        (list_text("2027-12-28", hashed=False).replace(" 37", " 3700"), "expected"),
    ],
)
def test_a_list_that_can_not_be_right_is_refused(text: str, words: str) -> None:
    with pytest.raises(LeapTableError, match=words):
        read_list(text, "a test")


def test_an_old_list_may_be_shorter_than_ours() -> None:
    assert read_list(list_text("2016-12-28", cut=1), "old").offsets[-1] == 36
