"""The rule of the vote: what list, receivers and sources together lead to. A function of its facts alone.

1. The list decides about every instant before its expiry: the IERS lets a list expire just before the next leap second that it
   could not know of yet. What it does not hold does not happen.
2. Against it a receiver alone, or sources alone, only raise an alarm. A receiver together with a majority of the sources wins
   over it: from that midnight on, everything we could be compared with would go by the leap second.
3. About an instant that the list does not cover (expired, missing, or it expires before), a receiver's word is enough, unless
   at least two sources have a say and not more than half of them agree with it. Where no receiver speaks, a majority of at
   least two sources is enough; one source never is.
4. A receiver's word counts once it has been the same for 25 minutes, names the end of a quarter, and not more than half a year
   ahead. The bits of sources count in the last day of a month where a leap second may be.
5. Not announcing is not a vote: many servers never set the bits, and receivers learn of a leap second late. So nothing but the
   opposite sign takes a listed leap second away.
"""

from dataclasses import dataclass

from stratum1.timescale import LeapEvent, UtcNs, rfc3339

from ._calendar import DAY, WINDOW, possible
from ._witnesses import Claim, Votes

__all__ = ["Facts", "Ruling", "leap_name", "rule"]

_SILENT_RECEIVER = 30 * DAY  # before a listed leap second: by then every receiver has it from the satellites


@dataclass(frozen=True, slots=True)
class Facts:
    """listed: the list's next leap second, None where an unexpired list has none, or there is no unexpired list.

    covered_until: the list's expiry, 0 without an unexpired list. claim: the receivers' steady word, None for silence.
    today: the end of this UTC day where a leap second may be there; votes: of the sources about it, empty on other days.
    """

    now: UtcNs
    listed: LeapEvent | None
    covered_until: UtcNs
    claim: Claim | None
    today: UtcNs | None
    votes: Votes


@dataclass(frozen=True, slots=True)
class Ruling:
    """claim: what is to be done (sign 0: nothing). witnesses: whose word it rests on. by_list: the list decided it."""

    claim: Claim
    witnesses: tuple[str, ...]
    alarms: tuple[str, ...]
    by_list: bool


def leap_name(at: UtcNs, sign: int) -> str:
    """A leap second in words."""
    day = rfc3339(UtcNs(at - DAY), 0)[:10] if at >= DAY else "1970-01-01"
    return f"a second {'inserted' if sign > 0 else 'deleted'} at the end of {day}"


def rule(facts: Facts) -> Ruling:
    """What is to be done, and what a person should know."""
    announced, alarms = _announced(facts)
    listed = facts.listed
    covered = announced is not None and announced.at is not None and announced.at < facts.covered_until
    same = announced is not None and listed is not None and (announced.at, announced.sign) == (listed.at, listed.sign)
    if announced is not None and covered and not same and _seconded(facts, announced):
        return _overruled(facts, announced, alarms)
    if listed is not None:
        return _by_list(facts, listed, announced, alarms)
    if announced is not None:
        return _refused(facts, announced, alarms) if covered else _by_receiver(facts, announced, alarms)
    return _by_sources(facts, alarms)


def _announced(facts: Facts) -> tuple[Claim | None, list[str]]:
    """The receivers' announcement if it is possible at all."""
    claim = facts.claim
    if claim is None or not claim.sign or claim.at is None or claim.at <= facts.now:
        return None, []
    name = leap_name(claim.at, claim.sign) if 0 <= claim.at < 1 << 62 else "a leap second at an impossible date"
    if not possible(claim.at):
        return None, [f"The receiver announces {name}, where none can be: not believed. Update the receiver's firmware"]
    if claim.at - facts.now > WINDOW:
        return None, [f"The receiver announces {name}, which nobody can know yet: not believed. Update the receiver's firmware"]
    return claim, []


def _seconded(facts: Facts, claim: Claim) -> bool:
    return facts.today == claim.at and facts.votes.majority() == claim.sign


def _witnesses(facts: Facts, claim: Claim, *first: str) -> tuple[str, ...]:
    names = facts.votes.names(claim.sign) if facts.today == claim.at else ()
    return (*first, *names)


