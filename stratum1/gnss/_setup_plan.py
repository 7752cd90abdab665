"""What a receiver of a generation is set to, in order: each thing as one item, or as several of which its firmware knows one. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ._setup_frames import Value, ids
from ._setup_items import Item, Keys, Legacy, UnsuitableError
from ._setup_model import CONSTELLATIONS, Port, SetupWish

__all__ = ["KEYED_FROM", "TIMING_MODE", "Step", "nmea_off", "plan", "port_item", "rate_item", "time_messages"]

KEYED_FROM = 9
"""The first generation whose configuration is made of keys."""
TIMING_MODE = "timing mode"

_GNSS_IDS = {"gps": 0, "sbas": 1, "galileo": 2, "beidou": 3, "qzss": 5, "glonass": 6, "navic": 7}
_GNSS_KEYS = {"gps": "GPS", "galileo": "GAL", "glonass": "GLO", "beidou": "BDS", "qzss": "QZSS", "navic": "NAVIC", "sbas": "SBAS"}
_PORTS: Mapping[Port, int] = {"uart1": 1, "uart2": 2, "usb": 3}
_RATE_FIELDS = ("rateDDC", "rateUART1", "rateUART2", "rateUSB", "rateSPI")
_SECOND = 1_000_000
_DISABLED, _SURVEY, _FIXED = 0, 1, 2
_STATIONARY = 2

_MESSAGES: Mapping[int, tuple[tuple[str, int, bool], ...]] = {
    6: (("NAV-SOL", 1, False), ("NAV-TIMEUTC", 1, False), ("NAV-STATUS", 1, False), ("NAV-SVINFO", 5, False)),
    7: (("NAV-PVT", 1, False), ("NAV-STATUS", 1, False), ("NAV-SVINFO", 5, False)),
    8: (("NAV-PVT", 1, False), ("NAV-STATUS", 1, False), ("NAV-SAT", 5, False), ("NAV-TIMELS", 10, True)),
}
"""Generation -> message, epochs between two, whether the receiver may lack it. Rates keep 9600 baud half idle."""
_EVERYBODY = (("TIM-TP", 1, False), ("TIM-SVIN", 5, True))
_OLD_RADIO, _NEW_RADIO = (("MON-HW", 5, True),), (("MON-RF", 5, True), ("SEC-SIG", 5, True))
_SURVEY_OF_8 = (("NAV-SVIN", 5, True),)
_TIME_MESSAGES = {6: ("NAV-SOL", "NAV-TIMEUTC")}


@dataclass(frozen=True, slots=True)
class Step:
    """Items of which the first that the receiver knows is taken. message: the one whose rate it is, "" for other things."""

    items: tuple[Item, ...]
    message: str = ""

    @property
    def what(self) -> str:
        """The thing, in words."""
        return self.items[0].what


def plan(generation: int, wish: SetupWish, port: int) -> Iterator[Step]:
    """All steps but the rate of the line and the end of NMEA. port: u-blox's number of the port that we are on."""
    keyed = generation >= KEYED_FROM
    yield Step((_pace(keyed),))
    yield Step(_timing_mode(generation, wish))
    if wish.stationary:
        yield Step((_model(keyed),))
    if wish.constellations is not None:
        yield Step((_constellations(generation, wish),))
    yield Step(_pulse(generation, wish))
    if wish.messages:
        yield Step((_protocol(wish.port if keyed else port, "UBX", 1),))
        for name, rate, optional in _messages(generation):
            yield Step((_message(name, wish.rates.get(name, rate), wish.port if keyed else port, optional),), name)


def nmea_off(generation: int, wish: SetupWish, port: int) -> Step:
    """Turns NMEA off."""
    return Step((_protocol(wish.port if generation >= KEYED_FROM else port, "NMEA", 0),))


def time_messages(generation: int) -> tuple[str, ...]:
    """Without these a receiver that sends no NMEA tells no time."""
    return _TIME_MESSAGES.get(generation, ("NAV-PVT",))


def port_item() -> Legacy:
    """Reads the port that we are on (generations 6 to 8: an empty poll means this one)."""
    return Legacy("port", "CFG-PRT", lambda _: {})


def rate_item(generation: int, port: int, wish: SetupWish) -> Item:
    """The rate of the line; a write changes it at once, the acknowledgement included."""
    if generation >= KEYED_FROM:
        key = f"CFG_{wish.port.upper()}_BAUDRATE"
        return Keys("baud rate", (key,), lambda _: {key: wish.baud or 0})
    return Legacy("baud rate", "CFG-PRT", lambda _: {"baudRate": wish.baud or 0}, bytes([port]), bytes([port]))


