"""The tables of the service: [[server]], [service] and [rate-limit]."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ._values import Count, File, Flag, Listen, Model, Number

__all__ = ["RateLimitConfig", "ServerConfig", "ServiceConfig"]


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        right = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'{text!r} is no network: write it as "192.0.2.0/24", "2001:db8::/32" or, for one host, "192.0.2.7"') from None
    raise ValueError(f'{text!r} has bits set beyond its prefix: "{right}" would be the network')


def _networks(value: object) -> object:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError('must be a list of networks, as ["192.0.2.0/24", "2001:db8::/32"]')
    return tuple(_network(each) for each in value)


def _all_or_networks(value: object) -> object:
    if isinstance(value, bool):
        return value
    if not isinstance(value, list | tuple):
        raise ValueError('must be true, false or a list of networks, as ["192.0.2.0/24"]')
    return _networks(value)


Networks = Annotated[tuple[str, ...], BeforeValidator(_networks)]
AllOrNetworks = Annotated[bool | tuple[str, ...], BeforeValidator(_all_or_networks)]


class ServerConfig(Model):
    """[[server]]: one listener for clients."""

    listen: Listen = Field("[::]:123", description='address and UDP port; "[::]" takes IPv4 too')
    data_plane: Literal["auto", "native", "python", "xdp"] = Field(
        "auto",
        description='who answers: "native" (Rust), "python", "xdp" (plain requests in the network driver); "auto": native where it is '
        "built, else Python. What can't be had is replaced by the next best, and page, log and doctor say why",
    )
    workers: Count = Field(0, ge=0, le=64, description="threads of the native plane that answer; 0: one a processor core")
    allow: Networks = Field(
        (), description="networks that are served, as is whoever stands in no list; of several, the longest prefix decides"
    )
    deny: Networks = Field((), description="networks that are refused with the kiss DENY")
    ignore: Networks = Field((), description="networks that are met with silence")
    require_nts: AllOrNetworks = Field(
        False, description="networks to which only NTS is served, or true for all; a plain request gets the kiss RSTR"
    )
    nts_only_silence: Flag = Field(False, description="where NTS is required, meet plain requests with silence instead of RSTR")
    smear: Literal["none", "linear", "cosine"] = Field(
        "none",
        description="spread a leap second over the day from noon to noon UTC around it instead of announcing it; "
        "never give clients of this listener another time source that does not smear alike",
    )

    @model_validator(mode="after")
    def _one_action_each(self) -> "ServerConfig":
        seen: dict[IPv4Network | IPv6Network, str] = {}
        for action, network in self.rules():
            other = seen.setdefault(network, action)
            if other != action:
                raise ValueError(f'"{network}" stands in {other} and in {action}: a network can have one action only')
        return self

    def rules(self) -> Iterator[tuple[str, IPv4Network | IPv6Network]]:
        """Each network that is named, with its action: allow, deny, ignore or require-nts."""
        required = () if isinstance(self.require_nts, bool) else self.require_nts
        lists = {"allow": self.allow, "deny": self.deny, "ignore": self.ignore, "require-nts": required}
        yield from ((action, ip_network(each)) for action, networks in lists.items() for each in networks)

    @property
    def nts_for_all(self) -> bool:
        """Whether nobody is served anything but NTS."""
        return self.require_nts is True

    @property
    def lasting(self) -> tuple[object, ...]:
        """What a reload does not change: it needs a restart."""
        return self.listen, self.data_plane, self.workers, self.smear


class ServiceConfig(Model):
    """[service]: what all listeners share. A reload puts it in force."""

    keys: File | None = Field(
        None, description='symmetric keys shared with clients: a file as "ntp.keys" of NTP and NTPsec or "chrony.keys" is written'
    )
    interleaved_clients: Count = Field(
        131_072,
        ge=0,
        le=4_194_304,
        description="clients in interleaved mode (RFC 9769) remembered at a time, 16 octets each; 0 switches that mode off",
    )
    ntpv5: Flag = Field(False, description="answer NTP version 5 as draft-ietf-ntp-ntpv5-09 has it; the draft is not finished")


class RateLimitConfig(Model):
    """[rate-limit]: how often one client address (IPv6: one /64) is answered. A reload puts it in force."""

    enabled: Flag = Field(True, description="whether there is a limit at all")
    interval: Number = Field(
        0.03125, ge=0.0011, le=68.0, description="seconds between two answers in the long run; the default leaves room for a NAT"
    )
    burst: Count = Field(128, ge=1, le=255, description="answers that may come at once after a pause")
    leak: Number = Field(0.25, ge=0, le=1, description="share of the requests over the limit that is answered all the same")
    kod: Number = Field(
        0.125, ge=0, le=1, description="share of the requests over the limit that gets the kiss RATE; the rest gets silence"
    )
    clients: Count = Field(65_536, ge=256, le=4_194_304, description="addresses that are remembered at a time, 16 octets each")

    @model_validator(mode="after")
    def _shares(self) -> "RateLimitConfig":
        if self.leak + self.kod > 1:
            raise ValueError(f"leak = {self.leak:g} and kod = {self.kod:g} are shares of the same requests: together at most 1")
        return self
