"""Several receivers in the configuration: what the daemon makes of the tables."""

from pathlib import Path

import pytest

from stratum1.config import ConfigError
from stratum1.selection import SourceOptions
from stratum1.settings import load_config, simulation_overrides
from stratum1.startup import pipeline_settings

TWO = """
[receiver]
hat = "uputronics"
prefer = true
[[another-receiver]]
name = "window"
hat = "adafruit-ultimate"
device = "/dev/ttyACM0"
pps = "/dev/pps1"
refid = "GPS2"
accuracy = 1e-5
[clock]
minimum-agreeing-sources = 2
[[source]]
mode = "server"
address = "ntp.example"
trust = true
noselect = true
"""


def _file(directory: Path, text: str) -> Path:
    path = directory / "file.toml"
    path.write_text(text)
    return path


def test_each_receiver_gets_its_own_hat_s_data_and_the_file_s_word_counts_more(tmp_path: Path) -> None:
    config = load_config(_file(tmp_path, TWO))
    alone = load_config(_file(tmp_path, '[receiver]\nhat = "adafruit-ultimate"'))
    assert alone.receiver is not None
    first, second = config.receivers
    assert (second.device, second.pps) == ("/dev/ttyACM0", "/dev/pps1")
    assert second.baud == alone.receiver.baud
    assert second.pps_edge == alone.receiver.pps_edge
    assert first.device != second.device
    assert config.receiver_names == ("refclock", "window")


def test_the_pipeline_gets_names_options_and_learned_delays(tmp_path: Path) -> None:
    config = load_config(_file(tmp_path, TWO))
    settings = pipeline_settings(config, {"GNRMC": 0.1, "window/GNRMC": 0.2, "gone/GNRMC": 0.3})
    first, second = settings.receivers
    assert (first.name, first.refid, dict(first.delays)) == ("refclock", b"GPS\0", {"GNRMC": 0.1})
    assert (second.name, second.refid, second.accuracy, dict(second.delays)) == ("window", b"GPS2", 1e-5, {"GNRMC": 0.2})
    assert settings.selection.minimum == 2
    assert settings.selection.options == {
        "refclock": SourceOptions(prefer=True),
        "window": SourceOptions(),
        "ntp.example": SourceOptions(trust=True, noselect=True),
    }


def test_without_a_receiver_the_sources_options_are_kept(tmp_path: Path) -> None:
    config = load_config(_file(tmp_path, '[[source]]\nmode = "server"\naddress = "a"\nname = "near"\nrequire = true'))
    assert config.receiver_names == ()
    assert pipeline_settings(config, {}).selection.options == {"near": SourceOptions(require=True)}


def test_a_simulated_run_leaves_the_other_receivers_out(tmp_path: Path) -> None:
    path = _file(tmp_path, TWO.replace("prefer = true", "noselect = true").replace("minimum-agreeing-sources = 2", ""))
    config = load_config(path, simulation_overrides(tmp_path, load_config(path)))
    assert len(config.receivers) == 1
    assert config.receivers[0].device == "simulated"
    assert not config.receivers[0].noselect
    path = _file(tmp_path, TWO)
    assert load_config(path, simulation_overrides(tmp_path, load_config(path))).clock.minimum_agreeing_sources == 1


def test_an_unknown_hat_is_named_with_its_place(tmp_path: Path) -> None:
    path = _file(tmp_path, '[receiver]\n[[another-receiver]]\nhat = "hattt"\ndevice = "/dev/a"\npps = "/dev/b"')
    with pytest.raises(ConfigError, match=r'another-receiver\[1\]\.hat = "hattt"'):
        load_config(path)