def _overruled(facts: Facts, announced: Claim, alarms: list[str]) -> Ruling:
    assert announced.at is not None
    says = leap_name(facts.listed.at, facts.listed.sign) if facts.listed else "none"
    text = (
        f"The receiver and {', '.join(facts.votes.names(announced.sign))} announce {leap_name(announced.at, announced.sign)}, the list of "
        f"leap seconds says {says}: the majority is followed. Compare with IERS Bulletin C today, and replace the list if it is wrong"
    )
    return Ruling(announced, _witnesses(facts, announced, "receiver"), (*alarms, text), by_list=False)


def _by_list(facts: Facts, listed: LeapEvent, announced: Claim | None, alarms: list[str]) -> Ruling:
    name = leap_name(listed.at, listed.sign)
    claim = Claim(listed.at, listed.sign)
    first = ["list"]
    if announced is not None and announced == claim:
        first.append("receiver")
    elif announced is not None and announced.at is not None:
        alarms.append(_differs(f"The receiver announces {leap_name(announced.at, announced.sign)}", name))
    elif facts.claim is not None and not facts.claim.sign and listed.at - facts.now < _SILENT_RECEIVER:
        alarms.append(_differs("The receiver says that no leap second is to come", name))
    wrong = facts.votes.names(-listed.sign) if facts.today == listed.at else ()
    if wrong:
        alarms.append(_differs(f"{', '.join(wrong)}: the leap bits announce the opposite", name))
    if facts.today is not None and facts.today != listed.at:
        alarms += _lone_sources(facts)
    return Ruling(claim, _witnesses(facts, claim, *first), tuple(alarms), by_list=True)


def _differs(what: str, name: str) -> str:
    return f"{what}, the list of leap seconds has {name}: the list is followed. Compare with IERS Bulletin C"


def _refused(facts: Facts, announced: Claim, alarms: list[str]) -> Ruling:
    assert announced.at is not None
    text = (
        f"The receiver announces {leap_name(announced.at, announced.sign)}, the list of leap seconds says none: the list is followed. "
        "Compare with IERS Bulletin C; if the list is right, update the receiver's firmware"
    )
    return Ruling(Claim(None, 0), ("list",), (*alarms, text, *_lone_sources(facts)), by_list=True)


def _by_receiver(facts: Facts, announced: Claim, alarms: list[str]) -> Ruling:
    assert announced.at is not None
    name = leap_name(announced.at, announced.sign)
    if facts.today == announced.at and facts.votes.deny(announced.sign):
        text = (
            f"The receiver announces {name}, most of the sources ({len(facts.votes.by_source)}) do not, and the list of leap seconds does "
            "not reach so far: none is made. Compare with IERS Bulletin C and install its list"
        )
        return Ruling(Claim(None, 0), (), (*alarms, text), by_list=False)
    return Ruling(announced, _witnesses(facts, announced, "receiver"), tuple(alarms), by_list=False)


def _by_sources(facts: Facts, alarms: list[str]) -> Ruling:
    sign = facts.votes.majority() if facts.today is not None else 0
    covered = facts.today is not None and facts.today < facts.covered_until
    denied = facts.claim is not None and not facts.claim.sign
    if sign and facts.today is not None and not (covered or denied):
        claim = Claim(facts.today, sign)
        return Ruling(claim, _witnesses(facts, claim), tuple(alarms), by_list=False)
    return Ruling(Claim(None, 0), ("list",) if covered else (), (*alarms, *_lone_sources(facts)), by_list=covered)


def _lone_sources(facts: Facts) -> list[str]:
    """Sources that announce what nobody else does."""
    if facts.today is None:
        return []
    said = [(name, sign) for sign in (1, -1) for name in facts.votes.names(sign)]
    if not said:
        return []
    names = ", ".join(name for name, _ in said)
    text = (
        f"{names}: the leap bits announce {leap_name(facts.today, said[0][1])}, and neither the list nor the receiver does: not followed. "
        "Compare with IERS Bulletin C, and remove a source that is wrong"
    )
    return [text]
