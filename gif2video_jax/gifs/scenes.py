"""Finds cuts between consecutive frames, so that nothing is morphed across them.

Detectors made for long videos adapt to the frames around, of which a GIF has few; this one looks
at two frames only. Both are shrunk, which averages dithering away, and compared in three ways, each
blind to something that is no cut: the colours' histograms to motion, the picture after every block
moved to where it fits best to smaller motion and new colours, and what is left of it after the
best change of brightness, contrast and tint to fades. Only a cut changes all three.
"""

import functools

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

Picture = UInt8[np.ndarray, "h w 3"]
Small = Float[np.ndarray, "small_h small_w 3"]

DEFAULT_THRESHOLD = 0.3
_LONG_SIDE = 32  # of the shrunk frames
_REACH = 8  # how far a block may have moved on them: a quarter of the long side
_BLOCK = 4
_BINS = 8


class CutDetector:
    """Tells whether the scene changes between two frames.

    Attributes:
      threshold: a cut is what scores above it; 0 cuts at any change, 1 never.
    """

    def __init__(self, threshold: float = DEFAULT_THRESHOLD):
        """Sets the threshold.

        Raises:
          ValueError: not in [0, 1].
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold: expected 0 to 1, got {threshold}")
        self.threshold = threshold

    def is_cut(self, previous_rgb: Picture, next_rgb: Picture) -> bool:
        """Whether `next_rgb` shows another scene than `previous_rgb`.

        Raises:
          ValueError: the frames have different sizes.
        """
        return self.score(previous_rgb, next_rgb, enough=self.threshold) > self.threshold

    def score(self, previous_rgb: Picture, next_rgb: Picture, *, enough: float = 0.0) -> float:
        """How different two frames are, from 0 (equal) to 1.

        Args:
          previous_rgb: in [0, 255].
          next_rgb: of the same size.
          enough: below it any upper bound of the score will do, which saves most of the work.

        Raises:
          ValueError: the frames have different sizes.
        """
        if previous_rgb.shape != next_rgb.shape:
            raise ValueError(
                f"expected frames of one size, got {previous_rgb.shape} and {next_rgb.shape}"
            )
        if np.array_equal(previous_rgb, next_rgb):
            return 0.0
        previous, following = _shrink(previous_rgb), _shrink(next_rgb)
        colors = _histogram_distance(previous, following)
        content = _unexplained(previous, following)
        if np.sqrt(colors * content) > enough:
            content = min(content, _moved_difference(previous, following))
        return float(np.sqrt(colors * content))


def _shrink(image: Picture) -> Small:
    """Averages over areas, to `_LONG_SIDE` pixels at most; values in [0, 1]."""
    height, width = image.shape[:2]
    scale = min(1.0, _LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(image).resize(size, Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def _histogram_distance(first: Small, second: Small) -> float:
    """1 less the histograms' intersection; colours count for the two nearest bins of each channel.

    Hard bins would jump when a flat area changes its colour by a level.
    """
    return max(0.0, 1 - float(np.minimum(_histogram(first), _histogram(second)).sum()))


def _histogram(image: Small) -> np.ndarray:
    pixels = image.reshape(-1, 3) * (_BINS - 1)
    low = np.minimum(pixels.astype(int), _BINS - 2)
    high_share = pixels - low
    histogram = np.zeros(_BINS**3, np.float64)
    for corner in range(8):
        upper = np.array([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
        weight = np.where(upper, high_share, 1 - high_share).prod(1)
        index = (low + upper) @ np.array([_BINS**2, _BINS, 1])
        histogram += np.bincount(index, weight, _BINS**3)
    return histogram / len(pixels)


def _moved_difference(first: Small, second: Small) -> float:
    """The difference that is left when each block moved to where it fits best.

    Both ways, since a flat picture fits into anything; relative to how much the frames vary, so
    that dark scenes count like bright ones.
    """
    spread = max(float(first.std()), float(second.std()), 0.05)
    left = max(_one_way(first, second), _one_way(second, first))
    return min(1.0, left / spread)


def _unexplained(first: Small, second: Small) -> float:
    """The share of the variance that a fade (brightness, contrast, tint) leaves unexplained."""
    first, second = first - first.mean((0, 1)), second - second.mean((0, 1))
    power = float(np.square(first).sum()) * float(np.square(second).sum())
    covariance = max(0.0, float((first * second).sum()))
    # Rounding leaves a pure fade a little below 0.
    return max(0.0, 1 - covariance**2 / power) if power > 0 else 1.0


def _one_way(source: Small, target: Small) -> float:
    """Mean over blocks of `source` of the smallest difference to a moved `target`."""
    height, width = source.shape[:2]
    reach_y, reach_x = min(_REACH, height // 4), min(_REACH, width // 4)
    padded = np.pad(target, ((reach_y, reach_y), (reach_x, reach_x), (0, 0)), mode="edge")
    rows, columns = _block_starts(height), _block_starts(width)
    best: np.ndarray | None = None
    for dy in range(2 * reach_y + 1):
        for dx in range(2 * reach_x + 1):
            moved = padded[dy : dy + height, dx : dx + width]
            left = np.abs(source - moved).sum(2)
            left = np.add.reduceat(np.add.reduceat(left, rows, 0), columns, 1)
            best = left if best is None else np.minimum(best, left)
    assert best is not None
    return float(best.sum()) / source.size


@functools.lru_cache(maxsize=64)
def _block_starts(length: int) -> np.ndarray:
    return np.arange(0, length, _BLOCK)
