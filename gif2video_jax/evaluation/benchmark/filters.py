"""ffmpeg's filters against the palette's damage, each over a small grid of settings, through PyAV.

The best setting for a kind of GIF is chosen by the PSNR on the very pictures that are measured.
That favours the filters: nobody who has only the GIF can choose so well.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

import av
import av.filter
import numpy as np
from jaxtyping import UInt8

Picture = UInt8[np.ndarray, "h w 3"]


@dataclasses.dataclass(frozen=True)
class Setting:
    """A filter with its options, as ffmpeg's -vf takes it: `str(setting)`."""

    filter: str
    options: str

    def __str__(self) -> str:
        return f"{self.filter}={self.options}"


def _deband() -> Iterator[str]:
    for threshold, radius in product((0.01, 0.02, 0.04, 0.08, 0.15), (2, 4, 8, 16)):
        thresholds = ":".join(f"{plane}thr={threshold}" for plane in (1, 2, 3))
        yield f"{thresholds}:range={radius}"


def _gradfun() -> Iterator[str]:
    for strength, radius in product((1.2, 3, 6, 12, 24, 48), (4, 8, 16)):
        yield f"strength={strength}:radius={radius}"


def _bilateral() -> Iterator[str]:
    for space, color in product((0.5, 0.7, 1, 1.5, 2, 3), (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5)):
        yield f"sigmaS={space}:sigmaR={color}:planes=7"


def _gblur() -> Iterator[str]:
    # With one step the filter only roughly follows a Gaussian; with more its tails are right.
    for sigma, steps in product((0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 1.0, 1.3), (1, 3)):
        yield f"sigma={sigma}:steps={steps}"


GRIDS: dict[str, list[Setting]] = {
    name: [Setting(name, options) for options in make()]
    for name, make in (
        ("deband", _deband),
        ("gradfun", _gradfun),
        ("bilateral", _bilateral),
        ("gblur", _gblur),
    )
}


def grid(name: str, quick: bool) -> list[Setting]:
    """A filter's settings; every third one if it is to be quick."""
    return GRIDS[name][:: 3 if quick else 1]


def available() -> list[str]:
    """Those of the filters that this PyAV's ffmpeg has."""
    return [name for name in GRIDS if name in av.filter.filters_available]


class Filter:
    """A filter graph for pictures of one size after the other, in planar RGB: nothing is lost."""

    def __init__(self, setting: Setting):
        """Remembers the setting; the graph is built for the first picture of each size."""
        self._setting = setting
        self._graphs: dict[tuple[int, ...], av.filter.Graph] = {}
        self._count = 0

    def __call__(self, picture: Picture) -> Picture:
        """Filters a picture."""
        if picture.shape not in self._graphs:
            self._graphs[picture.shape] = self._build(*picture.shape[:2])
        graph = self._graphs[picture.shape]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = self._count, Fraction(1, 25)
        self._count += 1
        graph.push(frame)
        return graph.vpull().to_ndarray()

    def _build(self, height: int, width: int) -> av.filter.Graph:
        graph = av.filter.Graph()
        rgb = av.VideoFormat("rgb24")
        graph.link_nodes(
            graph.add_buffer(width=width, height=height, format=rgb, time_base=Fraction(1, 25)),
            graph.add("format", "gbrp"),
            graph.add(self._setting.filter, self._setting.options),
            graph.add("format", "rgb24"),
            graph.add("buffersink"),
        ).configure()
        return graph


def best_setting(
    name: str, gifs: Sequence[Picture], truths: Sequence[Picture], quick: bool = False
) -> Setting:
    """The setting of a filter's grid with the highest mean PSNR on these pictures."""
    return max(grid(name, quick), key=lambda setting: _mean_psnr(setting, gifs, truths))


def _mean_psnr(setting: Setting, gifs: Sequence[Picture], truths: Sequence[Picture]) -> float:
    run = Filter(setting)
    errors = [
        np.square(run(gif).astype(np.int32) - truth).mean()
        for gif, truth in zip(gifs, truths, strict=True)
    ]
    return -float(np.mean(np.log10(np.maximum(errors, 1e-9))))
