"""The [[output]] tables: what is taken, and what is said of what is not."""

import pytest

from stratum1.config import ConfigError, OutputConfig, parse_config, render_toml

ALL = """
[[output]]
mode = "sock"
path = "/run/chrony.stratum1.sock"
holdover = false

[[output]]
mode = "shm"
unit = 2

[[output]]
mode = "shm"
unit = 0
permissions = "0660"

[[output]]
mode = "phc"
device = "/dev/ptp0"

[[output]]
mode = "ptp4l"
clock = "/dev/ptp0"
domain = 24
transport-specific = 1

[[output]]
mode = "ptp4l"
path = "/run/ptp4l-1"
"""


def test_every_mode_is_read_and_written_back() -> None:
    config = parse_config(ALL, "x.toml")
    assert [each.target for each in config.output] == [
        "/run/chrony.stratum1.sock", "unit 2", "unit 0", "/dev/ptp0", "/var/run/ptp4l", "/run/ptp4l-1",
    ]  # fmt: skip
    assert [each.in_holdover for each in config.output[:2]] == [False, True]
    assert [each.segment_mode for each in config.output[1:3]] == [0o666, 0o660]
    assert [each.served_clock for each in config.output[4:]] == ["/dev/ptp0", "realtime"]
    assert parse_config(render_toml(config), "y.toml") == config


def test_the_first_two_units_are_for_their_owner_alone() -> None:
    assert [OutputConfig(mode="shm", unit=unit).segment_mode for unit in (0, 1, 2, 255)] == [0o600, 0o600, 0o666, 0o666]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('mode = "sock"', 'output[1]: mode = "sock" needs the key "path"'),
        ('mode = "shm"', 'output[1]: mode = "shm" needs the key "unit"'),
        ('mode = "phc"', 'output[1]: mode = "phc" needs the key "device"'),
        ("unit = 1", "output[1].mode: this key is needed"),
        ('mode = "pipe"', "output[1].mode = \"pipe\": must be 'sock', 'shm', 'phc' or 'ptp4l'"),
        ('mode = "sock"\npath = "/a"\nunit = 1', 'output[1]: "unit" is no key of mode = "sock"; known here: path, holdover'),
        (
            'mode = "phc"\ndevice = "/dev/ptp0"\ntransport-specific = 1',
            '"transport-specific" is no key of mode = "phc"; known here: device',
        ),
        ('mode = "sock"\npth = "/a"', 'output[1].pth: unknown key; did you mean "path"?'),
        ('mode = "sock"\npath = "a"', 'output[1].path = "a": must be a path from the root'),
        (f'mode = "sock"\npath = "/{"a" * 107}"', "path has 108 bytes, and a Unix socket's name has at most 107"),
        ('mode = "shm"\nunit = 256', "output[1].unit = 256: must be a whole number at least 0 and at most 255"),
        ('mode = "shm"\nunit = -1', "output[1].unit = -1: must be a whole number at least 0 and at most 255"),
        ('mode = "shm"\nunit = "1"', 'output[1].unit = "1": must be a whole number at least 0 and at most 255'),
        ('mode = "shm"\nunit = true', "output[1].unit = true: must be a whole number at least 0 and at most 255"),
        ('mode = "shm"\nunit = 1\npermissions = "666"', 'output[1].permissions = "666": must be octal permissions'),
        ('mode = "shm"\nunit = 1\npermissions = "0444"', "let the owner read and write"),
        ('mode = "shm"\nunit = 1\nholdover = 1', "output[1].holdover = 1: must be true or false"),
        ('mode = "ptp4l"\nclock = "utc"', 'output[1].clock = "utc": must be "realtime"'),
        ('mode = "ptp4l"\nclock = "/dev/ptp0"', 'clock = "/dev/ptp0" is steered by no [[output]] with mode = "phc"'),
        ('mode = "ptp4l"\ndomain = 300', "output[1].domain = 300: must be a whole number at least 0 and at most 255"),
        ('mode = "shm"\nunit = 3\n[[output]]\nmode = "shm"\nunit = 3', "unit 3 stands twice"),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(table: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(f"[[output]]\n{table}\n", "x.toml")
    assert words in str(caught.value)


def test_one_table_instead_of_several_is_explained() -> None:
    with pytest.raises(ConfigError, match=r"written as \[\[output\]\]"):
        parse_config('[output]\nmode = "sock"\n', "x.toml")
