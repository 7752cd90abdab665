"""Pictures of a status for the terminal: made from the API's JSON, in the same words as the page."""

from typing import Any

from stratum1.control.foresight import HoldoverStatus, LearnedLaw
from stratum1.control.foresight_words import holdover_text, law_text
from stratum1.control.receiver_words import RECEIVER_TITLES, receiver_words, sawtooth_words, setup_words
from stratum1.control.words import FIX_WORDS, LEAP_WORDS, STATE_WORDS, count, duration, parts_per, signed_time, time_span
from stratum1.timescale import NS, from_rfc3339

from .show_nts import nts_line

__all__ = ["gnss_text", "leap_text", "status_text"]

_NONE = "–"


def status_text(status: dict[str, Any]) -> str:
    """The whole picture in some twenty lines."""
    lines = [*_head(status), "", *_columns(_time_lines(status)), *_columns(_reference_lines(status)), *_columns(_server_lines(status))]
    return "\n".join(lines)


def gnss_text(status: dict[str, Any]) -> str:
    """Fix, satellites, sentences and delays."""
    gnss = status["gnss"]
    if gnss is None:
        return "No receiver is configured: there is no [receiver] table."
    lines = [*_banner(status), *(f"! {alarm}" for alarm in status["alarms"]), *_columns(_gnss_lines(gnss))]
    if status["refclock"] and status["refclock"]["delays"]:
        lines += ["", "Learned serial delays (pulse to the sentence's first byte)", *_delay_lines(status["refclock"]["delays"])]
    if gnss["satellites"]:
        lines += ["", "Satellite  used  elevation  azimuth  C/N0 (dB-Hz)", *map(_satellite_line, gnss["satellites"])]
    return "\n".join(lines)


def leap_text(status: dict[str, Any]) -> str:
    """The three witnesses of leap seconds and what they lead to."""
    time, leaps = status["time"], status["leaps"]
    plan = time["next_leap"]
    what = "none" if plan is None else f"a second {'inserted' if plan['sign'] > 0 else 'deleted'} right before {_moment(plan['at'])}"
    by = f" (by {', '.join(leaps['decided_by'])})" if leaps["decided_by"] else ""
    rows = [
        ("To come", what + by),
        ("Served now", LEAP_WORDS[time["leap"]]),
        ("TAI - UTC", _NONE if time["tai_offset"] is None else f"{time['tai_offset']} s"),
        ("List", leaps["list_origin"] or _NONE),
        ("List expires", _moment(time["leap_file_expires"])),
    ]
    said = [
        (each["witness"].capitalize(), each["text"] + (f", since {_moment(each['since'])}" if each["since"] else ""))
        for each in leaps["witnesses"]
    ]
    return "\n".join([*_banner(status), *(f"! {alarm}" for alarm in leaps["alarms"]), *_columns([*rows, *said])])


def _said(witness: dict[str, Any]) -> str:
    since = f", since {_moment(witness['since'])}" if witness["since"] else ""
    return f"{witness['text']}{since}"


def _moment(instant: str | None) -> str:
    return _NONE if instant is None else f"{instant[:19].replace('T', ' ')} UTC"


def _banner(status: dict[str, Any]) -> list[str]:
    return ["SIMULATED: receiver and time are invented"] if status["simulated"] else []


def _head(status: dict[str, Any]) -> list[str]:
    lock = status["lock"]
    age = (from_rfc3339(status["time"]["utc"]) - from_rfc3339(lock["since"])) / NS
    specification = "in specification" if lock["in_specification"] else "out of specification"
    lines = [
        *_banner(status),
        f"{STATE_WORDS[lock['state']]}, {specification}, for {duration(age)}: {lock['reason']}",
        f"{status['time']['utc'][:19].replace('T', ' ')} UTC on {status['hostname']}",
    ]
    return lines + [f"! {alarm}" for alarm in status["alarms"]]


def _time_lines(status: dict[str, Any]) -> list[tuple[str, str]]:
    time, discipline = status["time"], status["discipline"]
    sigma = "" if time["sigma"] is None else f" ± {time_span(time['sigma'], 2)}"
    lines = [
        ("Stratum", f"{time['stratum']}, reference {time['refid'] or _NONE}"),
        ("Leap", LEAP_WORDS[time["leap"]]),
        ("Offset", f"{signed_time(time['offset'])}{sigma} (reference minus our clock; + is behind)"),
        ("Error bound", f"{time_span(time['error_bound'])}, growing {time_span(time['bound_rate'], 2)} a second unmeasured"),
        ("Frequency", f"{parts_per(time['frequency_ppm'])} (correction; + speeds our clock up)"),
        ("Root delay, dispersion", f"{time_span(time['root_delay'])}, {time_span(time['root_dispersion'])}"),
        ("Clock", f"{time['clock']}, {time['steps']} steps"),
    ]
    if discipline:
        lines.append(("Discipline", f"{discipline['engine']}, jitter {time_span(discipline['jitter'])}"))
    if holdover := status["holdover"]:
        lines.append(("Without reference", holdover_text(HoldoverStatus(**holdover))))
    if crystal := status["crystal"]:
        lines.append(
            (
                "Crystal",
                f"{law_text(LearnedLaw(**crystal['warmth']), 'a degree')}; ageing {law_text(LearnedLaw(**crystal['ageing']), 'a day')}",
            )
        )
    if (temperature := status["temperature"]) and temperature["celsius"] is not None:
        lines.append(("Temperature", f"{temperature['celsius']:.1f} °C ({temperature['sensor']})"))
    return lines


