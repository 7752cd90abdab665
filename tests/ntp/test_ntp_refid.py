"""Reference identifiers: names, addresses and what people see of them."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from stratum1.ntp import NO_REFID, refid_of_address, refid_of_name, refid_text


@pytest.mark.parametrize(("name", "refid"), [("GPS", b"GPS\0"), ("GNSS", b"GNSS"), ("PPS", b"PPS\0"), ("X", b"X\0\0\0")])
def test_names_are_padded_with_zeros(name: str, refid: bytes) -> None:
    assert refid_of_name(name) == refid
    assert refid_text(refid, 1) == name


@pytest.mark.parametrize("name", ["", "GALIL", "G S", "é", "A\n"])
def test_names_that_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="reference identifier"):
        refid_of_name(name)


def test_addresses() -> None:
    assert refid_of_address(IPv4Address("71.80.83.0")) == b"GPS\0"
    assert refid_of_address(IPv6Address("2001:db8::1")).hex() == "39ab9b37"  # first octets of its MD5, by md5sum


def test_the_same_octets_are_a_name_or_an_address_by_stratum() -> None:
    assert refid_text(b"GPS\0", 1) == "GPS"
    assert refid_text(b"GPS\0", 2) == "71.80.83.0"
    assert refid_text(b"RATE", 0) == "RATE"
    assert refid_text(NO_REFID, 0) == ""
    assert refid_text(b"\x01\x02\x03\x04", 1) == "01020304"
    assert refid_text(NO_REFID, 1) == "00000000"
