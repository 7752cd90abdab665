"""A whole picture for tests, with everything in it, and a source whose picture can be changed."""

import math
from dataclasses import replace

from stratum1.control import (
    CertificateStatus,
    DisciplineStatus,
    EventRecord,
    EvidenceStatus,
    GnssStatus,
    IntegrityStatus,
    LeapStatus,
    LeapWitness,
    LineStatus,
    ListenerStatus,
    LockStatus,
    MasterKeyStatus,
    NextLeap,
    NtsKeStatus,
    OutputStatus,
    PlaneStatus,
    PpsStatus,
    RadioStatus,
    ReceiverTold,
    RefclockStatus,
    SawtoothStatus,
    SelectionStatus,
    SerialDelay,
    ServerStatus,
    SetupStatus,
    SourceChoice,
    SourceStatus,
    StabilityFigure,
    StabilityStatus,
    Status,
    SurveyStatus,
    TableStatus,
    TemperatureStatus,
    TimeStatus,
)
from stratum1.control.foresight import CrystalStatus, HoldoverStatus, LearnedLaw
from stratum1.gnss.events import Dop, FixMode, Position, Satellite
from stratum1.interchange import Leap, LockState
from stratum1.timescale import NS, UtcNs, from_rfc3339

NOW = from_rfc3339("2026-11-24T03:14:15.926535897Z")

_LISTENER = ListenerStatus(
    listen_address="[::]:11123",
    data_plane="python",
    plane=PlaneStatus(
        name="python",
        asked="auto",
        reason="native: the native module is not built",
        workers=1,
        receive="kernel",
        transmit="kernel",
        send_delay=4.2e-6,
        rate_limit=TableStatus(1234, 65_536),
        interleaved=TableStatus(17, 65_536),
    ),
    interleaved=4_321,
    responses={"time": 1_229_579, "interleaved": 4_321, "kiss-rate": 30, "crypto-nak": 70, "ignore": 467},
    protections={"none": 1_234_450, "mac": 100, "nts": 17},
    receive_stamps={"hardware": 0, "kernel": 1_234_560, "daemon": 7},
    transmit_stamps={"hardware": 0, "kernel": 4_400, "daemon": 1_229_579},
    received=1_234_567,
    answered=1_234_000,
    accepted=1_233_900,
    denied=100,
    ignored=467,
    rate_limited=90,
    response_send_errors=2,
    receive_drops=5,
    nts_received=17,
    nts_accepted=15,
    nts_denied=1,
    nts_nak=1,
    versions={"1": 0, "2": 0, "3": 1000, "4": 1_233_567},
    reasons={"ok": 1_233_900, "mode": 400, "short": 67},
)

_SKY = (
    ("G", 5, 40, 62, 44, True),
    ("G", 13, 120, 35, 38, True),
    ("G", 15, 210, 71, 47, True),
    ("G", 24, 300, 15, 29, False),
    ("R", 70, 75, 22, 31, True),
    ("R", 71, 330, 48, 40, True),
    ("E", 3, 260, 33, 41, True),
    ("E", 8, 15, 80, 45, True),
    ("C", 21, 160, 9, 18, False),
    ("S", 120, 170, 30, None, False),
    ("J", 2, None, None, None, False),
)


_CHOICES = (
    SourceChoice(
        "refclock", "receiver", "*", "*", "2 sources agree; its root distance of 1.2 µs leads", ("prefer", "trust"),
        -37.2e-9, 31e-9, 1.2e-6, 61e-9, 0.0, 0.4, 1.0, 0, "GPS", 0xFF, 0, 4990,
    ),
    SourceChoice(
        "ntp11.metas.ch", "server", "D", "-", "its root distance of 4.1 ms is more than 3 times that of refclock, 1.2 µs", (),
        2.1e-4, 3.1e-6, 4.1e-3, 7.1e-5, 8.1e-3, 17.2, 0.0, 1, "192.0.2.11", 0xFD, 6, 71,
    ),
)  # fmt: skip


_STABILITY = StabilityStatus(
    "refclock",
    pulses=tuple(
        StabilityFigure(1 << i, 1e-6 / (1 << i), 4998 - (2 << i), 6e-7 / (1 << i), 4999 - (3 << i), 2e-5 * (1 << i), 4999 - (1 << i))
        for i in range(9)
    ),
    clock=(
        *(StabilityFigure(1 << i, 9e-7 / (1 << i), 900, 5e-7 / (1 << i), 899, 3e-6, 901) for i in range(7)),
        StabilityFigure(512, None, 0, None, 0, 3.1e-6, 389),
    ),
)