def _constant(changes: Mapping[str, Value]) -> Callable[[Mapping[str, Value]], Mapping[str, Value]]:
    return lambda _: changes


def _keys(what: str, changes: Mapping[str, Value], optional: bool = False) -> Keys:
    return Keys(what, tuple(changes), _constant(changes), optional)


def _pace(keyed: bool) -> Item:
    if keyed:
        return _keys("navigation rate", {"CFG_RATE_MEAS": 1000, "CFG_RATE_NAV": 1})
    return Legacy("navigation rate", "CFG-RATE", _constant({"measRate": 1000, "navRate": 1}))


def _model(keyed: bool) -> Item:
    if keyed:
        return _keys("stationary model", {"CFG_NAVSPG_DYNMODEL": _STATIONARY})
    others = ("minEl", "posFixMode", "drLim", "posMask", "timeMask", "staticHoldMask", "dgpsMask", "cnoThreshold", "utc")
    marks = {"dyn": 1, **dict.fromkeys(others, 0)}
    return Legacy("stationary model", "CFG-NAV5", _constant({"dynModel": _STATIONARY}), marks=marks)


def _timing_mode(generation: int, wish: SetupWish) -> tuple[Item, ...]:
    """Generation 6 knows TMODE2 from firmware 7 on and TMODE before it, 8 knows TMODE2 (TIM) or TMODE3 (HPG). Others know none."""
    optional = wish.mode in ("auto", "navigation")
    if generation >= KEYED_FROM:
        keys = ("MODE", "POS_TYPE", "SVIN_MIN_DUR", "SVIN_ACC_LIMIT", "ECEF_X", "ECEF_Y", "ECEF_Z", "FIXED_POS_ACC")
        names = tuple(f"CFG_TMODE_{key}" for key in (*keys, "ECEF_X_HP", "ECEF_Y_HP", "ECEF_Z_HP"))
        return (Keys(TIMING_MODE, names, lambda now: _tmode(wish, now["CFG_TMODE_MODE"], _tmode_keys(wish)), optional),)
    second = Legacy(TIMING_MODE, "CFG-TMODE2", lambda now: _tmode(wish, now["timeMode"], _tmode2(wish)), optional=optional)
    if generation == 6:
        return (second, Legacy(TIMING_MODE, "CFG-TMODE", lambda now: _tmode(wish, now["timeMode"], _tmode1(wish)), optional=optional))
    third = Legacy(TIMING_MODE, "CFG-TMODE3", lambda now: _tmode(wish, now["rcvrMode"], _tmode3(wish)), optional=optional)
    return (second, third) if generation == 8 else (second,)


@dataclass(frozen=True, slots=True)
class _Modes:
    """Fields for each mode."""

    navigation: Mapping[str, Value]
    survey: Mapping[str, Value]
    fixed: Mapping[str, Value]


def _tmode(wish: SetupWish, now: Value, modes: _Modes) -> Mapping[str, Value]:
    if wish.mode == "navigation":
        return modes.navigation
    if wish.position is not None and wish.mode != "survey-in":
        return modes.fixed
    if wish.mode == "auto" and now == _FIXED:  # somebody has told it where it is, and we know nothing better
        return {}
    return modes.survey


def _parts(wish: SetupWish) -> tuple[list[int], list[int]]:
    """The position in whole centimetres, and the tenths of a millimetre that are left (-50 to 50)."""
    tenths = [round(value * 1e4) for value in wish.position or (0.0, 0.0, 0.0)]
    whole = [round(value / 100) for value in tenths]
    return whole, [value - part * 100 for value, part in zip(tenths, whole, strict=True)]


def _tmode1(wish: SetupWish) -> _Modes:
    """Variances in mm^2."""
    places = dict(zip(("fixedPosX", "fixedPosY", "fixedPosZ"), _parts(wish)[0], strict=True))
    accuracy = min(round((wish.position_accuracy * 1e3) ** 2), 0xFFFFFFFF)
    limit = min(round((wish.survey_accuracy * 1e3) ** 2), 0xFFFFFFFF)
    return _Modes(
        {"timeMode": _DISABLED},
        {"timeMode": _SURVEY, "svinMinDur": wish.survey_duration, "svinVarLimit": limit},
        {"timeMode": _FIXED, **places, "fixedPosVar": accuracy},
    )


