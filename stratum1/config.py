"""The whole configuration as typed models: TOML in, precise errors out (docs/configure.md is made from these).

Keys are kebab-case; an unknown key is refused with the nearest name. Every key has a default except where hardware must be
named. Pure: the caller reads the file.
"""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

__all__ = [
    "ClockConfig",
    "Config",
    "ConfigError",
    "ControlConfig",
    "LogConfig",
    "NtsKeConfig",
    "ReceiverConfig",
    "ServerConfig",
    "SourceConfig",
    "WebConfig",
    "json_schema",
    "parse_config",
    "render_toml",
    "split_address",
]


class ConfigError(ValueError):
    """The configuration is refused. One line a mistake: file, key, value and what is allowed."""


def split_address(text: str) -> tuple[str, int]:
    """Split "host:port", "1.2.3.4:port" or "[v6]:port". Raises ValueError with what would be right."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise ValueError('an address and a port are needed, as "127.0.0.1:123" or "[::]:123"')
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"the port must be a number from 1 to 65535, not {port!r}")
    return (host[1:-1] if bracketed else host), int(port)


def _listen_address(text: str) -> str:
    host, _ = split_address(text)
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        raise ValueError(f'listens on an IP address, not on the name {host!r}: "0.0.0.0" and "[::]" stand for all') from None
    return text


def _pps_source(text: str) -> str:
    if text in ("simulated", "none") or re.fullmatch(r"/\S+", text) or re.fullmatch(r"gpiochip\d+:\d+", text):
        return text
    raise ValueError('must be a device ("/dev/pps0"), a GPIO line ("gpiochip0:18"), "simulated" or "none"')


def _baud(value: int | str) -> int | str:
    rates = (4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
    if value == "auto" or value in rates:
        return value
    raise ValueError(f'must be "auto" or one of {", ".join(map(str, rates))}')


def _discipline(text: str) -> str:
    if text == "kalman":
        raise ValueError('the Kalman filter comes with a later version; until then the engine is "pll-fll" (RFC 5905)')
    return text


def _refid(text: str) -> str:
    if re.fullmatch(r"[\x21-\x7e]{1,4}", text):
        return text
    raise ValueError('must be one to four printable ASCII characters, such as "GPS" or "PPS" (RFC 5905, figure 12)')


def _absolute(text: str) -> str:
    if text.startswith("/") and text.strip() == text:
        return text
    raise ValueError('must be a path from the root, as "/var/lib/stratum1"')


def _device(text: str) -> str:
    return text if text == "simulated" else _absolute(text)


def _host(text: str) -> str:
    """A name or an address, with :port or without; an IPv6 address with a port in brackets."""
    host = text
    if text.startswith("[") or text.count(":") == 1:
        host, _ = split_address(text)
    if re.fullmatch(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]+(%\w+)?", host):
        return text
    raise ValueError(
        'must be a name or an IP address, with ":port" where it is not the default, as "ntp.example.org" or "[2001:db8::1]:123"'
    )


Listen = Annotated[str, AfterValidator(_listen_address)]
File = Annotated[str, AfterValidator(_absolute)]
Flag = Annotated[bool, Strict()]  # "yes" and 1 are mistakes, not flags
Number = Annotated[float, Strict()]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, alias_generator=lambda name: name.replace("_", "-"), populate_by_name=True
    )


class ReceiverConfig(_Model):
    """[receiver]: the stratum 0 reference. Without this table the server lives on its [[source]] tables."""

    hat: str | None = Field(None, description="name of a HAT in hw/hats; the keys below override its data")
    device: Annotated[str, AfterValidator(_device)] = Field(
        "/dev/gnss0", description='serial line, any tty or pseudo-terminal; "simulated" for the built-in receiver'
    )
    baud: Annotated[int | str, AfterValidator(_baud)] = Field("auto", description='bits per second, or "auto" to detect them')
    pps: Annotated[str, AfterValidator(_pps_source)] = Field(
        "/dev/pps0", description='pulse per second: device, "gpiochip0:18", "simulated", or "none" (NMEA only: a wide error bound)'
    )
    pps_edge: Literal["assert", "clear"] = Field("assert", description="the edge that marks the start of the second")
    pps_polarity_check: Literal["refuse", "warn"] = Field(
        "refuse", description='what to do when the pulse\'s width says that "pps-edge" names the wrong edge'
    )
    protocol: Literal["auto", "nmea", "ubx"] = Field("auto", description="what the receiver speaks")
    refid: Annotated[str, AfterValidator(_refid)] = Field("GPS", description="reference ID served while locked")
    rollover_repair: Flag = Field(True, description="move dates before the build date forward by multiples of 1024 weeks")
    serial_delay: Number | None = Field(
        None, ge=0, le=2, description="seconds from pulse to first sentence; learned by itself, needed only where the server asks for it"
    )
    pulse_delay: Number = Field(0.0, ge=-0.1, le=0.1, description="seconds by which pulses arrive late (antenna cable: 5 ns a metre)")
    accuracy: Number = Field(1e-6, gt=0, le=0.1, description="seconds of fixed error to assume of the pulse, part of the error bound")


class ClockConfig(_Model):
    """[clock]: what is disciplined, and how."""

    control: Literal["kernel", "virtual"] = Field(
        "kernel", description='"kernel" steers the host\'s clock; "virtual" keeps a clock of its own and touches nothing'
    )
    discipline: Annotated[Literal["pll-fll", "kalman"], AfterValidator(_discipline)] = Field(
        "pll-fll", description='"pll-fll" is RFC 5905\'s; "kalman" comes with a later version'
    )
    state_directory: File = Field("/var/lib/stratum1", description="drift file, learned delays, last known time")
    holdover_limit: Number = Field(1e-3, gt=0, le=16, description="seconds of error bound at which we stop claiming to know the time")
    step_threshold: Number = Field(0.128, gt=0, le=10, description="seconds of offset above which the clock is stepped, not slewed")
    panic_limit: Number = Field(1000.0, gt=0, description="seconds of offset above which a step after the first lock is refused")
    leap_seconds_file: File = Field("/usr/share/zoneinfo/leap-seconds.list", description="IERS list; its expiry is shown")


class SourceConfig(_Model):
    """[[source]]: another time server, named as ntpd-rs names it."""

    mode: Literal["server", "pool", "nts", "nts-pool", "peer", "nts-peer", "broadcast", "manycast"]
    address: Annotated[str, AfterValidator(_host)] = Field(description="name or address, with :port where it is not the default")


class ServerConfig(_Model):
    """[[server]]: one listener for clients."""

    listen: Listen = Field("[::]:123", description='address and UDP port; "[::]" takes IPv4 too')
    data_plane: Literal["auto", "native", "python", "xdp"] = Field("auto", description="who answers; so far the Python plane does")


class NtsKeConfig(_Model):
    """[nts-ke]: key establishment for NTS (RFC 8915); accepted and checked now, served by a later version."""

    listen: Listen = Field("[::]:4460", description="address and TCP port")
    certificate: File = Field(description="PEM chain, leaf first")
    private_key: File = Field(description="PEM key of the leaf")


class WebConfig(_Model):
    """[web]: status page, /api/v1 and /metrics."""

    listen: Listen = Field("[::]:8080", description="address and TCP port")
    enabled: Flag = Field(True, description="whether to listen at all")
    show_position: Flag = Field(False, description="show the antenna's position exactly; else it is rounded to 0.1 degree")


class ControlConfig(_Model):
    """[control]: the Unix socket of the command line."""

    socket: File = Field("/run/stratum1/control.sock", description="path of the socket")


class LogConfig(_Model):
    """[log]: what goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity shown")
    format: Literal["auto", "text", "json"] = Field("auto", description='"auto": text on a terminal, JSON lines else')


