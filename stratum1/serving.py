"""The NTP service as the daemon runs it: its settings out of the configuration, its planes, and what a reload changes."""

import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from .config import Config, RateLimitConfig, ServerConfig
from .nts.keyring import KeyRing
from .server import (
    REFERENCE_ID_LENGTH,
    Counters,
    ListenAddress,
    ListenerReport,
    Server,
    StateCell,
    reference_filter,
)
from .server.keyfile import KeyFileError, parse_keys
from .server.service import AccessAction, AccessRule, ListenerSettings, RateLimit, ServiceSettings, SymmetricKey
from .timescale import NS

__all__ = ["KeysError", "Serving", "fallback_sentences", "listener_settings", "rate_limit", "read_keys", "table_slots"]

_SMALLEST_TABLE, _LARGEST_TABLE = 1 << 8, 1 << 22


class KeysError(Exception):
    """The file of symmetric keys can't be used; the message is the sentence for the owner."""


class Serving:
    """All listeners, with the settings in force."""

    def __init__(self, config: Config, listeners: Sequence[ListenAddress], cell: StateCell, note: Callable[[bool, str], None]) -> None:
        """note: told whether it needs a person, and the sentence."""
        self._note = note
        self._seed = secrets.randbits(64)
        self._reference_ids = reference_filter([secrets.token_bytes(REFERENCE_ID_LENGTH)])
        self._ring: KeyRing | None = None
        self._keys: Mapping[int, SymmetricKey] = {}
        self._config = config
        self._read_keys(config)
        self._server = Server(listeners, cell, self._settings(config))

    def start(self) -> None:
        """Open every socket and answer. Raises ListenError."""
        self._server.start()
        for text in fallback_sentences(self._server.reports()):
            self._note(True, text)

    def stop(self) -> None:
        """Stop answering, at once."""
        self._server.stop()

    @property
    def alive(self) -> bool:
        """Whether every listener answers, if there is one."""
        return self._server.alive or not self._config.server

    @property
    def config(self) -> Config:
        """The configuration whose service is in force."""
        return self._config

    @property
    def settings(self) -> ServiceSettings:
        """The settings in force."""
        return self._server.service

    def counters(self) -> dict[str, Counters]:
        """What was counted, by listening address as text."""
        return self._server.counters()

    def reports(self) -> tuple[ListenerReport, ...]:
        """Who answers at each listener, and why."""
        return self._server.reports()

    def look(self) -> None:
        """See whether this host has other addresses by now."""
        self._server.look()

    def use_ring(self, ring: KeyRing | None) -> None:
        """Open and seal cookies with other master keys from now on; None: NTS is not served."""
        self._ring = ring
        self._server.configure(self._settings(self._config))

    def reload(self, config: Config) -> Config:
        """Put in force what can change live: access rules, keys, rate limit, interleaved mode, version 5.

        Returns the configuration in force afterwards: the new one, less what needs a restart. Keys that can't be read leave the old ones.
        """
        servers = self._config.server
        if [each.lasting for each in config.server] == [each.lasting for each in servers]:
            servers = config.server
        self._config = self._config.model_copy(update={"server": servers, "service": config.service, "rate_limit": config.rate_limit})
        self._read_keys(self._config)
        self._server.configure(self._settings(self._config), [listener_settings(each) for each in servers])
        return self._config

    def _settings(self, config: Config) -> ServiceSettings:
        return ServiceSettings(
            keys=self._keys,
            rate_limit=rate_limit(config.rate_limit),
            interleaved_slots=table_slots(config.service.interleaved_clients),
            ntpv5=config.service.ntpv5,
            nts=self._ring,
            hash_seed=self._seed,
            reference_ids=self._reference_ids,
        )

    def _read_keys(self, config: Config) -> None:
        if config.service.keys is None:
            self._keys = {}
            return
        try:
            self._keys, warning = read_keys(Path(config.service.keys))
        except KeysError as error:
            known = f"the {len(self._keys)} keys read before stay" if self._keys else "no key is known: MACs are answered with a crypto-NAK"
            self._note(True, f"{error}; {known}")
        else:
            if warning:
                self._note(True, warning)


def listener_settings(server: ServerConfig) -> ListenerSettings:
    """Who is served at a listener."""
    access = tuple(AccessRule(network, AccessAction(action)) for action, network in server.rules())
    return ListenerSettings(access, server.nts_for_all, server.nts_only_silence)


def rate_limit(config: RateLimitConfig) -> RateLimit | None:
    """The limit, None where there is none."""
    if not config.enabled:
        return None
    leak = round(config.leak * 256)
    return RateLimit(round(config.interval * NS), config.burst, leak, min(round(config.kod * 256), 256 - leak), table_slots(config.clients))


def table_slots(clients: int) -> int:
    """The size of a table for so many clients: the next power of two from 2^8 to 2^22, 0 for none."""
    return min(max(_SMALLEST_TABLE, 1 << (clients - 1).bit_length()), _LARGEST_TABLE) if clients else 0


def read_keys(path: Path) -> tuple[dict[int, SymmetricKey], str]:
    """The keys in a file, and what is wrong with its permissions (empty for nothing). Raises KeysError."""
    try:
        mode = path.stat().st_mode
        keys = parse_keys(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KeysError(f"[service] keys: {path} can't be read: {error.strerror}; the daemon's user needs to read it") from None
    except UnicodeDecodeError:
        raise KeysError(f"[service] keys: {path} is not UTF-8 text") from None
    except KeyFileError as error:
        raise KeysError(f"[service] keys: {path}: {'; '.join(str(error).splitlines()[:3])}") from None
    open_to_others = mode & (stat.S_IWGRP | stat.S_IRWXO)
    warning = (
        f"{path} holds secrets and is open to others: chmod 0640 it, owned by root and by the daemon's group" if open_to_others else ""
    )
    return keys, warning


def fallback_sentences(reports: Iterable[ListenerReport]) -> Iterator[str]:
    """A sentence for each listener that another plane answers than the one asked for."""
    for each in reports:
        if each.fell_back:
            yield f'{each.listen}: data-plane = "{each.asked}" can\'t be had, the {each.plane.name} plane answers ({each.reason})'