def _reference_lines(status: dict[str, Any]) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    if gnss := status["gnss"]:
        lines.append(
            ("Receiver", f"{_fix(gnss)}, {gnss['satellites_used']} of {gnss['satellites_seen']} satellites, {_line(gnss['line'])}")
        )
    if pps := status["pps"]:
        state = pps["error"] or pps["state"]
        lines.append(
            ("Pulse", f"{pps['device']} {state}: {count(pps['pulses'])}, {count(pps['missed'])} missed, jitter {time_span(pps['jitter'])}")
        )
    if refclock := status["refclock"]:
        lines.append(("Reference clock", "usable" if refclock["usable"] else refclock["reason"]))
        if refclock["sawtooth"]["last"] is not None:
            lines.append(("Sawtooth", sawtooth_words(refclock["sawtooth"])))
        for each in status["integrity"]:
            verdict = (
                f"refused: {each['reason']}" if each["refused_since"] else "believed" if each["learned"] else "believed, being learned"
            )
            lines.append((f"Integrity of {each['source']}", f"{verdict} (score {each['score']:.2f} of {each['limit']:g})"))
        lines += [("Serial delay", f"{each['sentence']} {time_span(each['delay'])}") for each in refclock["delays"]]
    lines += _source_lines(status["selection"])
    return lines + [("Source", f"{each['mode']} {each['address']}: {each['state']}") for each in status["sources"]]


def _source_lines(selection: dict[str, Any] | None) -> list[tuple[str, str]]:
    """With one source there is nothing to choose, and the lock says all there is."""
    sources = selection["sources"] if selection else []
    return [(f"{each['state']} {each['name']}", each["text"]) for each in sources] if len(sources) > 1 else []


def _server_lines(status: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [(f"Listener {each['listen_address']}", _packets(each)) for each in status["server"]["listeners"]]
    if status["nts_ke"]:
        lines.append(nts_line(status["nts_ke"]))
    lines += [(f"Output {each['mode']}", _output(each)) for each in status["outputs"]]
    return [*lines, ("Running", f"stratum1 {status['version']}, {duration(status['uptime'])}")]


def _packets(listener: dict[str, Any]) -> str:
    names = ("received", "answered", "denied", "ignored", "rate_limited")
    counts = ", ".join(f"{count(listener[name])} {name.replace('_', ' ')}" for name in names)
    plane = listener["plane"]
    counts += f"; {listener['data_plane']} data plane" + (f" ({plane['reason']})" if plane["reason"] else "")
    if listener["smear"] == "none":
        return counts
    return f"{counts}; smears leap seconds ({listener['smear']}): shows UTC {signed_time(listener['smear_offset'])}"


def _output(each: dict[str, Any]) -> str:
    offset = "" if each["offset"] is None else f", offset {signed_time(each['offset'])}"
    return f"{each['target']} {each['state']}: {each['text']}; {count(each['sent'])} sent{offset}"


def _fix(gnss: dict[str, Any]) -> str:
    return FIX_WORDS[gnss["mode"]]


def _line(line: dict[str, Any]) -> str:
    return f"{line['device']} at {line['baud'] or 'unknown'} baud" if line["open"] else f"{line['device']}: {line['error'] or 'closed'}"


def _gnss_lines(gnss: dict[str, Any]) -> list[tuple[str, str]]:
    trust = "" if gnss["trusted"] else " (not yet trusted)"
    return [
        ("Set-up", setup_words(gnss["setup"])),
        ("Fix", f"{_fix(gnss)}, {gnss['satellites_used']} of {gnss['satellites_seen']} satellites"),
        ("Its time", _NONE if gnss["utc"] is None else gnss["utc"][:19].replace("T", " ") + " UTC" + trust),
        ("Position", _position(gnss["position"])),
        ("Dilution", _NONE if not gnss["dop"] else " ".join(f"{name.upper()} {_number(value)}" for name, value in gnss["dop"].items())),
        ("Line", _line(gnss["line"])),
        ("Week rollovers", str(gnss["rollovers"])),
        *((RECEIVER_TITLES[name], text) for name, text in receiver_words(gnss["receiver"]).items() if text != _NONE),
        ("Sentences", _counts(gnss["sentences"])),
        ("Rejected", _counts({name: number for name, number in gnss["rejects"].items() if number})),
    ]


def _position(place: dict[str, float | None] | None) -> str:
    if place is None or place["latitude"] is None or place["longitude"] is None:
        return _NONE
    return f"{place['latitude']:+.6f}° {place['longitude']:+.6f}° (north and east positive), {_number(place['altitude'])} m"


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:g}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count(number)}" for name, number in counts.items()) or "none"


def _delay_lines(delays: list[dict[str, Any]]) -> list[str]:
    return [f"  {each['sentence']:8} {time_span(each['delay']):>9} ± {time_span(each['spread'], 2)} ({each['samples']})" for each in delays]


def _satellite_line(each: dict[str, Any]) -> str:
    def cell(value: int | None, width: int) -> str:
        return f"{_NONE if value is None else value:>{width}}"

    name = f"{each['constellation']}{each['number']:02d}"
    used = "yes" if each["used"] else "no"
    strength = "#" * ((each["cn0"] or 0) // 3)
    return f"{name:9}  {used:4}  {cell(each['elevation'], 9)}  {cell(each['azimuth'], 7)}  {cell(each['cn0'], 4)} {strength}".rstrip()


def _columns(lines: list[tuple[str, str]]) -> list[str]:
    return [f"{name + ' ':.<24} {value}" for name, value in lines]