class Config(_Model):
    """The whole file."""

    receiver: ReceiverConfig | None = None
    clock: ClockConfig = ClockConfig()
    source: tuple[SourceConfig, ...] = ()
    server: tuple[ServerConfig, ...] = (ServerConfig(),)
    nts_ke: NtsKeConfig | None = None
    web: WebConfig = WebConfig()
    control: ControlConfig = ControlConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _apart(self) -> "Config":
        listens = [each.listen for each in self.server]
        twice = next((each for each in listens if listens.count(each) > 1), None)
        if twice is not None:
            raise ValueError(f'[[server]] listen = "{twice}" stands twice: each listener needs an address or a port of its own')
        if self.clock.step_threshold > self.clock.panic_limit:
            raise ValueError("[clock] step-threshold is above panic-limit: no step would ever be allowed")
        return self

    @model_validator(mode="after")
    def _simulated_both(self) -> "Config":
        receiver = self.receiver
        if receiver is not None:
            simulated = receiver.device == "simulated"
            if simulated != (receiver.pps == "simulated") and not (simulated and receiver.pps == "none"):
                raise ValueError('[receiver] device and pps must both be "simulated" or neither: their times would not belong together')
            if simulated and self.clock.control == "kernel":
                raise ValueError(
                    '[clock] control must be "virtual" with a simulated receiver: the host\'s clock would be set to invented time'
                )
        return self


