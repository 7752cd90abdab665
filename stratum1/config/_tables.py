"""The tables of the file. Every key has a default except where hardware must be named; descriptions go into the book."""

from typing import Literal

from pydantic import Field, model_validator

from ._setup_table import SetupConfig
from ._values import Baud, Count, Device, File, Flag, Host, Listen, Model, Name, Number, PpsSource, Refid, TemperatureSensor, Url

__all__ = [
    "AnotherReceiverConfig",
    "ClockConfig",
    "ControlConfig",
    "IntegrityConfig",
    "LogConfig",
    "ReceiverConfig",
    "SelectionOptions",
    "SourceConfig",
    "WebConfig",
]


class SelectionOptions(Model):
    """What a receiver or a source may be called, and how it is chosen: the options of chrony's sources."""

    name: Name | None = Field(None, description="what it is called on the page, in metrics and in the log")
    prefer: Flag = Field(False, description="while it agrees, only sources with this flag steer")
    trust: Flag = Field(False, description="where sources with this flag are there, only they decide who lies")
    require: Flag = Field(False, description="nothing steers unless a source with this flag agrees")
    noselect: Flag = Field(False, description="watched and shown, never steers")


class ReceiverConfig(SelectionOptions):
    """[receiver]: the stratum 0 reference. Without this table the server lives on its [[source]] tables."""

    hat: str | None = Field(None, description="name of a HAT in hw/hats; the keys below override its data")
    device: Device = Field("/dev/gnss0", description='serial line, any tty or pseudo-terminal; "simulated" for the built-in receiver')
    baud: Baud = Field("auto", description='bits per second, or "auto" to detect them')
    pps: PpsSource = Field(
        "/dev/pps0", description='pulse per second: device, "gpiochip0:18", "simulated", or "none" (NMEA only: a wide error bound)'
    )
    pps_edge: Literal["assert", "clear"] = Field("assert", description="the edge that marks the start of the second")
    pps_polarity_check: Literal["refuse", "warn"] = Field(
        "refuse", description='what to do when the pulse\'s width says that "pps-edge" names the wrong edge'
    )
    protocol: Literal["auto", "nmea", "ubx"] = Field(
        "auto", description="which of the receiver's messages are believed: all that are understood, or only those of one protocol"
    )
    sawtooth_correction: Flag = Field(
        True, description="take off each pulse what a timing receiver announces of its error (UBX-TIM-TP); off: watched and shown only"
    )
    refid: Refid = Field("GPS", description="reference ID served while locked")
    rollover_repair: Flag = Field(True, description="move dates before the build date forward by multiples of 1024 weeks")
    serial_delay: Number | None = Field(
        None, ge=0, le=2, description="seconds from pulse to first sentence; learned by itself, needed only where the server asks for it"
    )
    pulse_delay: Number = Field(0.0, ge=-0.1, le=0.1, description="seconds by which pulses arrive late (antenna cable: 5 ns a metre)")
    accuracy: Number = Field(1e-6, gt=0, le=0.1, description="seconds of fixed error to assume of the pulse, part of the error bound")
    setup: SetupConfig = Field(SetupConfig(), description="what a u-blox receiver is set to")

    @model_validator(mode="after")
    def _set_up_as_it_is_read(self) -> "ReceiverConfig":
        setup = self.setup
        if setup.configure and setup.baud is not None and self.baud not in ("auto", setup.baud):
            raise ValueError('setup.baud needs baud = "auto" in [receiver]: the receiver has its old rate again when its power was lost')
        if setup.configure and self.protocol == "nmea" and setup.output == "ubx":
            raise ValueError('setup.output = "ubx" turns NMEA off, and protocol = "nmea" believes nothing else: change one of them')
        return self


class AnotherReceiverConfig(ReceiverConfig):
    """[[another-receiver]]: one more receiver with its own line and pulse; the better one leads, and both are averaged if they agree."""


