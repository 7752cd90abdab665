"""The table of NTS key establishment."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ._values import Count, File, Flag, Host, Listen, Model, Number

__all__ = ["NtsKeConfig"]


def _client(text: str) -> str:
    plain = text.lower().removeprefix("sha256:").replace(":", "")
    named = re.fullmatch(r"(\*\.)?[A-Za-z0-9_.-]{1,253}", text)
    if re.fullmatch(r"[0-9a-f]{64}", plain) if text.lower().startswith("sha256:") else named:
        return text
    raise ValueError(
        'must be a name as in the client\'s certificate ("a.example.org", "*.example.org") or "sha256:" with 64 hexadecimal digits'
    )


def _bare_host(text: str) -> str:
    """A name or an address without a port."""
    if text.count(":") == 1 or text.startswith("["):
        raise ValueError("must be a name or an IP address without a port")
    return text


def _distinct(values: tuple[int, ...]) -> tuple[int, ...]:
    if not values or len(set(values)) != len(values):
        raise ValueError("must name at least one AEAD, each once: 15, 16, 17, 30")
    return values


Client = Annotated[str, AfterValidator(_client)]
BareHost = Annotated[Host, AfterValidator(_bare_host)]
Aeads = Annotated[tuple[Literal[15, 16, 17, 30], ...], AfterValidator(_distinct)]


class NtsKeConfig(Model):
    """[nts-ke]: key establishment for NTS (RFC 8915). With this table, NTS is served; empty, with a certificate of its own making."""

    listen: Listen = Field("[::]:4460", description='address and TCP port; "[::]" takes IPv4 too')
    certificate: File | None = Field(
        None,
        description="PEM chain, the server's own certificate first; read again when it changes. Without it, an own authority issues one",
    )
    private_key: File | None = Field(None, description="PEM key of the certificate")
    self_signed: Flag = Field(False, description="use the own authority although certificate and key are given")
    names: tuple[BareHost, ...] = Field(
        (), description="more names and addresses for the certificate of the own authority; the host's own and those listened at are in it"
    )
    aeads: Aeads = Field((15, 30, 17, 16), description="AEADs offered (IANA numbers), best first: the first that the client has is taken")
    cookies: Count = Field(8, ge=1, le=64, description="cookies for each client; RFC 8915 wants 8")
    ntp_server: BareHost | None = Field(None, description="who serves the time with these keys; none: this very address")
    ntp_port: Count | None = Field(
        None, ge=1, le=65535, description="UDP port that clients are sent to; none: that of the first [[server]]"
    )
    rotation: Number = Field(86400.0, ge=60, le=31_536_000, description="seconds that a master key seals cookies")
    old_keys: Count = Field(7, ge=0, le=1000, description="master keys that still open cookies after they have been replaced")
    future_keys: Count = Field(1, ge=0, le=16, description="master keys made ahead, which open cookies already")
    shared_secret: File | None = Field(
        None,
        description="file with a secret (32 octets or more) that all servers of a fleet share: master keys are drawn from it by schedule",
    )
    max_connections: Count = Field(512, ge=1, le=65536, description="connections at a time")
    max_connections_per_address: Count = Field(32, ge=1, le=65536, description="of one IPv4 address or IPv6 /64")
    max_request: Count = Field(4096, ge=1024, le=65536, description="octets of a request")
    idle_timeout: Number = Field(2.0, gt=0, le=60, description="seconds of silence after which a client is given up")
    timeout: Number = Field(5.0, gt=0, le=300, description="seconds that a client may take in all")
    client_authority: File | None = Field(
        None, description="PEM of the authority that clients need a certificate of; none: anybody is served"
    )
    allowed_clients: tuple[Client, ...] = Field(
        (), description='which of them: names in their certificates ("*.example.org"), or "sha256:" and fingerprints; empty: all'
    )
    pool_tokens: File | None = Field(
        None, description="file with a token a line: pools that show one may use the records of the NTS pool draft; without it nobody may"
    )
    tls: Literal["auto", "rustls", "openssl"] = Field("auto", description='who does TLS: "auto" is rustls where the native module is')

    @model_validator(mode="after")
    def _belong_together(self) -> "NtsKeConfig":
        for key, other in (("certificate", "private_key"), ("private_key", "certificate")):
            if getattr(self, key) is not None and getattr(self, other) is None:
                name, missing = key.replace("_", "-"), other.replace("_", "-")
                raise ValueError(f"{name} needs {missing} beside it; leave both out for a certificate of our own making")
        if self.allowed_clients and self.client_authority is None:
            raise ValueError("allowed-clients needs client-authority: nobody else vouches for the names in certificates")
        if self.idle_timeout > self.timeout:
            raise ValueError("idle-timeout is above timeout: it would never be reached")
        return self

    @property
    def is_self_signed(self) -> bool:
        """Whether the certificate is of our own making."""
        return self.self_signed or self.certificate is None
