"""Who may ask: the longest prefix that holds an address decides. Pure."""

from collections.abc import Iterable

from .service import AccessAction, AccessRule, ListenerSettings

__all__ = ["AccessList"]

_Lengths = list[tuple[int, dict[int, AccessAction]]]


class AccessList:
    """A listener's rules, laid out by prefix length: one look-up for each length that is used, longest first."""

    __slots__ = ("_by_family", "_default")

    def __init__(self, listener: ListenerSettings) -> None:
        """Of two rules for one network the later one holds."""
        self._default = AccessAction.REQUIRE_NTS if listener.require_nts else AccessAction.ALLOW
        self._by_family = {octets: self._lengths(listener.access, octets) for octets in (4, 16)}

    def action(self, address: bytes) -> AccessAction:
        """What is done with a packet from an address of 4 or 16 octets."""
        number = int.from_bytes(address)
        for shift, networks in self._by_family[len(address)]:
            found = networks.get(number >> shift)
            if found is not None:
                return self._default if found is AccessAction.ALLOW else found
        return self._default

    @staticmethod
    def _lengths(rules: Iterable[AccessRule], octets: int) -> _Lengths:
        by_shift: dict[int, dict[int, AccessAction]] = {}
        for rule in rules:
            if len(rule.network.network_address.packed) == octets:
                shift = 8 * octets - rule.network.prefixlen
                by_shift.setdefault(shift, {})[int(rule.network.network_address) >> shift] = rule.action
        return sorted(by_shift.items())
