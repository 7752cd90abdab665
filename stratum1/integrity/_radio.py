"""What the radio side shows: signal strengths, jamming, gain, constellations. Each of it is a hint and no proof.

A transmitter nearby that imitates satellites comes from one direction over one path: all satellites alike in strength, whatever their
elevation, and stronger than the sky can be; when it takes over, all strengths jump together (A. Jafarnia-Jahromi and others, "GPS
Vulnerability to Spoofing Threats and a Review of Antispoofing Techniques", International Journal of Navigation and Observation, 2012,
section 4.1). A jammer lowers all together, and the front end's gain with them (u-blox M8 and F9 interface descriptions, UBX-MON-HW,
UBX-MON-RF: jamInd, agcCnt). What is usual for this antenna is learned, so that a receiver on a simulator or under a roof is no suspect.

Constellations: their times can't be compared here, since receivers tell one time only. Seen is when a constellation that has always
been used is left out while its satellites are still strong. An attack on all constellations at once, or with strengths like the sky's,
is not seen by any of this.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import mean, median

from stratum1.gnss.events import Authenticity, RadioPath, Satellite, Sky
from stratum1.timescale import NS, MonoNs

__all__ = ["Hint", "RadioWatch"]

_ENOUGH = 6  # satellites with a strength
_FLAT, _STRONG = 1.8, 40.0  # dB, dB-Hz
_FLATTER = 0.5  # of the usual spread
_JUMP = 6.0  # dB within
_JUMP_TIME = 15 * NS
_JUMP_SHARE = 0.8  # of the satellites
_JUMP_SHOWN = 300 * NS
_FRESH = 30 * NS
_NEEDED, _MEMORY = 120, 3600
_AGC, _INDICATOR = 0.2, 100
_MISSING = 60 * NS
_LEFT_OUT = 3  # satellites of a constellation, strong as
_LEFT_STRONG = 30  # dB-Hz


@dataclass(frozen=True, slots=True)
class Hint:
    """One thing that is seen. strength: 0 to 1."""

    name: str
    strength: float
    value: float
    sentence: str


@dataclass(slots=True)
class _Usual:
    """A slow mean."""

    value: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.count += 1
        self.value += (value - self.value) / min(_MEMORY, self.count)

    @property
    def known(self) -> bool:
        return self.count >= _NEEDED


class RadioWatch:
    """Fed with the receiver's words on sky and front end."""

    def __init__(self) -> None:
        self._sky: Sky | None = None
        self._spread = _Usual()
        self._shares: dict[str, _Usual] = {}
        self._left: dict[str, MonoNs] = {}
        self._strengths: list[tuple[MonoNs, dict[tuple[str, int], int]]] = []
        self._jump: tuple[MonoNs, float] | None = None
        self._blocks: dict[int, RadioPath] = {}
        self._gain: dict[int, _Usual] = {}
        self._indicator: dict[int, _Usual] = {}
        self._word: Authenticity | None = None

    def sky(self, sky: Sky, learn: bool) -> None:
        """The satellites of now. learn: whether this is what is usual."""
        self._sky = sky
        known = {(each.constellation, each.number): each.cn0 for each in sky.satellites if each.cn0}
        if learn and len(known) >= _ENOUGH:
            self._spread.add(_deviation(list(known.values())))
        self._note_jump(sky.at_ns, known)
        self._note_constellations(sky, learn)

    def path(self, path: RadioPath, learn: bool) -> None:
        """An RF block's state."""
        if path.block not in self._blocks and len(self._blocks) >= 8:
            return
        self._blocks[path.block] = path
        if learn:
            self._gain.setdefault(path.block, _Usual()).add(path.agc)
            self._indicator.setdefault(path.block, _Usual()).add(path.jamming_indicator)

    def word(self, word: Authenticity) -> None:
        """What the receiver itself says of spoofing and jamming."""
        self._word = word

    def hints(self, at_ns: MonoNs) -> list[Hint]:
        """What speaks against the radio signals now, each a share of one group."""
        return [*self._flat(at_ns), *self._jumped(at_ns), *self._left_out(at_ns), *self._jammed(at_ns), *self._front_end(at_ns)]

    def receiver(self, at_ns: MonoNs) -> Hint | None:
        """What the receiver says of spoofing."""
        word = self._word
        if word is None or at_ns - word.at_ns > _FRESH or word.spoofing not in ("indicated", "affirmed"):
            return None
        strength = 1.0 if word.spoofing == "affirmed" else 0.6
        return Hint("spoofing", strength, strength, f"the receiver says that spoofing is {word.spoofing}")

    def _flat(self, at_ns: MonoNs) -> list[Hint]:
        sky = self._sky
        if sky is None or at_ns - sky.at_ns > _FRESH or not self._spread.known:
            return []
        strengths = [each.cn0 for each in sky.satellites if each.cn0]
        if len(strengths) < _ENOUGH or mean(strengths) < _STRONG:
            return []
        spread = _deviation(strengths)
        if spread > min(_FLAT, _FLATTER * self._spread.value):
            return []
        text = f"all {len(strengths)} satellites are about equally strong ({spread:.1f} dB apart; usual are {self._spread.value:.1f} dB)"
        return [Hint("flat strengths", 0.6, spread, text)]

    def _note_jump(self, at_ns: MonoNs, known: dict[tuple[str, int], int]) -> None:
        self._strengths = [each for each in self._strengths[-20:] if at_ns - each[0] <= _JUMP_TIME]
        for _, before in self._strengths:
            changes = [strength - before[key] for key, strength in known.items() if key in before]
            if len(changes) < _ENOUGH:
                continue
            size = median(changes)
            together = sum(change * size > 0 and abs(change) >= _JUMP / 2 for change in changes)
            if abs(size) >= _JUMP and together >= _JUMP_SHARE * len(changes):
                self._jump = (at_ns, size)
        self._strengths.append((at_ns, known))

    def _jumped(self, at_ns: MonoNs) -> list[Hint]:
        if self._jump is None or at_ns - self._jump[0] > _JUMP_SHOWN:
            return []
        size = self._jump[1]
        word = "rose" if size > 0 else "fell"
        return [Hint("common jump", 0.4, size, f"the strengths of nearly all satellites {word} together by {abs(size):.0f} dB")]

    def _note_constellations(self, sky: Sky, learn: bool) -> None:
        if not any(each.used for each in sky.satellites):
            return  # no fix: nothing is left out on purpose
        for letter in {each.constellation for each in sky.satellites} | set(self._shares):
            if letter == "S" or (letter not in self._shares and len(self._shares) >= 8):
                continue
            used = sum(each.used for each in sky.satellites if each.constellation == letter)
            share = self._shares.setdefault(letter, _Usual())
            usual = share.known and share.value >= 0.9
            if usual and used == 0 and len(_strong(sky.satellites, letter)) >= _LEFT_OUT:
                self._left.setdefault(letter, sky.at_ns)
            else:
                self._left.pop(letter, None)
            if learn:
                share.add(float(used >= _LEFT_OUT))

    def _left_out(self, at_ns: MonoNs) -> list[Hint]:
        sky = self._sky
        if sky is None or at_ns - sky.at_ns > _FRESH:
            return []
        names = sorted(letter for letter, since in self._left.items() if at_ns - since >= _MISSING)
        if not names:
            return []
        text = f"constellations that were always used are left out though strong: {', '.join(names)} (RINEX letters)"
        return [Hint("constellations", 0.5, float(len(names)), text)]

    def _jammed(self, at_ns: MonoNs) -> list[Hint]:
        words = [each.jamming for each in self._blocks.values() if at_ns - each.at_ns <= _FRESH]
        if self._word is not None and at_ns - self._word.at_ns <= _FRESH:
            words.append(self._word.jamming)
        for word, strength in (("critical", 0.6), ("warning", 0.3)):
            if word in words:
                return [Hint("jamming", strength, strength, f"the receiver says that jamming is {word}")]
        return []

    def _front_end(self, at_ns: MonoNs) -> list[Hint]:
        found = []
        for block, path in self._blocks.items():
            gain, indicator = self._gain.get(block), self._indicator.get(block)
            if at_ns - path.at_ns > _FRESH or gain is None or indicator is None or not gain.known:
                continue
            if abs(change := path.agc - gain.value) >= _AGC:
                found.append(
                    Hint(f"gain {block}", 0.3, change, f"the gain of RF block {block} is {change * 100:+.0f} % from its usual value")
                )
            if (rise := path.jamming_indicator - indicator.value) >= _INDICATOR:
                found.append(
                    Hint(f"interference {block}", 0.3, rise, f"the interference indicator of RF block {block} is {rise:.0f} above usual")
                )
        return found


def _strong(satellites: tuple[Satellite, ...], letter: str) -> list[Satellite]:
    return [each for each in satellites if each.constellation == letter and (each.cn0 or 0) >= _LEFT_STRONG]


def _deviation(values: list[int]) -> float:
    middle = mean(values)
    return sqrt(sum((each - middle) ** 2 for each in values) / len(values))