class ClockConfig(Model):
    """[clock]: what is disciplined, and how."""

    control: Literal["kernel", "virtual"] = Field(
        "kernel", description='"kernel" steers the host\'s clock; "virtual" keeps a clock of its own and touches nothing'
    )
    discipline: Literal["kalman", "pll-fll"] = Field(
        "kalman", description='"kalman" tunes itself to crystal and pulse; "pll-fll" is the loop of RFC 5905'
    )
    state_directory: File = Field("/var/lib/stratum1", description="drift file, learned delays, last known time")
    after_holdover: Literal["sources", "silence"] = Field(
        "sources",
        description='where no receiver can be used and our own bound is no longer the better one: "sources" follows the [[source]] servers '
        '(stratum n + 1), "silence" never does; without any that can be believed we say that we do not know the time (leap 3)',
    )
    holdover_limit: Number = Field(1e-3, gt=0, le=16, description="seconds of error bound at which we stop claiming to know the time")
    step_threshold: Number = Field(0.128, gt=0, le=10, description="seconds of offset above which the clock is stepped, not slewed")
    panic_limit: Number = Field(1000.0, gt=0, description="seconds of offset above which a step after the first lock is refused")
    minimum_agreeing_sources: Count = Field(1, ge=1, le=64, description="so many receivers and sources must agree before they steer")
    leap_seconds_file: File = Field(
        "/usr/share/zoneinfo/leap-seconds.list",
        description="IERS list, read again when it changes; that of the system and the copy that comes with stratum1 are looked at too, "
        "and the one that expires last is used",
    )
    leap_seconds_url: Url | None = Field(
        None, description="where to fetch a newer list before this one expires (https, at most once a day); nothing is fetched without it"
    )
    temperature_sensor: TemperatureSensor = Field(
        "auto",
        description='what tells how warm the crystal is: "auto" (the processor\'s zone, none where the receiver is simulated), "none", '
        "a path in /sys, the type of a thermal zone or the name of a hwmon chip",
    )


class SourceConfig(SelectionOptions):
    """[[source]]: another time server, named as ntpd-rs names it."""

    mode: Literal["server", "pool", "nts", "nts-pool", "peer", "nts-peer", "broadcast", "manycast"]
    address: Host = Field(description="name or address, with :port where it is not the default")


class IntegrityConfig(Model):
    """[integrity]: what it takes to refuse the receiver. Strengths of a group are added, at most 1, and counted by the group's weight."""

    enabled: Flag = Field(True, description="whether the receiver is watched at all")
    stationary: Flag = Field(True, description="whether the antenna stays where it is; false on a vehicle")
    limit: Number = Field(1.0, ge=0.1, le=10, description="score from which the receiver is refused")
    learn_time: Number = Field(900.0, ge=600, le=86400, description="seconds of pulses before what has to be learned counts")
    return_after: Number = Field(300.0, ge=60, le=86400, description="seconds without evidence before a refused receiver is believed again")
    pulse_weight: Number = Field(1.0, ge=0, le=10, description="of pulses beyond what this crystal has ever done")
    time_weight: Number = Field(1.0, ge=0, le=10, description="of a time that jumps, or lies before the last known time")
    position_weight: Number = Field(1.0, ge=0, le=10, description="of an antenna that has moved")
    receiver_weight: Number = Field(1.0, ge=0, le=10, description="of the receiver's own word on spoofing")
    radio_weight: Number = Field(0.7, ge=0, le=10, description="of signal strengths, jamming and constellations: hints, no proof")
    sources_weight: Number = Field(1.0, ge=0, le=10, description="of trusted servers that contradict")


class WebConfig(Model):
    """[web]: status page, /api/v1 and /metrics."""

    listen: Listen = Field("[::]:8080", description="address and TCP port")
    enabled: Flag = Field(True, description="whether to listen at all")
    show_position: Flag = Field(False, description="show the antenna's position exactly; else it is rounded to 0.1 degree")


class ControlConfig(Model):
    """[control]: the Unix socket of the command line."""

    socket: File = Field("/run/stratum1/control.sock", description="path of the socket")


class LogConfig(Model):
    """[log]: what goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity shown")
    format: Literal["auto", "text", "json"] = Field("auto", description='"auto": text on a terminal, JSON lines else')