def _tmode2(wish: SetupWish) -> _Modes:
    """Accuracies in mm."""
    places = dict(zip(("ecefXOrLat", "ecefYOrLon", "ecefZOrAlt"), _parts(wish)[0], strict=True))
    return _Modes(
        {"timeMode": _DISABLED},
        {"timeMode": _SURVEY, "svinMinDur": wish.survey_duration, "svinAccLimit": round(wish.survey_accuracy * 1e3)},
        {"timeMode": _FIXED, "lla": 0, **places, "fixedPosAcc": round(wish.position_accuracy * 1e3)},
    )


def _tmode3(wish: SetupWish) -> _Modes:
    """Accuracies in 0.1 mm."""
    whole, rest = _parts(wish)
    names = ("ecefXOrLat", "ecefYOrLon", "ecefZOrAlt")
    places = {**dict(zip(names, whole, strict=True)), **dict(zip((f"{name}HP" for name in names), rest, strict=True))}
    return _Modes(
        {"rcvrMode": _DISABLED},
        {"rcvrMode": _SURVEY, "svinMinDur": wish.survey_duration, "svinAccLimit": round(wish.survey_accuracy * 1e4)},
        {"rcvrMode": _FIXED, "lla": 0, **places, "fixedPosAcc": round(wish.position_accuracy * 1e4)},
    )


def _tmode_keys(wish: SetupWish) -> _Modes:
    """Accuracies in 0.1 mm."""
    whole, rest = _parts(wish)
    places = {f"CFG_TMODE_ECEF_{axis}": value for axis, value in zip("XYZ", whole, strict=True)}
    places |= {f"CFG_TMODE_ECEF_{axis}_HP": value for axis, value in zip("XYZ", rest, strict=True)}
    limit = round(wish.survey_accuracy * 1e4)
    return _Modes(
        {"CFG_TMODE_MODE": _DISABLED},
        {"CFG_TMODE_MODE": _SURVEY, "CFG_TMODE_SVIN_MIN_DUR": wish.survey_duration, "CFG_TMODE_SVIN_ACC_LIMIT": limit},
        {"CFG_TMODE_MODE": _FIXED, "CFG_TMODE_POS_TYPE": 0, **places, "CFG_TMODE_FIXED_POS_ACC": round(wish.position_accuracy * 1e4)},
    )


def _wanted(wish: SetupWish) -> set[str]:
    """QZSS goes with GPS: they share the signal, and one without the other leads to false measurements (u-blox M8 manual, CFG-GNSS)."""
    wanted = set(wish.constellations or ())
    return wanted | ({"qzss"} if "gps" in wanted else set())


def _constellations(generation: int, wish: SetupWish) -> Item:
    if generation >= KEYED_FROM:
        keys = tuple(f"CFG_SIGNAL_{_GNSS_KEYS[name]}_ENA" for name in CONSTELLATIONS)
        return Keys("constellations", keys, lambda now: _signals(wish, now), divisible=True)
    if generation == 6:
        return Legacy("constellations", "CFG-SBAS", lambda now: _gps_alone(wish, now))
    return Legacy("constellations", "CFG-GNSS", lambda now: _blocks(wish, now))


def _lacking(wish: SetupWish, known: set[str]) -> None:
    lacking = sorted(set(wish.constellations or ()) - known)
    if lacking:
        raise UnsuitableError(f"the receiver has no {' and no '.join(lacking)}")


def _signals(wish: SetupWish, now: Mapping[str, Value]) -> Mapping[str, Value]:
    names = {f"CFG_SIGNAL_{_GNSS_KEYS[name]}_ENA": name for name in CONSTELLATIONS}
    _lacking(wish, {names[key] for key in now})
    return {key: int(names[key] in _wanted(wish)) for key in now}


def _blocks(wish: SetupWish, now: Mapping[str, Value]) -> Mapping[str, Value]:
    """CFG-GNSS: a block each; one that is turned on needs channels and a signal (bit 0 is L1 everywhere)."""
    changes: dict[str, Value] = {}
    names = {number: name for name, number in _GNSS_IDS.items()}
    found: set[str] = set()
    for index in range(1, int(now.get("numConfigBlocks", 0)) + 1):
        name = names.get(int(now[f"gnssId_{index:02d}"]))
        if name is None:
            continue
        found.add(name)
        on = name in _wanted(wish)
        changes[f"enable_{index:02d}"] = int(on)
        if on:
            changes[f"sigCfMask_{index:02d}"] = int(now[f"sigCfMask_{index:02d}"]) or 1
            changes[f"maxTrkCh_{index:02d}"] = max(int(now[f"maxTrkCh_{index:02d}"]), int(now[f"resTrkCh_{index:02d}"])) or 8
    _lacking(wish, found)
    return changes


