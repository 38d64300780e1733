"""The model under test, as `gif2video restore` uses it, the decision whether to use it included."""

import dataclasses
import os
import time
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.evaluation.benchmark.gif_kinds import DELAY_MS
from gif2video_jax.gifs.lossy import looks_lossy
from gif2video_jax.gifs.reader import Frame
from gif2video_jax.gifs.scenes import CutDetector
from gif2video_jax.gifs.timeline import Timeline
from gif2video_jax.pretrained import Model, load_model
from gif2video_jax.restoring.averaging import Averager
from gif2video_jax.restoring.compilation import use_persistent_cache
from gif2video_jax.restoring.decide import should_dequantize
from gif2video_jax.restoring.dequantize import Dequantizer
from gif2video_jax.restoring.interpolate import Interpolator
from gif2video_jax.restoring.stream import FrameStream

Picture = UInt8[np.ndarray, "h w 3"]

_FRAMES_TO_JUDGE = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Restored:
    """What a GIF became.

    Attributes:
      frames: from its first frame to its last, those made in between included.
      seconds: that it took, once everything was compiled.
      dequantized: whether the colours went through the network.
      reason: why not, if not.
      cuts: intervals that were taken for a change of scene, and held.
    """

    frames: list[Picture]
    seconds: float
    dequantized: bool
    reason: str
    cuts: int


class Restorer:
    """A model with everything that it compiled, for GIF after GIF."""

    def __init__(self, name_or_folder: str | os.PathLike, *, average: bool = True):
        """Loads a bundled model by name, or one from a folder.

        Args:
          name_or_folder: of the model.
          average: whether frames are averaged with their neighbours, as `restore` does.

        Raises:
          InputError: there is no such model, or it has no dequantiser.
        """
        use_persistent_cache()
        self.model: Model = load_model(name_or_folder)
        if self.model.dequantizer is None:
            raise InputError(f"{self.model.name}: has no dequantizer, so nothing to measure")
        self.dequantizer = Dequantizer(self.model.dequantizer)
        for_lossy = self.model.dequantizer_lossy or self.model.dequantizer
        self._for_lossy = Dequantizer(for_lossy, cells=False)
        interpolator = self.model.interpolator
        self.interpolator = None if interpolator is None else Interpolator(interpolator)
        self._joint = interpolator is not None and interpolator.about.get("mode") == "joint"
        self._averager = (
            None
            if self.interpolator is None or not average
            else Averager(self.interpolator, joint=self._joint)
        )
        self._compiled: set[tuple[int, ...]] = set()

    def __call__(
        self, frames: Sequence[Frame], multiplier: int = 1, *, average: bool = True
    ) -> Restored:
        """Restores a GIF's frames.

        Args:
          frames: of the GIF; all shown equally long.
          multiplier: steps from one to the next; 1 makes no frames in between.
          average: False restores each frame by itself.

        Raises:
          InputError: frames in between are wanted and the model has no interpolator.
        """
        if multiplier > 1 and self.interpolator is None:
            raise InputError(f"{self.model.name}: has no interpolator, so no clips to measure")
        stride = max(1, len(frames) // _FRAMES_TO_JUDGE)
        judged = frames[::stride][:_FRAMES_TO_JUDGE]
        wanted, reason = should_dequantize(judged)
        lossy = looks_lossy(judged)
        timeline = Timeline([DELAY_MS] * len(frames), multiplier=multiplier)
        dequantizer = (self._for_lossy if lossy else self.dequantizer) if wanted else None
        key = (*frames[0].rgb.shape, multiplier, wanted, lossy, average)
        if key not in self._compiled:
            list(self._stream(frames[:2], timeline, dequantizer, multiplier, average))
            self._compiled.add(key)
        stream = self._stream(frames, timeline, dequantizer, multiplier, average)
        begin = time.perf_counter()
        made = list(stream)
        seconds = time.perf_counter() - begin
        made = made[: (len(frames) - 1) * multiplier + 1]
        return Restored(made, seconds, wanted, "" if wanted else reason, stream.num_cuts)

    def _stream(
        self,
        frames,
        timeline: Timeline,
        dequantizer: Dequantizer | None,
        multiplier: int,
        average: bool,
    ) -> FrameStream:
        if dequantizer is not None:
            dequantizer.restart()
        return FrameStream(
            frames,
            timeline,
            dequantizer=dequantizer,
            interpolator=self.interpolator if multiplier > 1 else None,
            cut_detector=CutDetector(),
            background=(255, 255, 255),
            alpha=False,
            joint=self._joint,
            averager=self._averager if dequantizer is not None and average else None,
        )
