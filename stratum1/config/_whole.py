"""The whole file, and what its tables demand of each other."""

from pydantic import model_validator

from ._outputs import OutputConfig, check_outputs
from ._tables import ClockConfig, ControlConfig, LogConfig, NtsKeConfig, ReceiverConfig, ServerConfig, SourceConfig, WebConfig
from ._values import Model

__all__ = ["Config"]


class Config(Model):
    """The whole file."""

    receiver: ReceiverConfig | None = None
    clock: ClockConfig = ClockConfig()
    source: tuple[SourceConfig, ...] = ()
    server: tuple[ServerConfig, ...] = (ServerConfig(),)
    nts_ke: NtsKeConfig | None = None
    output: tuple[OutputConfig, ...] = ()
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

    @model_validator(mode="after")
    def _simulated_both(self) -> "Config":
        receiver = self.receiver
        if receiver is not None:
            simulated = receiver.device == "simulated"
            if simulated != (receiver.pps == "simulated") and not (simulated and receiver.pps == "none"):
                raise ValueError('[receiver] device and pps must both be "simulated" or neither: their times would not belong together')
            if simulated and self.clock.control == "kernel":
                raise ValueError(
                    '[clock] control must be "virtual" with a simulated receiver: the host\'s clock would be set to invented time'
                )
        return self
