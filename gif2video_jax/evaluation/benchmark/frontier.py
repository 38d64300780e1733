"""How much a model gains and what it costs: time for a frame of 320x240, and one step more."""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.evaluation.benchmark.gif_kinds import GifKind, make_gif
from gif2video_jax.evaluation.benchmark.inputs import Still
from gif2video_jax.evaluation.benchmark.ours import Restorer
from gif2video_jax.evaluation.benchmark.scores import finite_psnr
from gif2video_jax.gifs.reader import Frame

Picture = UInt8[np.ndarray, "h w 3"]

SIZE = (320, 240)
_REPETITIONS = 5


@dataclasses.dataclass(frozen=True)
class FrontierRow:
    """One model.

    Attributes:
      name: of the model.
      megabytes: of its weights.
      dequantize_milliseconds: for a frame of 320x240, the median.
      interpolate_milliseconds: for the one frame half way between two, flows included; None
        without an interpolator.
      gains: PSNR gain over the GIF by kind, dB, the mean over pictures.
      second_pass_gains: the same after the network has seen its own result as well.
    """

    name: str
    megabytes: float
    dequantize_milliseconds: float
    interpolate_milliseconds: float | None
    gains: dict[str, float]
    second_pass_gains: dict[str, float]

    @property
    def output_rate(self) -> float | None:
        """Output frames a second at twice the GIF's rate, the encoder left out."""
        if self.interpolate_milliseconds is None:
            return None
        return 2000 / (self.dequantize_milliseconds + self.interpolate_milliseconds)

    def as_dict(self) -> dict:
        """Plain values for JSON."""
        return {**dataclasses.asdict(self), "output_frames_per_second": self.output_rate}


def measure_model(
    name: str | os.PathLike, stills: Sequence[Still], kinds: Sequence[GifKind]
) -> FrontierRow:
    """Measures a bundled model, or one in a folder, on some pictures.

    A second pass shows what one more step of the network costs; the weights are not trained for
    it, so that it need not gain anything.
    """
    restorer = Restorer(name)
    gains: dict[str, float] = {}
    second: dict[str, float] = {}
    for kind in kinds:
        found = [_gains(restorer, make_gif([still.truth], kind)[0][0], still) for still in stills]
        gains[kind.name], second[kind.name] = (float(value) for value in np.mean(found, axis=0))
    frames = _speed_frames(stills, kinds[0])
    return FrontierRow(
        os.fspath(name),
        restorer.model.card.size / 1e6,
        _dequantize_time(restorer, frames),
        _interpolate_time(restorer, frames),
        gains,
        second,
    )


def _gains(restorer: Restorer, frame: Frame, still: Still) -> tuple[float, float]:
    restorer.dequantizer.restart()
    once = restorer.dequantizer(frame)
    twice = restorer.dequantizer(frame, once)
    before = finite_psnr(frame.rgb, still.truth)
    return (
        finite_psnr(once, still.truth) - before,
        finite_psnr(twice, still.truth) - before,
    )


def _speed_frames(stills: Sequence[Still], kind: GifKind) -> tuple[Frame, Frame]:
    """Two frames that differ everywhere, so that no work is saved."""
    picture = Image.fromarray(stills[0].truth).resize(SIZE, Image.Resampling.BILINEAR)
    first = np.asarray(picture)
    (one, two), _ = make_gif([first, np.roll(first, 3, axis=1)], kind)
    return one, two


def _dequantize_time(restorer: Restorer, frames: tuple[Frame, Frame]) -> float:
    return _median_milliseconds(lambda index: restorer.dequantizer(frames[index % 2]))


def _interpolate_time(restorer: Restorer, frames: tuple[Frame, Frame]) -> float | None:
    interpolator = restorer.interpolator
    if interpolator is None:
        return None
    pair = [frame.rgb for frame in frames]
    return _median_milliseconds(lambda index: interpolator.between(pair[0], pair[1], [0.5]))


def _median_milliseconds(run: Callable[[int], object]) -> float:
    run(0), run(1)  # compiles
    times = []
    for index in range(_REPETITIONS):
        begin = time.perf_counter()
        run(index)
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)