def _gps_alone(wish: SetupWish, now: Mapping[str, Value]) -> Mapping[str, Value]:
    """Generation 6 hears GPS always and SBAS if it is told to."""
    _lacking(wish, {"gps", "sbas"})
    if "gps" not in _wanted(wish):
        raise UnsuitableError("the receiver can't do without gps")
    del now
    return {"enabled": int("sbas" in _wanted(wish))}


def _pulse(generation: int, wish: SetupWish) -> tuple[Item, ...]:
    """One a second while the receiver knows the time, none else."""
    grid = int(wish.pulse_grid == "gps")
    rising = {"rising": 1, "falling": 0}
    if generation >= KEYED_FROM:
        keys: dict[str, Value] = {
            "CFG_TP_PULSE_DEF": 0,
            "CFG_TP_PULSE_LENGTH_DEF": 1,
            "CFG_TP_PERIOD_TP1": _SECOND,
            "CFG_TP_PERIOD_LOCK_TP1": _SECOND,
            "CFG_TP_LEN_TP1": 0,
            "CFG_TP_LEN_LOCK_TP1": wish.pulse_length,
            "CFG_TP_TP1_ENA": 1,
            "CFG_TP_SYNC_GNSS_TP1": 1,
            "CFG_TP_USE_LOCKED_TP1": 1,
            "CFG_TP_ALIGN_TO_TOW_TP1": 1,
            "CFG_TP_TIMEGRID_TP1": grid,
        }
        keys |= {} if wish.pulse_polarity is None else {"CFG_TP_POL_TP1": rising[wish.pulse_polarity]}
        keys |= {} if wish.cable_delay is None else {"CFG_TP_ANT_CABLEDELAY": wish.cable_delay}
        return (_keys("time pulse", keys),)
    flags: dict[str, Value] = dict.fromkeys(("active", "lockGnssFreq", "lockedOtherSet", "isLength", "alignToTow"), 1)
    numbers: dict[str, Value] = {
        "freqPeriod": _SECOND,
        "freqPeriodLock": _SECOND,
        "pulseLenRatio": 0,
        "pulseLenRatioLock": wish.pulse_length,
    }
    changes = {**flags, **numbers, "isFreq": 0, "gridUtcGnss": grid}
    changes |= {} if wish.pulse_polarity is None else {"polarity": rising[wish.pulse_polarity]}
    changes |= {} if wish.cable_delay is None else {"antCableDelay": wish.cable_delay}
    modern = Legacy("time pulse", "CFG-TP5", _constant(changes), begins=b"\0")
    return (modern, Legacy("time pulse", "CFG-TP", lambda now: _old_pulse(wish, now))) if generation == 6 else (modern,)


def _old_pulse(wish: SetupWish, now: Mapping[str, Value]) -> Mapping[str, Value]:
    """CFG-TP (firmware before 7): status is 1 for a rising edge, -1 for a falling one, 0 for none; flag 0: also without the time."""
    kept = now["status"] or 1
    status = kept if wish.pulse_polarity is None else {"rising": 1, "falling": -1}[wish.pulse_polarity]
    changes: dict[str, Value] = {"interval": _SECOND, "length": wish.pulse_length, "status": status, "flags": int(now["flags"]) & ~1}
    changes["timeRef"] = int(wish.pulse_grid == "gps")
    return changes if wish.cable_delay is None else {**changes, "antennaCableDelay": wish.cable_delay}


def _protocol(port: int | Port, protocol: Literal["UBX", "NMEA"], on: int) -> Item:
    what = f"{protocol} output"
    if isinstance(port, str):
        return _keys(what, {f"CFG_{port.upper()}OUTPROT_{protocol}": on})
    return Legacy(what, "CFG-PRT", _constant({f"out{protocol}": on}), bytes([port]), bytes([port]))


def _messages(generation: int) -> Iterator[tuple[str, int, bool]]:
    yield from _MESSAGES[min(generation, 8)]
    yield from _EVERYBODY
    yield from _SURVEY_OF_8 if generation >= 8 else ()
    yield from _NEW_RADIO if generation >= KEYED_FROM else _OLD_RADIO


def _message(name: str, rate: int, port: int | Port, optional: bool) -> Item:
    if isinstance(port, str):
        return _keys(name, {f"CFG_MSGOUT_UBX_{name.replace('-', '_')}_{port.upper()}": rate}, optional)
    number = bytes(ids(name))
    return Legacy(name, "CFG-MSG", _constant({_RATE_FIELDS[port]: rate}), number, number, optional=optional)
