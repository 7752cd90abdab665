"""NTS key establishment as the daemon runs it: made from the configuration, remade by a reload, and put into the words of `Status`."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from .build_date import build_date
from .config import Config, NtsKeConfig, split_address
from .control.nts import CertificateStatus, MasterKeyStatus, NtsKeStatus
from .nts.ke_server import KePolicy
from .nts.keyring import KeyRing, Rotation
from .nts.records import KE_PORT, NTPV4, NTPV5_DRAFT
from .ntske import KeLimits, KeReport, KeSettings, KeyEstablishment
from .timescale import NS, UtcNs

__all__ = ["KeyService", "ke_settings", "nts_ke_status"]

_NTP_PORT = 123
_SHORTEST_TOKEN = 8

Times = Callable[[], tuple[UtcNs | None, UtcNs]]
Tell = Callable[[bool, str], None]


class KeyService:
    """What [nts-ke] asks for, which may be nothing. All calls belong to the loop's thread."""

    def __init__(self, config: Config, times: Times, use_ring: Callable[[KeyRing | None], None], tell: Tell) -> None:
        """times: served time (None while it is not known), and what our clock says; use_ring: given the master keys whenever they
        are others; tell: told whether it needs a person, and the sentence.
        """
        self._times = times
        self._use_ring = use_ring
        self._tell = tell
        self._settings = ke_settings(config, tell)
        self._made = self._make()

    def start(self) -> None:
        """Open the listener. What prevents it is told, and tried again."""
        if self._made is not None:
            self._made.start(*self._times())

    def stop(self) -> None:
        """Stop at once."""
        if self._made is not None:
            self._made.stop()

    def look(self) -> None:
        """Once a second: certificates, rotation, and a listener that could not be opened."""
        if self._made is not None:
            self._made.look(*self._times())

    @property
    def alive(self) -> bool:
        """Whether the listener's thread runs, if there is one."""
        return self._made is None or self._made.alive

    @property
    def authority(self) -> bytes:
        """The certificate of our own authority (PEM); empty where there is none."""
        return b"" if self._made is None else self._made.authority

    def reload(self, config: Config) -> None:
        """Put another configuration in force, all of it; where it is the same, look at its files again."""
        settings = ke_settings(config, self._tell)
        if settings == self._settings:
            if self._made is not None:
                self._made.reload(self._times()[0])
            return
        self.stop()
        self._settings = settings
        self._made = self._make()
        self.start()

    def rotate(self) -> str:
        """Change the master key now; what was done, as a sentence."""
        if self._made is None:
            return ""
        return self._made.rotate(self._times()[0])

    def status(self) -> NtsKeStatus | None:
        """For people; None where NTS is not configured."""
        return None if self._made is None else nts_ke_status(self._made.report())

    def _make(self) -> KeyEstablishment | None:
        if self._settings is None:
            self._use_ring(None)
            return None
        made = KeyEstablishment(self._settings, self._tell, self._use_ring, self._times()[1])
        self._use_ring(made.ring)
        return made


def ke_settings(config: Config, tell: Tell) -> KeSettings | None:
    """What the configuration says of key establishment. tell: told of a file of tokens that can't be used."""
    table = config.nts_ke
    if table is None:
        return None
    host, port = split_address(table.listen)
    protocols = (NTPV4, NTPV5_DRAFT) if config.service.ntpv5 else (NTPV4,)
    policy = KePolicy(
        table.aeads, protocols, table.cookies, table.ntp_server, _ntp_port(config, table), table.max_request, _tokens(table, tell)
    )
    own = table.is_self_signed
    return KeSettings(
        host=host,
        port=port,
        state_directory=Path(config.clock.state_directory),
        built=build_date(),
        policy=policy,
        limits=KeLimits(table.max_connections, table.max_connections_per_address, table.idle_timeout, table.timeout),
        rotation=Rotation(round(table.rotation * NS), table.old_keys, table.future_keys),
        certificate=None if own else _path(table.certificate),
        private_key=None if own else _path(table.private_key),
        names=table.names,
        shared_secret=_path(table.shared_secret),
        client_authority=_path(table.client_authority),
        allowed_clients=table.allowed_clients,
        backend=table.tls,
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _ntp_port(config: Config, table: NtsKeConfig) -> int | None:
    """The port to send clients to, None for 123 (which need not be said)."""
    ports = [split_address(each.listen)[1] for each in config.server]
    port = table.ntp_port or (_NTP_PORT if _NTP_PORT in ports or not ports else ports[0])
    return None if port == _NTP_PORT else port


def _tokens(table: NtsKeConfig, tell: Tell) -> tuple[bytes, ...]:
    if table.pool_tokens is None:
        return ()
    path = Path(table.pool_tokens)
    try:
        tokens = tuple(line.strip() for line in path.read_bytes().splitlines() if line.strip())
    except OSError as error:
        tell(True, f"{path}: the tokens of pools can't be read: {error.strerror}; no pool is served")
        return ()
    if not tokens or any(len(each) < _SHORTEST_TOKEN for each in tokens):
        tell(True, f"{path}: a token a line is expected, each of {_SHORTEST_TOKEN} octets or more; no pool is served")
        return ()
    return tokens


def nts_ke_status(report: KeReport) -> NtsKeStatus:
    """A report in the words of the model."""
    identity, counters, ring = report.identity, report.counters, report.ring
    certificate = (
        None
        if identity is None
        else CertificateStatus(identity.names, identity.kind, identity.not_before, identity.not_after, identity.fingerprint)
    )
    return NtsKeStatus(
        listen_address=report.address,
        state=report.state,
        reason=report.reason,
        tls=report.backend,
        connections=counters.connections,
        accepted=counters.accepted,
        handshakes=counters.handshakes,
        cookies=counters.cookies,
        accept_errors=counters.accept_errors,
        outcomes={outcome.value: count for outcome, count in counters.outcomes.items()},
        aeads={str(aead): count for aead, count in counters.aeads.items()},
        protocols={str(protocol): count for protocol, count in counters.protocols.items()},
        certificate=certificate,
        own_authority=bool(report.authority),
        authority_fingerprint=report.authority_fingerprint,
        key=MasterKeyStatus(f"{ring.current.key_id:06x}", len(ring.accepted), report.fleet, report.rotated_at, report.next_rotation),
        clients=_client_lines(report),
    )


def _client_lines(report: KeReport) -> dict[str, str]:
    """What to write into the configuration of clients; empty before there is a certificate with a name."""
    name = _best_name(report)
    if not name:
        return {}
    port = "" if report.ke_port == KE_PORT else f" ntsport {report.ke_port}"
    chrony = f"server {name} iburst nts{port}"
    ntpd_rs = f'[[source]]\nmode = "nts"\naddress = "{f"[{name}]" if ":" in name else name}:{report.ke_port}"'
    if report.authority:
        chrony += "\nntstrustedcerts /etc/chrony/nts-ca.pem"
        ntpd_rs += '\ncertificate-authority = "/etc/ntpd-rs/nts-ca.pem"'
    return {"chrony": chrony, "ntpd-rs": ntpd_rs}


def _best_name(report: KeReport) -> str:
    """The name that clients most likely reach us by: the first in the certificate, but localhost where only that is listened at."""
    names = report.identity.names if report.identity is not None else ()
    host = report.address.rpartition(":")[0].strip("[]")
    if ip_address(host.partition("%")[0]).is_loopback and "localhost" in names:
        return "localhost"
    return next((each for each in names if each != "localhost"), "")
