"""What Python and C say of the shared maps is the same; files and hosts that are not as they should be are named."""

import re
import socket
import stat
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.xdp import _layout as layout
from stratum1.xdp import _load, _maps
from stratum1.xdp._host import allow_through, ethernet_interfaces, napi_is_threaded
from stratum1.xdp._maps import Maps, XdpError
from stratum1.xdp._object import ObjectError, read_object

SOURCE = Path(__file__).resolve().parents[2] / "stratum1" / "dataplane" / "xdp"
MAPS = (SOURCE / "maps.h").read_text()


def c_enum(prefix: str) -> list[str]:
    return re.findall(rf"^\t{prefix}_(\w+),", MAPS, re.MULTILINE)


def c_number(name: str) -> int:
    found = re.search(rf"^#define {name} \(?([^\s)]+(?: << \d+)?)\)?", MAPS, re.MULTILINE)
    assert found, name
    number = re.sub(r"(?<=\d)U?L*\b", "", found[1]).split("<<")
    return int(number[0], 0) << int(number[1]) if len(number) == 2 else int(number[0], 0)


def test_words_and_counts_stand_where_the_program_looks() -> None:
    assert c_enum("WORD") == [word.name for word in layout.Word]
    assert c_enum("COUNT") == [count.name for count in layout.Count]


@pytest.mark.parametrize(
    "name",
    [
        *("LAYOUT", "INTERFACES", "LISTENERS", "LISTENER_SMEAR", "LISTENER_RULES4", "LISTENER_RULES6", "LISTENER_BUCKETS"),
        *("FLAG_USABLE", "FLAG_SMEAR", "VALID_BITS", "ACCESS_RULES", "ACCESS_ALLOW", "WAYS", "LIMIT_GROUPS"),
    ],
)
def test_numbers_are_those_of_the_program(name: str) -> None:
    assert c_number(name) == getattr(layout, name)


def test_the_state_lies_as_the_program_reads_it() -> None:
    spare = re.search(r"u64 spare\[(\d+)\];", MAPS)
    assert spare
    slots = 8 * (2 + c_number("INTERFACES") + int(spare[1]))
    assert [layout.slot_offset(0), layout.slot_offset(1)] == [slots, slots + 8 * c_number("STATE_WORDS")]
    assert slots + 16 * c_number("STATE_WORDS") == layout.STATE_SIZE
    assert slots % 64 == 0  # a slot begins with a line of the cache
    assert (layout.active_offset(), layout.interface_offset(0)) == (8, 16)
    assert 32 * c_number("LISTENER_WAYS") * c_number("LISTENER_BUCKETS") == layout.LISTENERS_SIZE
    assert f"int stratum1_{layout.LAYOUT}(" in (SOURCE / "ntp.c").read_text()


def test_the_check_sees_every_word() -> None:
    words = {word: 1000 + word for word in layout.Word if word < layout.Word.CHECK}
    check = layout.pack_slot(words)[64:72]
    for word in words:
        assert layout.pack_slot({**words, word: 0})[64:72] != check
    assert layout.pack_slot({layout.Word.BOUND: -1})[48:56] == b"\xff" * 8


