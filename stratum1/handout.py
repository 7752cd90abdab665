"""What the daemon gives its outputs: the present moment, put together so that their threads may ask for it at any time."""

from collections.abc import Callable
from pathlib import Path

from .config import Config
from .interchange import LeapPlan, TimeState
from .outputs import Moment, OutputReport, Outputs
from .timekeeper import Timekeeper
from .timescale import NS

__all__ = ["Handout"]

_AROUND_LEAP = 3 * NS


class Handout:
    """The outputs of a daemon. `tick` belongs to the loop's thread, which alone may ask the pipeline."""

    def __init__(self, config: Config, keeper: Timekeeper, tell: Callable[[bool, str], None]) -> None:
        """tell: takes whether it needs a person, and the sentence; called from the outputs' threads."""
        self._keeper = keeper
        self._limit = config.clock.holdover_limit
        self._jitter: float | None = None
        self._tai: int | None = None
        self._leap: LeapPlan | None = None
        self._outputs = Outputs(config.output, Path(config.control.socket).parent, self.moment, tell)
        self.start, self.stop = self._outputs.start, self._outputs.stop

    def tick(self) -> None:
        """Once a second: what only the pipeline knows."""
        pipeline, state = self._keeper.pipeline, self._keeper.cell.current
        engine = pipeline.engine
        self._jitter = engine.jitter if engine.samples else None
        self._leap = self._near(state)
        if self._leap is None:
            self._tai = pipeline.clock_status(state).tai_offset
        elif state.bound_at >= self._leap.at and self._leap.tai_offset:
            self._tai = self._leap.tai_offset

    def moment(self) -> Moment:
        """Now, from any thread."""
        now = self._keeper.clock.reading().clock_ns
        return Moment(
            now=now,
            state=self._keeper.cell.current,
            tai_offset=self._tai,
            jitter=self._jitter,
            near_leap=self._leap is not None,
            limit=self._limit,
        )

    def reports(self) -> tuple[OutputReport, ...]:
        """How the outputs stand."""
        return self._outputs.reports()

    def _near(self, state: TimeState) -> LeapPlan | None:
        """The leap second that ends, or has just ended: its plan may be gone from the state by then."""
        plan = state.leap_plan or self._leap
        return plan if plan is not None and abs(plan.at - state.bound_at) < _AROUND_LEAP else self._lately(state)

    def _lately(self, state: TimeState) -> LeapPlan | None:
        leap = self._leap
        return leap if leap is not None and abs(leap.at - state.bound_at) < _AROUND_LEAP else None
