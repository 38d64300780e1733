"""What of a picture tells how it was dithered, as planes that a small network reads.

A dither alternates between colours that are near each other in the palette, whatever these are and
however far apart. So everything is measured in steps of the palette: a colour's *reach* is its RGB
distance to the third nearest other colour of the picture, and at least 2.

    plane   from -1 to 1
    0       brightness less its mean over 5x5 pixels, in reaches, through tanh
    1, 2    the same of red less green and of blue less green
    3-6     1 where a pixel equals the one 1 to the right, 1 below, 2 to the right, 2 below
    7, 8    1 where the pixel to the right, below, has another colour, not over 1.5 reaches away
    9-14    plane 0 times itself 2, 4 and 8 pixels on, to the right and below: repeating patterns

Past the right and lower border planes 3 to 14 are 0.
"""

import numpy as np
from jaxtyping import Float, Int8, UInt8

NUM_PLANES = 15
SCALE = 127  # of the planes as bytes

_NEIGHBOR = 3
_MIN_REACH = 2.0
_NEAR = 1.5
_MAX_COLORS = 1024  # composites of many palettes have more: as good as a photograph
_RADIUS = 2
_PRODUCTS = (2, 4, 8)


def dither_planes(rgb: UInt8[np.ndarray, "h w 3"]) -> Int8[np.ndarray, "h w 15"]:
    """The planes of a picture, times `SCALE`, rounded.

    Args:
      rgb: of a GIF's frame; any size.
    """
    values = rgb.astype(np.float32)
    reach = _reach(rgb)
    red, green, blue = np.moveaxis(values, -1, 0)
    planes = np.zeros((*rgb.shape[:2], NUM_PLANES), np.float32)
    tones = (values.sum(axis=-1) / 3, red - green, blue - green)
    for number, tone in enumerate(tones):
        planes[..., number] = np.tanh((tone - _box_mean(tone)) / reach)
    for number, (down, right) in enumerate(((0, 1), (1, 0), (0, 2), (2, 0))):
        here, there = _pair(values, down, right)
        distance = np.sqrt(np.square(here - there).sum(axis=-1))
        target = _pair(planes, down, right)[0]
        target[..., 3 + number] = distance == 0
        if number < 2:
            far = np.maximum(*_pair(reach, down, right))
            target[..., 7 + number] = (distance > 0) & (distance <= _NEAR * far)
    detail = np.tanh(2 * np.arctanh(np.clip(planes[..., 0], -0.999, 0.999)))
    for number, step in enumerate(_PRODUCTS):
        for axis in (0, 1):
            shift = (0, step) if axis == 0 else (step, 0)
            here, there = _pair(detail, *shift)
            _pair(planes, *shift)[0][..., 9 + 2 * number + axis] = here * there
    return np.rint(planes * SCALE).astype(np.int8)


def _pair(array: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of the pixels that have one so far down and right, and of those."""
    height, width = array.shape[:2]
    down, right = min(down, height), min(right, width)
    return array[: height - down, : width - right], array[down:, right:]


def _reach(rgb: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Each pixel's colour's distance to the third nearest other colour."""
    codes = rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    colors, places = np.unique(codes, return_inverse=True)
    if not 2 <= len(colors) <= _MAX_COLORS:
        return np.full(codes.shape, _MIN_REACH, np.float32)
    table = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=1).astype(np.float32)
    norms = np.square(table).sum(axis=1)
    squared = norms[:, None] + norms[None] - 2 * table @ table.T
    number = min(_NEIGHBOR, len(colors) - 1)  # 0 is the colour itself
    reach = np.sqrt(np.maximum(np.partition(squared, number, axis=1)[:, number], 0))
    return np.maximum(reach, _MIN_REACH).astype(np.float32)[places.reshape(codes.shape)]


def _box_mean(tone: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """The mean over 5x5 pixels, borders repeated."""
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (_RADIUS, _RADIUS)
        wide = np.pad(tone, padding, mode="edge")
        size = tone.shape[axis]
        parts = [np.take(wide, range(k, k + size), axis) for k in range(2 * _RADIUS + 1)]
        tone = sum(parts[1:], parts[0]) / np.float32(len(parts))
    return tone
