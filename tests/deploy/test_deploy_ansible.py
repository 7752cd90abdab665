"""The collection: every file parses, Ansible accepts the playbook, and its configuration is one that the daemon accepts.

It is applied to a whole system in the image's tests; here nothing on this machine is changed.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from stratum1.config import Config, parse_config

COLLECTION = Path(__file__).resolve().parents[2] / "deploy" / "ansible"
ROLE = COLLECTION / "roles" / "stratum1"
YAML_FILES = sorted(path for path in COLLECTION.rglob("*.yml"))


@pytest.fixture
def ansible(tmp_path: Path) -> dict[str, str]:
    """The environment in which Ansible finds this collection and writes nowhere but here."""
    (tmp_path / "ansible_collections" / "stratum1").mkdir(parents=True)
    (tmp_path / "ansible_collections" / "stratum1" / "server").symlink_to(COLLECTION)
    return {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "LC_ALL": "C.UTF-8",
    }


def run(program: str, *arguments: str, env: dict[str, str]) -> str:
    result = subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments], capture_output=True, text=True, check=False, timeout=50, env=env
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(COLLECTION)))
def test_yaml_parses_and_begins_as_ansible_wants(path: Path) -> None:
    assert path.read_text().startswith("---\n")
    assert loaded(path) is not None


def test_ansible_accepts_the_playbook(ansible: dict[str, str]) -> None:
    arguments = ("-i", str(COLLECTION / "inventory" / "example.yml"), str(COLLECTION / "playbooks" / "site.yml"))
    assert "playbook:" in run("ansible-playbook", "--syntax-check", *arguments, env=ansible)
    tasks = run("ansible-playbook", "--list-tasks", *arguments, env=ansible)
    assert "Write the configuration" in tasks


def rendered(config: dict[str, Any], tmp_path: Path, env: dict[str, str]) -> Config:
    """The configuration that the role would write."""
    playbook = tmp_path / "render.yml"
    task = {
        "ansible.builtin.template": {
            "src": str(ROLE / "templates" / "stratum1.toml.j2"),
            "dest": str(tmp_path / "out.toml"),
            "mode": "0600",
        }
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": {"stratum1_config": config}, "tasks": [task]}
    playbook.write_text(yaml.safe_dump([play]))
    run("ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(playbook), env=env)
    return parse_config((tmp_path / "out.toml").read_text(), "out.toml")


def test_the_default_configuration_is_accepted(tmp_path: Path, ansible: dict[str, str]) -> None:
    config = rendered(loaded(ROLE / "defaults" / "main.yml")["stratum1_config"], tmp_path, ansible)
    assert config.receiver is not None
    assert (config.receiver.device, config.receiver.pps, config.clock.control) == ("/dev/gnss0", "/dev/pps0", "kernel")


def test_tables_lists_and_odd_values_survive(tmp_path: Path, ansible: dict[str, str]) -> None:
    config = rendered(
        {
            "receiver": {
                "device": '/dev/tty"µ"',
                "setup": {"configure": True, "rates": {"NAV-SAT": 1}, "position": [47, 8.5, 500]},
                "baud": 9600,
                "rollover-repair": False,
                "accuracy": 2.5e-07,
            },
            "server": [{"listen": "[::1]:123"}, {"listen": "127.0.0.1:11123"}],
        },
        tmp_path,
        ansible,
    )
    assert config.receiver is not None
    assert (config.receiver.device, config.receiver.baud) == ('/dev/tty"µ"', 9600)
    setup = config.receiver.setup
    assert (setup.configure, setup.rates, setup.position) == (True, {"NAV-SAT": 1}, (47.0, 8.5, 500.0))
    assert (config.receiver.rollover_repair, config.receiver.accuracy) == (False, 2.5e-07)
    assert [server.listen for server in config.server] == ["[::1]:123", "127.0.0.1:11123"]


def test_the_example_boxes_have_accepted_configurations(tmp_path: Path, ansible: dict[str, str]) -> None:
    hosts = loaded(COLLECTION / "inventory" / "example.yml")["stratum1_servers"]["hosts"]
    hats = [rendered(host["stratum1_config"], tmp_path, ansible).receiver for host in hosts.values()]
    assert [receiver.hat for receiver in hats if receiver] == ["uputronics", "adafruit-ultimate"]


def test_the_argument_specification_tells_the_defaults() -> None:
    options = loaded(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items()} == loaded(ROLE / "defaults" / "main.yml")


def test_role_and_unit_name_the_same_rivals() -> None:
    unit = (ROLE / "files" / "stratum1.service").read_text()
    conflicts = next(line for line in unit.splitlines() if line.startswith("Conflicts=")).removeprefix("Conflicts=").split()
    assert set(loaded(ROLE / "defaults" / "main.yml")["stratum1_conflicting_services"]) <= set(conflicts)


def test_the_built_collection_carries_unit_and_rules(tmp_path: Path, ansible: dict[str, str]) -> None:
    run("ansible-galaxy", "collection", "build", str(COLLECTION), "--output-path", str(tmp_path), env=ansible)
    (archive,) = tmp_path.glob("stratum1-server-*.tar.gz")
    with tarfile.open(archive) as tar:
        unit = tar.extractfile("roles/stratum1/files/stratum1.service")
        assert unit is not None
        assert b"Type=notify" in unit.read()
        assert "roles/stratum1/files/60-stratum1.rules" in tar.getnames()
        assert not [name for name in tar.getnames() if name.startswith("inventory")]
