"""A bounded sample of a clip's pixels, from which to choose one palette for all its frames."""

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.gifs.palette import MAX_COLORS
from gif2video_jax.gifs.quantizers import distinct_colors


class PixelSample:
    """Keeps every pixel of the frames that it is shown until there are too many.

    From then on it keeps a random share of all of them (the seed is fixed: the same frames give
    the same sample). Whether there are at most 256 distinct colours is known exactly throughout.
    """

    def __init__(self, max_pixels: int = 1 << 20):
        """Takes about six times `max_pixels` bytes of memory at most."""
        self._max_pixels = max_pixels
        self._random = np.random.default_rng(0)
        self._share = 1.0
        self._parts: list[np.ndarray] = []
        self._kept = 0
        self._width = 0
        self._distinct: np.ndarray | None = np.zeros((0, 3), np.uint8)

    def add(self, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Shows the sample one more frame."""
        pixels = image.reshape(-1, 3)
        self._width = image.shape[1]
        if self._distinct is not None:
            both = np.concatenate([pixels, self._distinct])
            self._distinct = distinct_colors(both, at_most=MAX_COLORS)
        for start in range(0, len(pixels), self._max_pixels):
            part = pixels[start : start + self._max_pixels]
            if self._share < 1:
                part = part[self._random.random(len(part)) < self._share]
            self._parts.append(part.copy())
            self._kept += len(part)
            while self._kept > self._max_pixels:
                self._thin()

    @property
    def distinct(self) -> UInt8[np.ndarray, "k 3"] | None:
        """All distinct colours seen so far, or None if they are more than 256."""
        return self._distinct

    @property
    def picture(self) -> UInt8[np.ndarray, "h w 3"]:
        """The sample as a picture, as wide as the frames where it holds them all."""
        pixels = np.concatenate(self._parts)
        width = min(self._width, len(pixels))
        return pixels[: len(pixels) // width * width].reshape(-1, width, 3)

    def _thin(self):
        pixels = np.concatenate(self._parts)
        pixels = pixels[self._random.random(len(pixels)) < 0.5]
        self._parts, self._kept = [pixels], len(pixels)
        self._share /= 2