@given(st.dictionaries(st.tuples(st.integers(0, 1 << 31), st.integers(1, 65535), st.ip_addresses()), st.integers(0, 15), max_size=300))
def test_every_listening_address_is_found_or_named(addresses: dict[tuple[int, int, object], int]) -> None:
    entries = {layout.listener_key(index, port, address): place for (index, port, address), place in addresses.items()}  # type: ignore[arg-type]
    packed, homeless = layout.pack_listeners(entries)
    assert len(packed) == layout.LISTENERS_SIZE
    found = {packed[at : at + 24]: packed[at + 24] for at in range(0, len(packed), 32) if any(packed[at : at + 32])}
    expected = {b"".join(part.to_bytes(8, "little") for part in key): place for key, place in entries.items() if key not in homeless}
    assert found == expected
    assert len(homeless) < max(1, len(entries) // 20)


NETWORKS = st.one_of(
    st.builds(lambda number, length: ip_network((number, length), strict=False), st.integers(0, (1 << 32) - 1), st.integers(0, 32)),
    st.builds(lambda number, length: ip_network((number << 96, length), strict=False), st.integers(0, (1 << 32) - 1), st.integers(0, 128)),
)


@given(st.lists(st.tuples(NETWORKS, st.integers(0, 3)), min_size=1, max_size=8), st.data())
def test_what_is_allowed_at_sight_is_allowed_by_the_rules(rules: list[tuple[IPv4Network | IPv6Network, int]], data: st.DataObject) -> None:
    version = rules[0][0].version
    actions = {network: action for network, action in rules if network.version == version}
    bits = layout.allowed_bits({layout.access_key(3, network): action for network, action in actions.items()})
    assert set(bits) == {3}
    assert len(bits[3]) == layout.ALLOWED_OCTETS == 8 * c_number("ALLOWED_WORDS")
    near = [network[0] for network in actions] + [network[-1] for network in actions]
    address = data.draw(st.sampled_from(near) | st.ip_addresses(v=version))
    first = int.from_bytes(address.packed[:2], "big")
    sight = ip_network((address.packed[:2].ljust(len(address.packed), b"\0"), 16))
    over = [network for network in actions if sight.subnet_of(network)]  # type: ignore[arg-type]  # of one version
    within = [network for network in actions if network.subnet_of(sight) and network != sight]  # type: ignore[arg-type]  # likewise
    whole = actions[max(over, key=lambda network: network.prefixlen)] if over else 0
    assert bits[3][first // 8] >> first % 8 & 1 == (whole == 0 and all(actions[network] == 0 for network in within))


def test_bits_of_what_is_allowed_have_their_places() -> None:
    places = [layout.allowed_offset(listener, version) for listener in range(layout.LISTENERS) for version in (4, 6)]
    assert places == list(range(0, layout.ALLOWED_SIZE, layout.ALLOWED_OCTETS))


def test_keys_are_as_the_program_makes_them_of_a_frame() -> None:
    place, low, high = layout.listener_key(7, 123, ip_address("192.0.2.1"))
    assert (place, low, high) == (7 | 0x7B00 << 32 | 4 << 48, 0x010200C0, 0)
    place, low, high = layout.listener_key(0, 0x1234, ip_address("2001:db8::1"))
    assert (place, low, high) == (0x3412 << 32 | 6 << 48, 0xB80D0120, 0x0100000000000000)
    assert layout.access_key(3, ip_network("192.0.2.0/24")) == bytes([56, 0, 0, 0, 3, 0, 0, 0, 192, 0, 2, 0])
    assert layout.access_key(0, ip_network("2001:db8::/32"))[:8] == bytes([64, 0, 0, 0, 0, 0, 0, 0])


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: b"\x7fELF\x02\x01" + b"\0" * 12 + b"\xf7\0" + rest))
def test_arbitrary_files_are_no_programs(data: bytes) -> None:
    with pytest.raises(ObjectError):
        read_object(data)


def test_a_package_without_the_program_says_how_it_comes(tmp_path: Path) -> None:
    with pytest.raises(XdpError, match="built without clang"):
        _load.load(tmp_path / "_xdp_ntp.o")
    (tmp_path / "_xdp_ntp.o").write_bytes(b"\x7fELF")
    with pytest.raises(XdpError, match="no compiled eBPF program"):
        _load.load(tmp_path / "_xdp_ntp.o")


def test_without_pins_the_way_to_them_is_named(tmp_path: Path) -> None:
    with pytest.raises(XdpError, match=r"stratum1-xdp.service|bpf\(2\)"):
        Maps.open(tmp_path / "nothing")


def test_maps_of_another_version_are_named(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    assert "of another version" in _maps._explain(FileNotFoundError(2, "allowed"), tmp_path)


def test_two_daemons_do_not_share_the_maps(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(f"\0stratum1-xdp:{tmp_path}")
        with pytest.raises(XdpError, match="another process uses"):
            Maps.open(tmp_path)


def test_wired_interfaces_that_are_devices_are_found(tmp_path: Path) -> None:
    for name, kind, parts in (
        ("eth1", "1", ["device"]),
        ("eth0", "1", ["device"]),
        ("wlan0", "1", ["device", "phy80211"]),
        ("br0", "1", ["bridge"]),
        ("lo", "772", []),
    ):
        for part in parts:
            (tmp_path / name / part).mkdir(parents=True)
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "type").write_text(f"{kind}\n")
    (tmp_path / "bonding_masters").write_text("bond0\n")
    assert ethernet_interfaces(tmp_path) == ("eth0", "eth1")
    (tmp_path / "eth0" / "threaded").write_text("1\n")
    (tmp_path / "eth1" / "threaded").write_text("0\n")
    assert [napi_is_threaded(name, tmp_path) for name in ("eth0", "eth1", "wlan0")] == [True, False, False]


def test_a_group_is_let_through_a_directory_and_sees_nothing_of_it(tmp_path: Path) -> None:
    gid = tmp_path.stat().st_gid
    place = tmp_path / "bpf"
    place.mkdir(mode=0o700)
    allow_through(place, gid)
    assert stat.S_IMODE(place.stat().st_mode) in (0o710, 0o701)  # the latter where the directory was another group's already
    before = place.stat().st_mode
    allow_through(place, gid)
    assert place.stat().st_mode == before
