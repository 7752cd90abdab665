import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.config import Config, ConfigError, json_schema, parse_config, render_toml, split_address
from stratum1.settings import simulation_overrides

# The [[source]] tables of a live ntpd-rs server, as they are.
NTPD_RS = """
[[source]]
mode = "server"
address = "10.11.12.10"

[[source]]
mode = "server"
address = "ntp11.metas.ch"

[[source]]
mode = "server"
address = "ntp12.metas.ch"

[[source]]
mode = "server"
address = "ntp13.metas.ch"

[[source]]
mode = "nts"
address = "time.cloudflare.com"
"""

FULL = """
[receiver]
device = "/dev/ttyAMA0"
baud = "auto"
pps = "/dev/pps0"
pps-edge = "assert"
protocol = "auto"

[clock]
control = "kernel"
discipline = "pll-fll"
state-directory = "/var/lib/stratum1"
holdover-limit = 1e-3

[[source]]
mode = "server"
address = "ntp11.metas.ch"

[[server]]
listen = "[::]:123"
data-plane = "auto"

[nts-ke]
listen = "[::]:4460"
certificate = "/etc/stratum1/tls/fullchain.pem"
private-key = "/etc/stratum1/tls/privkey.pem"

[web]
listen = "[::]:8080"

[control]
socket = "/run/stratum1/control.sock"
"""


def _refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse_config(text, "stratum1.toml")
    return str(refused.value)


def test_an_empty_file_is_a_server_without_a_receiver() -> None:
    config = parse_config("", "stratum1.toml")
    assert config == Config()
    assert config.receiver is None
    assert [each.listen for each in config.server] == ["[::]:123"]


def test_every_key_of_the_design_loads() -> None:
    config = parse_config(FULL, "stratum1.toml")
    assert config.receiver is not None
    assert config.receiver.pps_edge == "assert"
    assert config.clock.holdover_limit == 1e-3
    assert config.nts_ke is not None
    assert config.nts_ke.private_key == "/etc/stratum1/tls/privkey.pem"
    assert not config.nts_ke.is_self_signed


def test_an_empty_table_of_key_establishment_is_one_with_a_certificate_of_its_own() -> None:
    table = parse_config("[nts-ke]", "stratum1.toml").nts_ke
    assert table is not None
    assert table.is_self_signed
    assert (table.listen, table.aeads, table.cookies) == ("[::]:4460", (15, 30, 17, 16), 8)
    assert parse_config("", "stratum1.toml").nts_ke is None