def _integrity(now: UtcNs) -> IntegrityStatus:
    return IntegrityStatus(
        source="refclock",
        enabled=True,
        score=0.42,
        limit=1.0,
        refused_since=None,
        reason="",
        evidence=(EvidenceStatus("radio", "flat strengths", 0.6, 0.4, "all 9 satellites are about equally strong", UtcNs(now - 90 * NS)),),
        learned=True,
        watched=4990,
        refusals=1,
        withheld=2,
    )


def make_nts(now: UtcNs = NOW) -> NtsKeStatus:
    """Key establishment with an authority of its own, that has had clients."""
    outcomes = {"issued": 1234, "bad-request": 5, "no-tls": 17, "timeout": 0, "too-many": 2}
    names = ("clock.example", "clock.local", "192.0.2.7")
    print_of_leaf, print_of_authority = (":".join([pair] * 32) for pair in ("AB", "CD"))
    return NtsKeStatus(
        listen_address="[::]:4460",
        state="serving",
        reason="",
        tls="rustls",
        connections=3,
        accepted=1261,
        handshakes=1241,
        cookies=9872,
        accept_errors=0,
        outcomes=outcomes,
        aeads={"15": 1200, "30": 34},
        protocols={"0": 1234},
        certificate=CertificateStatus(names, "ECDSA secp256r1", from_rfc3339("2026-11-24"), UtcNs(now + 180 * 86_400 * NS), print_of_leaf),
        own_authority=True,
        authority_fingerprint=print_of_authority,
        key=MasterKeyStatus("0a1b2c", 9, fleet=False, rotated=UtcNs(now - 3600 * NS), next_rotation=UtcNs(now + 82_800 * NS)),
        clients={
            "chrony": "server clock.example iburst nts\nntstrustedcerts /etc/chrony/nts-ca.pem",
            "ntpd-rs": '[[source]]\nmode = "nts"\naddress = "clock.example:4460"\ncertificate-authority = "/etc/ntpd-rs/nts-ca.pem"',
        },
    )