def parse_config(text: str, file: str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration. `overrides` (nested, kebab-case) is laid over the file's tables.

    Raises ConfigError with a line a mistake that names the file, the key, the value and what is allowed.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    merged = _merge(data, overrides or {})
    faults = _snake_case(merged)
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        faults += [_explain(detail) for detail in error.errors(include_url=False)]
    if faults:
        raise ConfigError("\n".join(f"{file}: {fault}" for fault in dict.fromkeys(faults)))
    return config


def _snake_case(data: Mapping[str, Any]) -> list[str]:
    """Keys with an underscore: the models take them for Python's sake, the file does not have them."""
    places: list[list[Any]] = [[key] for key in data]
    for name, value in ((name, value) for name, value in data.items() if name in _known_keys([])):
        tables = enumerate(value) if isinstance(value, list) else [(None, value)]
        places += [[name, *([] if i is None else [i]), key] for i, table in tables if isinstance(table, Mapping) for key in table]
    return [_explain({"loc": place, "type": "extra_forbidden"}) for place in places if "_" in place[-1]]


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the file."""
    return Config.model_json_schema(by_alias=True)


def render_toml(config: Config) -> str:
    """The configuration in force as TOML, defaults included; parse_config reads it back unchanged."""
    tables_by_name = config.model_dump(by_alias=True)
    lines = [f"{name} = []" for name, value in tables_by_name.items() if value == ()]  # a key at the top stands before every table
    for name, value in tables_by_name.items():
        for table in value if isinstance(value, tuple) else (value,) if value is not None else ():
            lines += ["", f"[[{name}]]" if isinstance(value, tuple) else f"[{name}]"]
            lines += [f"{key} = {_toml_value(item)}" for key, item in table.items() if item is not None]
    return "\n".join(lines).strip() + "\n"


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    escaped = "".join("\\" + c if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in str(value))
    return f'"{escaped}"'


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(value, Mapping) and isinstance(below, dict) else value
    return merged


def _explain(detail: Any) -> str:
    path = [part for part in detail["loc"] if part not in ("int", "str")]
    key = _key_name(path)
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key{_nearest(path)}"
    if kind == "missing":
        return f"{key}: this key is needed"
    reason = detail["msg"].removeprefix("Value error, ")
    if kind == "literal_error":
        reason = f"must be {detail['ctx']['expected']}"
    if kind in ("model_type", "model_attributes_type", "tuple_type", "dict_type"):
        reason = (
            f"must be a table, written as [[{path[0]}]]" if path[0] in ("source", "server") else f"must be a table, written as [{path[0]}]"
        )
    elif kind in _PLAIN:
        reason = _allowed(path)
    value = "" if not path or isinstance(detail["input"], dict | list) else f" = {_shown(detail['input'])}"
    return f"{key}{value}: {reason}" if key else reason


_PLAIN = ("string_type", "bool_type", "float_type", "greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")


def _allowed(path: list[Any]) -> str:
    """What the schema allows at a key, in words."""
    node = _schema_node(path)
    node = next((option for option in node.get("anyOf", []) if option.get("type") != "null"), node)
    if node.get("type") == "boolean":
        return "must be true or false"
    if node.get("type") == "string":
        return "must be text in quotes"
    limits = [f"at least {node['minimum']:g}"] if "minimum" in node else []
    limits += [f"above {node['exclusiveMinimum']:g}"] if "exclusiveMinimum" in node else []
    limits += [f"at most {node['maximum']:g}"] if "maximum" in node else []
    return " and ".join(["must be a number", *limits]).replace("number and", "number", 1)


def _shown(value: object) -> str:
    text = _toml_value(value) if isinstance(value, bool | int | float | str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _key_name(path: list[Any]) -> str:
    name = ""
    for part in path:
        word = str(part) if re.fullmatch(r"[A-Za-z0-9_-]+", str(part)) else _toml_value(str(part))  # quoted, as TOML itself wants it
        name += f"[{part + 1}]" if isinstance(part, int) else f".{word}" if name else word
    return name


def _nearest(path: list[Any]) -> str:
    known = _known_keys(path[:-1])
    matches = difflib.get_close_matches(str(path[-1]).replace("_", "-").lower(), known, n=1, cutoff=0.5)
    return f'; did you mean "{matches[0]}"?' if matches else f"; known here: {', '.join(known)}"


def _known_keys(path: list[Any]) -> list[str]:
    return sorted(_schema_node(path).get("properties", {}))


def _schema_node(path: list[Any]) -> dict[str, Any]:
    """What the JSON schema says of a place in the file; empty for a place that it does not know."""
    schema = json_schema()
    node: dict[str, Any] = schema
    for part in path:
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
        for option in node.get("anyOf", []):
            node = option if "$ref" in option else node
        while "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node