def test_the_sources_of_an_ntpd_rs_server_load_as_they_are() -> None:
    sources = parse_config(NTPD_RS, "ntp.toml").source
    assert [(each.mode, each.address) for each in sources] == [
        ("server", "10.11.12.10"),
        ("server", "ntp11.metas.ch"),
        ("server", "ntp12.metas.ch"),
        ("server", "ntp13.metas.ch"),
        ("nts", "time.cloudflare.com"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[recever]", ["stratum1.toml: recever: unknown key", 'did you mean "receiver"?']),
        ('[receiver]\npps_edge = "clear"', ["receiver.pps_edge: unknown key", 'did you mean "pps-edge"?']),
        (
            '[[source]]\nmode = "server"\nadress = "x"',
            ["source[1].adress: unknown key", 'did you mean "address"?', "source[1].address: this"],
        ),
        ("[web]\nzzz = 1", ["web.zzz: unknown key; known here: enabled, listen, show-position"]),
        ("[receiver]\nbaud = 9601", ["receiver.baud = 9601", "4800, 9600"]),
        ('[receiver]\npps = "pps0"', ['receiver.pps = "pps0"', '"/dev/pps0"', '"gpiochip0:18"']),
        ('[receiver]\npps-edge = "up"', ['receiver.pps-edge = "up"', "'assert' or 'clear'"]),
        ('[receiver]\nrefid = "GALILEO"', ['receiver.refid = "GALILEO"', "one to four printable ASCII"]),
        ('[clock]\ndiscipline = "kalmann"', ['clock.discipline = "kalmann"', "'kalman' or 'pll-fll'"]),
        ("[integrity]\nlimit = 0", ["integrity.limit = 0", "at least 0.1 and at most 10"]),
        ("[integrity]\nstationery = true", ["integrity.stationery", "stationary"]),
        ("[clock]\nholdover-limit = 0", ["clock.holdover-limit = 0", "must be a number above 0 and at most 16"]),
        ("[clock]\nholdover-limit = nan", ["clock.holdover-limit = nan", "must be a number above 0"]),
        ('[clock]\ncontrol = "host"', ['clock.control = "host"', "'kernel' or 'virtual'"]),
        ('[[server]]\nlisten = "[::]"', ['server[1].listen = "[::]"', "an address and a port"]),
        ('[[server]]\nlisten = "localhost:123"', ["not on the name 'localhost'"]),
        ('[[server]]\nlisten = "0.0.0.0:99999"', ["from 1 to 65535"]),
        ('[[source]]\nmode = "sever"\naddress = "x"', ['source[1].mode = "sever"', "'server'"]),
        ('[nts-ke]\ncertificate = "/a"', ["nts-ke: certificate needs private-key beside it", "certificate of our own making"]),
        ('[nts-ke]\nprivate-key = "/a"', ["nts-ke: private-key needs certificate beside it"]),
        ('[nts-ke]\nnames = "gps"', ["nts-ke.names", "must be a list"]),
        ('[nts-ke]\nnames = ["gps:123"]', ["nts-ke.names[1]", "without a port"]),
        ("[nts-ke]\naeads = [15, 18]", ["nts-ke.aeads[2] = 18", "15, 16, 17 or 30"]),
        ("[nts-ke]\naeads = []", ["nts-ke.aeads", "at least one AEAD"]),
        ("[nts-ke]\naeads = [15, 15]", ["nts-ke.aeads", "each once"]),
        ("[nts-ke]\nmax-request = 1000", ["nts-ke.max-request = 1000", "at least 1024 and at most 65536"]),
        ("[nts-ke]\ncookies = 0", ["nts-ke.cookies = 0", "at least 1"]),
        ('[nts-ke]\nallowed-clients = ["a"]', ["allowed-clients needs client-authority"]),
        ('[nts-ke]\nclient-authority = "/a"\nallowed-clients = ["sha256:12"]', ["nts-ke.allowed-clients[1]", "64 hexadecimal digits"]),
        ("[nts-ke]\nidle-timeout = 9.0", ["idle-timeout is above timeout"]),
        ("web = 5", ["web = 5", "must be a table, written as [web]"]),
        ("[[another-receiver]]", ["[[another-receiver]] needs a [receiver]"]),
        ("[receiver]\n[another-receiver]", ["another-receiver: must be a table, written as [[another-receiver]]"]),
        ("[receiver]\n[[another-receiver]]", ['[[another-receiver]] device = "/dev/gnss0" stands twice']),
        ('[receiver]\n[[another-receiver]]\ndevice = "/dev/gnss1"', ['pps = "/dev/pps0" stands twice']),
        ('[receiver]\n[[another-receiver]]\ndevice = "/dev/gnss1"\npps = "pps1"', ['another-receiver[1].pps = "pps1"', '"/dev/pps0"']),
        (
            '[receiver]\n[[another-receiver]]\ndevice = "simulated"\npps = "simulated"\n[clock]\ncontrol = "virtual"',
            ["only [receiver] can be simulated"],
        ),
        ('[receiver]\nname = "a b"', ['receiver.name = "a b"', "letters, digits"]),
        ('[receiver]\nprefer = "yes"', ['receiver.prefer = "yes"', "true or false"]),
        ('[receiver]\nname = "a"\n[[source]]\nmode = "server"\naddress = "b"\nname = "a"', ['name = "a" stands twice']),
        ('[[source]]\nmode = "server"\naddress = "b"\nname = "refclock"', ['name = "refclock" stands twice']),
        ('[[source]]\nmode = "server"\naddress = "b"\nperfer = true', ["source[1].perfer: unknown key", 'did you mean "prefer"?']),
        ("[clock]\nminimum-agreeing-sources = 0", ["clock.minimum-agreeing-sources = 0", "at least 1 and at most 64"]),
        ("[clock]\nminimum-agreeing-sources = 1.5", ["clock.minimum-agreeing-sources = 1.5", "must be a whole number"]),
        ("[receiver]\n[clock]\nminimum-agreeing-sources = 2", ["only 1 receivers and sources may be selected"]),
        ("[[receiver]]", ["receiver: must be a table, written as [receiver]"]),
        ("[receiver]\nserial-delay = 3", ["receiver.serial-delay = 3", "at least 0 and at most 2"]),
        ("[receiver]\npps = 5", ["receiver.pps = 5", "text in quotes"]),
        ("[receiver]\npulse-delay = true", ["receiver.pulse-delay = true", "must be a number"]),
        ('[receiver]\ndevice = ""', ['receiver.device = ""', "path from the root"]),
        ('[clock]\nstate-directory = "here"', ['clock.state-directory = "here"', "path from the root"]),
        ("[clock]\nstep-threshold = 5\npanic-limit = 1", ["step-threshold is above panic-limit"]),
        ('[web]\nenabled = "yes"', ['web.enabled = "yes"', "true or false"]),
        ('[[source]]\nmode = "server"\naddress = "a b"', ['source[1].address = "a b"', "a name or an IP address"]),
        ('[[source]]\nmode = "server"\naddress = "a:99999"', ["source[1].address", "from 1 to 65535"]),
        ('[[server]]\nlisten = "[::]:123"\n[[server]]\nlisten = "[::]:123"', ["stands twice"]),
        ('server = "x"', ["server", "must be a table"]),
        ("= 1", ["stratum1.toml: not valid TOML", "line 1"]),
        ('[receiver]\ndevice = "simulated"\npps = "/dev/pps0"', ['must both be "simulated"']),
        ('[receiver]\ndevice = "simulated"\npps = "simulated"', ["[clock] control", '"virtual"', "invented time"]),
    ],
)
def test_a_refusal_names_file_key_value_and_what_is_allowed(text: str, told: list[str]) -> None:
    refusal = _refusal(text)
    assert refusal.startswith("stratum1.toml: ")
    for part in told:
        assert part in refusal


