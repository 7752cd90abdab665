"""What a key's value may be: the checks behind the tables, each with a message that says what would be right."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Strict

__all__ = [
    "Baud",
    "Count",
    "Device",
    "File",
    "Flag",
    "Host",
    "Listen",
    "Model",
    "Name",
    "Number",
    "PpsSource",
    "Refid",
    "TemperatureSensor",
    "Url",
    "split_address",
]


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


def _refid(text: str) -> str:
    if re.fullmatch(r"[\x21-\x7e]{1,4}", text):
        return text
    raise ValueError('must be one to four printable ASCII characters, such as "GPS" or "PPS" (RFC 5905, figure 12)')


def _name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", text):
        return text
    raise ValueError('must be 1 to 64 letters, digits, ".", ":", "_" or "-", as "roof"')


def _url(text: str) -> str:
    """https; plain http only to this very machine."""
    match = re.fullmatch(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?(/[\x21-\x7e]*)?", text)
    if match and (match[1] == "https" or match[2] in ("127.0.0.1", "[::1]", "localhost")):
        return text
    raise ValueError('must be an address that begins with "https://", as "https://hpiers.obspm.fr/iers/bul/bulc/ntp/leap-seconds.list"')


def _absolute(text: str) -> str:
    if text.startswith("/") and text.strip() == text:
        return text
    raise ValueError('must be a path from the root, as "/var/lib/stratum1"')


def _device(text: str) -> str:
    return text if text == "simulated" else _absolute(text)


def _temperature_sensor(text: str) -> str:
    if text.startswith("/"):
        return _absolute(text)
    if re.fullmatch(r"[A-Za-z0-9_.:+-]{1,64}", text):
        return text
    raise ValueError(
        'must be "auto", "none", a path ("/sys/class/hwmon/hwmon0/temp1_input"), a zone\'s type or a chip\'s name ("cpu-thermal")'
    )


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
Name = Annotated[str, AfterValidator(_name)]
Number = Annotated[float, Strict()]
Count = Annotated[int, Strict()]
Baud = Annotated[int | str, AfterValidator(_baud)]
Device = Annotated[str, AfterValidator(_device)]
Host = Annotated[str, AfterValidator(_host)]
PpsSource = Annotated[str, AfterValidator(_pps_source)]
Refid = Annotated[str, AfterValidator(_refid)]
Url = Annotated[str, AfterValidator(_url)]
TemperatureSensor = Annotated[str, AfterValidator(_temperature_sensor)]


class Model(BaseModel):
    """A table: kebab-case keys, unknown ones refused, frozen."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, alias_generator=lambda name: name.replace("_", "-"), populate_by_name=True
    )
