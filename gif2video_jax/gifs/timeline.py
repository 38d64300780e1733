"""When the frames of a GIF are shown, and which two frames an output frame lies between.

All arithmetic is exact (`fractions.Fraction`, seconds), so that times never drift: the output has
`round(duration * rate)` frames, and output frame `k` shows the GIF at `start + k / rate`.
"""

import bisect
import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence
from fractions import Fraction

from gif2video_jax.errors import InputError

SHOWN_AS_ZERO_MS = 10  # browsers show delays up to this one ...
ZERO_SHOWN_MS = 100  # ... for this long
PAUSE_FACTOR = 2  # a frame shown longer than this many median delays is a pause
SMOOTH_RATE = 24  # frames a second that the default rate tries to reach
MAX_DEFAULT_MULTIPLIER = 4


@dataclasses.dataclass(frozen=True)
class Sample:
    """One output frame: `first` as it is if `t` is 0, else between `first` and `second` at `t`.

    Attributes:
      index: number of the output frame.
      first: a GIF frame.
      second: the GIF frame after it; equal to `first` where `t` is 0.
      t: in [0, 1).
    """

    index: int
    first: int
    second: int
    t: float


def normalize_delays(delays_ms: Iterable[int]) -> list[Fraction]:
    """Turns delays as the file says into seconds as browsers show them: 0 and 10 ms are 100 ms."""
    return [
        Fraction(delay if delay > SHOWN_AS_ZERO_MS else ZERO_SHOWN_MS, 1000) for delay in delays_ms
    ]


def native_rate(delays: Sequence[Fraction]) -> Fraction:
    """The GIF's own frames a second: one over its median delay.

    Args:
      delays: in seconds, from `normalize_delays`; at least one. Of an even number the lower
        median counts, so that one pause in a two-frame GIF does not set the pace.
    """
    return 1 / Fraction(statistics.median_low(delays))


def default_rate(delays: Sequence[Fraction]) -> Fraction:
    """The smallest whole multiple, at most 4, of the native rate that reaches 24 a second."""
    native = native_rate(delays)
    return native * min(max(1, math.ceil(SMOOTH_RATE / native)), MAX_DEFAULT_MULTIPLIER)


class Timeline:
    """Maps output frames to pairs of GIF frames, interval by interval.

    Interval `i` is the time during which the GIF shows frame `i`; within it the output goes from
    frame `i` to the next one. A pause (a delay above twice the median) holds its frame and moves
    only during its last median delay. The last frame is held, or in a loop goes to the first one.

    Attributes:
      durations: of each interval, in seconds.
      duration: of the output before it is rounded to whole frames, in seconds.
      rate: output frames a second.
      num_output_frames: at least 1; they last `duration` to within half an output frame.
    """

    def __init__(
        self,
        delays_ms: Sequence[int],
        *,
        rate: Fraction | int | str | None = None,
        multiplier: Fraction | int | str | None = None,
        loop: bool = False,
        start: Fraction | float | str = 0,
        end: Fraction | float | str | None = None,
    ):
        """Lays out the times.

        Args:
          delays_ms: each frame's delay as the file says; at least one.
          rate: output frames a second; by default `default_rate` of the delays.
          multiplier: the rate as a multiple of the native rate; not together with `rate`.
          loop: whether the last frame goes to the first one.
          start: where the output begins, in seconds of the GIF's time.
          end: where it ends; None or beyond the end means the end.

        Raises:
          InputError: `start` and `end` leave nothing, or the rate is not above zero.
        """
        if not delays_ms:
            raise ValueError("delays_ms: expected at least one delay, got none")
        if rate is not None and multiplier is not None:
            raise ValueError("expected rate or multiplier, got both")
        self.durations = normalize_delays(delays_ms)
        self.loop = loop
        if rate is not None:
            self.rate = Fraction(rate)
        elif multiplier is not None:
            self.rate = native_rate(self.durations) * Fraction(multiplier)
        else:
            self.rate = default_rate(self.durations)
        if self.rate <= 0:
            raise InputError(f"the output's frame rate must be above 0, got {float(self.rate):g}")
        self._median = 1 / native_rate(self.durations)
        self._starts = [Fraction(0)]
        for duration in self.durations:
            self._starts.append(self._starts[-1] + duration)
        total = self._starts[-1]
        self.start = Fraction(start)
        self.end = total if end is None else min(Fraction(end), total)
        if not 0 <= self.start < self.end:
            until = "its end" if end is None else f"{float(Fraction(end)):g} s"
            raise InputError(
                f"nothing lies between {float(self.start):g} s and {until}: "
                f"the GIF lasts {float(total):g} s"
            )
        self.duration = self.end - self.start
        self.num_output_frames = max(1, math.floor(self.duration * self.rate + Fraction(1, 2)))

    @property
    def num_intervals(self) -> int:
        """How many intervals, and GIF frames, there are."""
        return len(self.durations)

    @property
    def output_times(self) -> list[Fraction]:
        """When each output frame is shown, in seconds from the output's beginning."""
        return [Fraction(index) / self.rate for index in range(self.num_output_frames)]

    def interval_at(self, time: Fraction) -> int:
        """The interval that holds a time of the GIF, in seconds from the GIF's beginning."""
        return min(bisect.bisect_right(self._starts, time) - 1, self.num_intervals - 1)

    def output_range(self, interval: int) -> range:
        """The output frames whose time falls within an interval; maybe none."""
        first = max(0, math.ceil((self._starts[interval] - self.start) * self.rate))
        stop = math.ceil((self._starts[interval + 1] - self.start) * self.rate)
        return range(first, max(first, min(stop, self.num_output_frames)))

    def samples(self, interval: int, cut: bool = False) -> list[Sample]:
        """The output frames of one interval, in order; all intervals together give every one.

        Args:
          interval: 0 to `num_intervals` - 1.
          cut: whether the scene changes after this interval, so that its frame is held.
        """
        samples = []
        for index in self.output_range(interval):
            t = 0.0 if cut else self.position(self.start + index / self.rate, interval)
            second = (interval + 1) % self.num_intervals if t else interval
            samples.append(Sample(index, interval, second, t))
        return samples

    def position(self, time: Fraction, interval: int) -> float:
        """How far a time of `interval` is between its two GIF frames, in [0, 1)."""
        is_last = interval == self.num_intervals - 1
        if self.num_intervals == 1 or (is_last and not self.loop):
            return 0.0
        duration = self.durations[interval]
        moving = self._median if duration > PAUSE_FACTOR * self._median else duration
        t = float((time - self._starts[interval] - (duration - moving)) / moving)
        return min(max(t, 0.0), math.nextafter(1.0, 0.0))
