"""The whole file, and what its tables demand of each other."""

from pydantic import model_validator

from ._nts_ke import NtsKeConfig
from ._outputs import OutputConfig, check_outputs
from ._service import RateLimitConfig, ServerConfig, ServiceConfig
from ._tables import (
    AnotherReceiverConfig,
    ClockConfig,
    ControlConfig,
    IntegrityConfig,
    LogConfig,
    ReceiverConfig,
    SourceConfig,
    WebConfig,
)
from ._values import Model

__all__ = ["Config"]


class Config(Model):
    """The whole file."""

    receiver: ReceiverConfig | None = None
    another_receiver: tuple[AnotherReceiverConfig, ...] = ()
    clock: ClockConfig = ClockConfig()
    source: tuple[SourceConfig, ...] = ()
    server: tuple[ServerConfig, ...] = (ServerConfig(),)
    service: ServiceConfig = ServiceConfig()
    rate_limit: RateLimitConfig = RateLimitConfig()
    nts_ke: NtsKeConfig | None = None
    output: tuple[OutputConfig, ...] = ()
    integrity: IntegrityConfig = IntegrityConfig()
    web: WebConfig = WebConfig()
    control: ControlConfig = ControlConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _apart(self) -> "Config":
        listens = [each.listen for each in self.server]
        twice = next((each for each in listens if listens.count(each) > 1), None)
        if twice is not None:
            raise ValueError(f'[[server]] listen = "{twice}" stands twice: each listener needs an address or a port of its own')
        if self.clock.step_threshold > self.clock.panic_limit:
            raise ValueError("[clock] step-threshold is above panic-limit: no step would ever be allowed")
        check_outputs(self.output)
        return self

    @property
    def receivers(self) -> tuple[ReceiverConfig, ...]:
        """All receivers, [receiver] first."""
        return () if self.receiver is None else (self.receiver, *self.another_receiver)

    @property
    def receiver_names(self) -> tuple[str, ...]:
        """What the receivers are called, by the owner or else by their order."""
        return tuple(each.name or ("refclock" if not number else f"refclock-{number + 1}") for number, each in enumerate(self.receivers))

    @property
    def source_names(self) -> tuple[str, ...]:
        """What the sources are called: by the owner or else by their address."""
        return tuple(each.name or each.address for each in self.source)

    @model_validator(mode="after")
    def _receivers_apart(self) -> "Config":
        if self.receiver is None and self.another_receiver:
            raise ValueError("[[another-receiver]] needs a [receiver]: the first one is described there")
        for key in ("device", "pps"):
            values = [getattr(each, key) for each in self.receivers if getattr(each, key) not in ("none", "simulated")]
            twice = next((each for each in values if values.count(each) > 1), None)
            if twice is not None:
                raise ValueError(f'[[another-receiver]] {key} = "{twice}" stands twice: each receiver needs one of its own')
        if any(each.device == "simulated" for each in self.another_receiver):
            raise ValueError('[[another-receiver]] device = "simulated": only [receiver] can be simulated')
        return self

    @model_validator(mode="after")
    def _named_apart(self) -> "Config":
        names = (*(self.receiver_names or ("refclock",)), *(each.name for each in self.source if each.name))
        twice = next((each for each in names if names.count(each) > 1), None)
        if twice is not None:
            raise ValueError(f'name = "{twice}" stands twice: each receiver and each [[source]] needs a name of its own')
        usable = [each for each in (*self.receivers, *self.source) if not each.noselect]
        if self.clock.minimum_agreeing_sources > 1 and not self._may_grow and len(usable) < self.clock.minimum_agreeing_sources:
            raise ValueError(
                f"[clock] minimum-agreeing-sources = {self.clock.minimum_agreeing_sources}: "
                f"only {len(usable)} receivers and sources may be selected, so nothing would ever steer"
            )
        return self

    @property
    def _may_grow(self) -> bool:
        """Whether one [[source]] may stand for several servers."""
        return any("pool" in each.mode or each.mode == "manycast" for each in self.source)

    @model_validator(mode="after")
    def _simulated_both(self) -> "Config":
        for number, receiver in enumerate(self.receivers):
            table = "[[another-receiver]]" if number else "[receiver]"
            simulated = receiver.device == "simulated"
            if simulated != (receiver.pps == "simulated") and not (simulated and receiver.pps == "none"):
                raise ValueError(f'{table} device and pps must both be "simulated" or neither: their times would not belong together')
            if simulated and self.clock.control == "kernel":
                raise ValueError(
                    '[clock] control must be "virtual" with a simulated receiver: the host\'s clock would be set to invented time'
                )
        return self