def test_each_mistake_has_its_line() -> None:
    assert len(_refusal('[web]\nzzz = 1\n[receiver]\nbaud = 1\npps-edge = "x"').splitlines()) == 3


def test_overrides_lie_over_the_file() -> None:
    config = parse_config('[web]\nlisten = "[::]:80"\nshow-position = true', "f", {"web": {"listen": "127.0.0.1:8080"}})
    assert (config.web.listen, config.web.show_position) == ("127.0.0.1:8080", True)


@pytest.mark.parametrize("text", ["", FULL, NTPD_RS, '[receiver]\nhat = "a\\"b\\\\c\\u0001"', "source = []\nserver = []"])
def test_what_is_rendered_reads_back_unchanged(text: str) -> None:
    config = parse_config(text, "f")
    assert parse_config(render_toml(config), "rendered") == config


def test_the_schema_names_every_key_in_kebab_case() -> None:
    schema = json_schema()
    assert set(schema["properties"]) >= {"receiver", "clock", "source", "server", "nts-ke", "web", "control", "log"}
    for model in schema["$defs"].values():
        assert model["additionalProperties"] is False
        assert not [name for name in model["properties"] if "_" in name]


@pytest.mark.parametrize(
    ("text", "parts"), [("127.0.0.1:123", ("127.0.0.1", 123)), ("[::]:4460", ("::", 4460)), ("ntp.example:1", ("ntp.example", 1))]
)
def test_addresses_split(text: str, parts: tuple[str, int]) -> None:
    assert split_address(text) == parts


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40))
def test_an_address_splits_or_is_refused(text: str) -> None:
    try:
        host, port = split_address(text)
    except ValueError:
        return
    assert host
    assert 0 < port < 65536


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise_anything_but_a_config_error(data: bytes) -> None:
    assert _reads_or_refuses(data.decode("utf-8", "replace"), {})


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_TABLES = st.sampled_from(["receiver", "clock", "source", "server", "service", "rate-limit", "nts-ke", "web", "control", "log", "zzz"])
_KEYS = st.sampled_from(
    [
        "baud",
        "pps",
        "listen",
        "mode",
        "address",
        "control",
        "holdover-limit",
        "socket",
        "level",
        "refid",
        "x_y",
        "keys",
        "allow",
        "burst",
        "kod",
    ]
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(_TABLES, st.dictionaries(_KEYS, _VALUES, max_size=4) | _VALUES, max_size=4))
def test_arbitrary_values_never_raise_anything_but_a_config_error(data: dict[str, object]) -> None:
    assert _reads_or_refuses("", data)


def _reads_or_refuses(text: str, overrides: dict[str, object]) -> bool:
    try:
        config = parse_config(text, "f", overrides)
    except ConfigError as error:
        return all(line.startswith("f: ") for line in str(error).splitlines())
    return bool(tomllib.loads(render_toml(config)))


def test_a_simulated_run_keeps_all_of_a_listener_but_its_address(tmp_path: Path) -> None:
    text = (
        '[[server]]\nlisten = "127.0.0.1:123"\nsmear = "cosine"\ndata-plane = "python"\ndeny = ["192.0.2.0/24"]\nrequire-nts = ["::/0"]\n'
    )
    below = parse_config(text, "x.toml")
    config = parse_config("", "x.toml", simulation_overrides(tmp_path, below))
    assert config.server == (below.server[0].model_copy(update={"listen": "127.0.0.1:11123"}),)


@pytest.mark.parametrize("url", ["http://example.org/list", "ftp://example.org/list", "https://", "example.org", "https://a b/"])
def test_a_list_of_leap_seconds_is_fetched_over_https_only(url: str) -> None:
    with pytest.raises(ConfigError, match=r"leap-seconds-url.*https"):
        parse_config(f'[clock]\nleap-seconds-url = "{url}"\n', "x.toml")
    for good in ("https://hpiers.obspm.fr/iers/bul/bulc/ntp/leap-seconds.list", "http://127.0.0.1:8000/list"):
        assert parse_config(f'[clock]\nleap-seconds-url = "{good}"\n', "x.toml").clock.leap_seconds_url == good
