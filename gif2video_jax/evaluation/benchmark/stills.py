"""Stills: one GIF frame of each picture, and what filters and our model make of it."""

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.evaluation.benchmark import filters
from gif2video_jax.evaluation.benchmark.gif_kinds import GifKind, make_gif
from gif2video_jax.evaluation.benchmark.inputs import Still
from gif2video_jax.evaluation.benchmark.ours import Restorer
from gif2video_jax.evaluation.benchmark.perceptual import Distance
from gif2video_jax.evaluation.benchmark.scores import Scores, score_pictures

Picture = UInt8[np.ndarray, "h w 3"]

GIF, OURS = "GIF", "ours"


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """One method on one kind of GIF.

    Attributes:
      setting: that was best, as ffmpeg takes it; empty for the GIF and our model.
      scores: one value a picture.
      milliseconds: a picture, the mean.
      pictures: what it made.
    """

    setting: str
    scores: Scores
    milliseconds: float
    pictures: list[Picture]


@dataclasses.dataclass(frozen=True, eq=False)
class StillsRow:
    """All methods on one kind of GIF.

    Attributes:
      kind: of GIF.
      names: of the pictures.
      truths: the pictures.
      gif_bytes: size of each GIF.
      columns: by method; `GIF` first, `OURS` last.
      left_alone: names of pictures that the decision did not restore, and why.
    """

    kind: GifKind
    names: list[str]
    truths: list[Picture]
    gif_bytes: list[int]
    columns: dict[str, Column]
    left_alone: dict[str, str]

    @property
    def best_filter(self) -> str | None:
        """The filter with the highest mean PSNR; None if none could be measured."""
        names = [name for name in self.columns if name not in (GIF, OURS)]
        return max(names, key=lambda name: self.columns[name].scores.mean_psnr, default=None)

    def as_dict(self) -> dict:
        """Plain values for JSON."""
        gains = {
            name: dict(zip(("mean", "std"), column.scores.gain_over(self.gif.scores), strict=True))
            for name, column in self.columns.items()
            if name != GIF
        }
        return {
            "kind": self.kind.name,
            "gif_bytes": self.gif_bytes,
            "best_filter": self.best_filter,
            "left_alone": self.left_alone,
            "psnr_gain_over_gif": gains,
            "methods": {
                name: {
                    "setting": column.setting,
                    "milliseconds": column.milliseconds,
                    **column.scores.as_dict(),
                }
                for name, column in self.columns.items()
            },
        }

    @property
    def gif(self) -> Column:
        """The GIF itself."""
        return self.columns[GIF]

    @property
    def ours(self) -> Column:
        """Our model."""
        return self.columns[OURS]


def measure_stills(
    kind: GifKind,
    stills: Sequence[Still],
    restorer: Restorer,
    *,
    lpips: Distance | None = None,
    quick: bool = False,
) -> StillsRow:
    """Measures all methods on one kind of GIF.

    Args:
      kind: of GIF.
      stills: the pictures.
      restorer: our model.
      lpips: the perceptual distance, if it can be measured.
      quick: tries fewer settings of the filters.
    """
    truths = [still.truth for still in stills]
    made = [make_gif([truth], kind) for truth in truths]
    frames = [found for (found,), _ in made]
    gifs = [frame.rgb for frame in frames]

    def column(setting: str, run: Callable[[int], Picture]) -> Column:
        begin = time.perf_counter()
        pictures = [run(index) for index in range(len(stills))]
        milliseconds = 1000 * (time.perf_counter() - begin) / len(stills)
        return Column(setting, score_pictures(pictures, truths, lpips), milliseconds, pictures)

    columns = {GIF: dataclasses.replace(column("", lambda index: gifs[index]), milliseconds=0.0)}
    for name in filters.available():
        best = filters.best_setting(name, gifs, truths, quick)
        columns[name] = column(str(best), _filtering(best, gifs))
    results = [restorer([frame]) for frame in frames]
    ours = column("", lambda index: results[index].frames[0])
    milliseconds = 1000 * float(np.mean([result.seconds for result in results]))
    columns[OURS] = dataclasses.replace(ours, milliseconds=milliseconds)
    left_alone = {
        still.name: result.reason
        for still, result in zip(stills, results, strict=True)
        if not result.dequantized
    }
    names = [still.name for still in stills]
    return StillsRow(kind, names, truths, [size for _, size in made], columns, left_alone)


def _filtering(setting: filters.Setting, gifs: Sequence[Picture]) -> Callable[[int], Picture]:
    run = filters.Filter(setting)
    return lambda index: run(gifs[index])
