"""Files of symmetric keys, as ntpd, NTPsec and chrony write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.server.keyfile import KeyFileError, parse_keys
from stratum1.server.service import KeyKind, SymmetricKey

_HEX20 = "1dc764e0791b11fa67efc7ecbc4b0d73f68a070c"

NTP_KEYS = f"""\
# ntpkey_keygen
 1 MD5 L";Nw<\\ux`<1B'Q+Ad=T  # MD5 key
 2 M short
11 SHA1 {_HEX20}  # SHA1 key
12 SHA {_HEX20.upper()}
13 AES128CMAC {_HEX20[:32]}
14 AES 0123456789abcdef
15 SHA256 {_HEX20}{_HEX20}
"""

CHRONY_KEYS = f"""\
! a comment
; another
% another
10 tulip
11 hyacinth
20 MD5 ASCII:crocus
25 SHA1 HEX:{_HEX20}
30 AES128 HEX:{_HEX20[:32]}
31 AES256 HEX:{_HEX20[:32]}{_HEX20[:32]}
40 SHA-512 hex:00
41 sha384 not-hexadecimal-and-longer-than-20
"""


def test_keys_of_ntpd_and_ntpsec() -> None:
    octets = bytes.fromhex(_HEX20)
    assert parse_keys(NTP_KEYS) == {
        1: SymmetricKey(1, KeyKind.MD5, b"L\";Nw<\\ux`<1B'Q+Ad=T"),
        2: SymmetricKey(2, KeyKind.MD5, b"short"),
        11: SymmetricKey(11, KeyKind.SHA1, octets),
        12: SymmetricKey(12, KeyKind.SHA1, octets),
        13: SymmetricKey(13, KeyKind.AES128, octets[:16]),
        14: SymmetricKey(14, KeyKind.AES128, b"0123456789abcdef"),
        15: SymmetricKey(15, KeyKind.SHA256, octets * 2),
    }


def test_keys_of_chrony() -> None:
    octets = bytes.fromhex(_HEX20)
    assert parse_keys(CHRONY_KEYS) == {
        10: SymmetricKey(10, KeyKind.MD5, b"tulip"),
        11: SymmetricKey(11, KeyKind.MD5, b"hyacinth"),
        20: SymmetricKey(20, KeyKind.MD5, b"crocus"),
        25: SymmetricKey(25, KeyKind.SHA1, octets),
        30: SymmetricKey(30, KeyKind.AES128, octets[:16]),
        31: SymmetricKey(31, KeyKind.AES256, octets[:16] * 2),
        40: SymmetricKey(40, KeyKind.SHA512, b"\0"),
        41: SymmetricKey(41, KeyKind.SHA384, b"not-hexadecimal-and-longer-than-20"),
    }


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1", 'expected "ID TYPE KEY"'),
        ("1 MD5 key 192.0.2.1", "list of addresses behind the key is not supported"),
        ("0 MD5 key", "must be from 1 to 4294967295, not '0'"),
        ("4294967296 MD5 key", "must be from 1"),
        ("-1 MD5 key", "must be from 1"),
        ("x MD5 key", "must be from 1"),
        ("1 TIGER key", "'TIGER' is no type of key that is known: MD5, SHA1, SHA256, SHA384, SHA512, AES128, AES256"),
        ("1 AES128 HEX:00", "AES128 has 16 octets (32 hexadecimal digits), not 1"),
        ("1 AES256 0123456789abcdef", "AES256 has 32 octets"),
        ("1 SHA1 HEX:0", "must be followed by pairs"),
        ("1 SHA1 HEX:", "must be followed by pairs"),
        ("1 SHA1 ASCII:", "the key has 0 octets"),
        ("1 SHA1 " + "z" * 257, "the key has 257 octets"),
    ],
)
def test_what_can_not_be_names_line_and_remedy_and_no_secret(line: str, says: str) -> None:
    with pytest.raises(KeyFileError) as error:
        parse_keys(f"# first\n\n{line}\n")
    assert str(error.value).startswith("line 3: ")
    assert says in str(error.value)
    assert "zzzz" not in str(error.value)


def test_all_mistakes_are_told_and_a_key_stands_once() -> None:
    with pytest.raises(KeyFileError) as error:
        parse_keys("1 MD5 a\nx\n1 SHA1 b\n")
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == ["line 2", "line 3"]
    assert "key 1 stands twice" in str(error.value)


@given(st.text(max_size=200))
def test_any_text_gives_keys_or_that_error(text: str) -> None:
    try:
        keys = parse_keys(text)
    except KeyFileError:
        return
    for key_id, key in keys.items():
        assert key_id == key.key_id
        assert 1 <= len(key.secret) <= 256


def test_a_key_never_shows_its_secret() -> None:
    assert "tulip" not in repr(parse_keys("1 tulip"))