def make_status(now: UtcNs = NOW, uptime: float = 5000.0) -> Status:
    """A locked server with a receiver, a pulse, two listeners and configured sources."""
    return Status(
        simulated=False,
        version="0.1.0",
        hostname="clock.example",
        started=UtcNs(now - round(uptime * NS)),
        uptime=uptime,
        lock=LockStatus(LockState.LOCKED, UtcNs(now - 4000 * NS), "steered by the pulse, within its bound", True),
        time=TimeStatus(
            utc=now,
            stratum=1,
            refid="GPS",
            leap=Leap.NONE,
            offset=-37.2e-9,
            sigma=52e-9,
            error_bound=1.26e-6,
            bound_rate=15e-6,
            root_delay=0.0,
            root_dispersion=1.5e-5,
            frequency_ppm=-19.87654,
            reference_time=UtcNs(now - NS // 2),
            precision=-24,
            tai_offset=37,
            leap_file_expires=from_rfc3339("2027-06-28"),
            next_leap=NextLeap(from_rfc3339("2027-01-01"), 1, 38),
            clock="virtual",
            steps=1,
            accumulated_steps=0.1,
            step_limit=1000.0,
        ),
        discipline=DisciplineStatus("kalman", 23.0, 61e-9, 0.0003),
        crystal=CrystalStatus(12.3, 0.002, LearnedLaw(-0.099, 0.002, used=True), LearnedLaw(0.0003, 0.002, used=False), 4096.0),
        holdover=HoldoverStatus(active=False, age=0.4, limit=1e-3, remaining=4321.0),
        gnss=GnssStatus(
            line=LineStatus(True, "/dev/ttyAMA0", 9600, ""),
            mode=FixMode.THREE_D,
            satellites_used=7,
            satellites_seen=11,
            utc=UtcNs(now // NS * NS),
            trusted=True,
            position=Position(47.23456, 8.54321, 441.7),
            dop=Dop(1.6, 0.9, math.nan),
            rollovers=0,
            sentences={"GNRMC": 5000, "GNGGA": 5000, "GPGSV": 15000},
            rejects={"checksum": 3, "too-long": 0},
            satellites=tuple(Satellite(*each) for each in _SKY),
            receiver=ReceiverTold(
                time_accuracy=14e-9,
                position_accuracy=0.87,
                fixed_position=True,
                leap_seconds=18,
                survey=SurveyStatus(False, True, 7200.0, 0.63, 7180),
                radio=(RadioStatus(0, "ok", "ok", 12, 0.62, 91), RadioStatus(1, "ok", "warning", 140, 0.35, 120)),
                spoofing="none",
                jamming="warning",
                version="u-blox: EXT CORE 4.04 (7f89f7), hardware 00190000, MOD=ZED-F9T",
            ),
            setup=SetupStatus("done", "NEO-M8T-0", "TIM 1.10", "22.00", 8, True, (), 12),
        ),
        pps=PpsStatus("/dev/pps0", "arriving", 4990, 10, 61e-9, UtcNs(now // NS * NS + 37)),
        refclock=RefclockStatus(
            usable=True,
            reason="",
            label="numbered by GNRMC, 0.137 s after the pulse",
            delays=(SerialDelay("GNRMC", 0.137, 0.0021, 900), SerialDelay("GNGGA", 0.205, 0.0034, 900)),
            pulse_width=0.1,
            rejected={"outlier": 4, "spacing": 1, "no-fix": 0},
            alarms=(),
            sawtooth=SawtoothStatus(True, -3.21e-9, 2.31e-9, 4900, 3, 1, 0.98, 0.07),
        ),
        server=ServerStatus.of(_LISTENER, replace(_LISTENER, listen_address="127.0.0.1:123", received=0, answered=0)),
        sources=(SourceStatus("server", "ntp11.metas.ch", "inert: network sources come with a later version"),),
        integrity=(_integrity(now),),
        stability=(_STABILITY,),
        leaps=LeapStatus(
            decided_by=("list",),
            list_origin="/usr/share/zoneinfo/leap-seconds.list",
            witnesses=(
                LeapWitness("list", "insert", from_rfc3339("2027-01-01"), None, "a second inserted at the end of 2026-12-31"),
                LeapWitness("receiver", "none", None, UtcNs(now - 3600 * NS), "none is to come"),
                LeapWitness("sources", "nothing", None, None, "are asked in the last day of a quarter only"),
            ),
            alarms=(),
        ),
        outputs=(
            OutputStatus("sock", "/run/chrony.stratum1.sock", "sending", "a sample a second", 3990, UtcNs(now - NS // 3), 0.25, None),
            OutputStatus("ptp4l", "/var/run/ptp4l", "sending", "class 6: locked to the primary reference", 12, UtcNs(now - NS), None, 6),
        ),
        events=(
            EventRecord(UtcNs(now - 5000 * NS), "start", "stratum1 0.1.0 started"),
            EventRecord(UtcNs(now - 4000 * NS), "lock", "acquiring to locked: steered by the pulse"),
        ),
        temperature=TemperatureStatus("cpu-thermal", 48.312),
        nts_ke=make_nts(now),
        selection=SelectionStatus("refclock", "2 of 2 usable sources agree", _CHOICES),
    )


def make_bare_status(now: UtcNs = NOW) -> Status:
    """A server that has no receiver, no pulse, and knows nothing yet."""
    full = make_status(now, uptime=1.0)
    unknown = replace(
        full.time,
        stratum=16,
        refid="INIT",
        leap=Leap.UNKNOWN,
        offset=None,
        sigma=None,
        error_bound=math.inf,
        reference_time=None,
        tai_offset=None,
        leap_file_expires=None,
        next_leap=None,
    )
    return replace(
        full,
        lock=LockStatus(LockState.COLD, full.started, "no reference clock is configured", False),
        time=unknown,
        discipline=None,
        gnss=None,
        pps=None,
        refclock=None,
        server=ServerStatus.of(),
        sources=(),
        selection=None,
        stability=(),
        integrity=(),
        outputs=(),
        events=(),
        nts_ke=None,
    )


class FakeSource:
    """A StatusSource whose picture is set by the test; counts how often it was asked."""

    def __init__(self, status: Status) -> None:
        self.status = status
        self.asked = 0

    def snapshot(self) -> Status:
        """The picture as set."""
        self.asked += 1
        return self.status
