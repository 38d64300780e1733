"""The minimum variance quantiser, with which the paper's GIFs were made (MATLAB's `rgb2ind`).

Starts from one box around all colours. Again and again the box with the largest sum of squared
errors is cut in two, by the plane across R, G or B that leaves the smallest sum, until there are
enough boxes. A box's colour is the mean of its pixels.

Reference: X. Wu, "Efficient statistical computations for optimal color quantization", Graphics
Gems II (1991), pages 126-133. Cumulative moments over a grid of 32 cells a channel make the
statistics of any box eight look-ups. One change: the grid spans the range that each channel
really has, so that a dark or pale picture is not reduced to a handful of cells.
"""

import dataclasses
import heapq
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, UInt8

_CELLS = 32  # A channel; Wu's choice (5 bits).
_SIDE = _CELLS + 1  # Of the table of cumulative moments, which starts with zeros.
_STRIDES = (_SIDE * _SIDE, _SIDE, 1)  # Of the table's axes, in entries.
_MOMENTS = 5  # Weight, sums of R, G, B, and of squares.

Corner = tuple[int, int, int]


@dataclasses.dataclass(eq=False, slots=True)
class _Box:
    """The cells `low[axis] <= cell < high[axis]` of the grid."""

    low: Corner
    high: Corner
    moments: np.ndarray  # Of its pixels, (5,).


def minimum_variance(
    picture: UInt8[np.ndarray, "h w 3"], num_colors: int
) -> UInt8[np.ndarray, "k 3"]:
    """Wu's greedy orthogonal bipartition; at most `num_colors` colours."""
    grid = _cumulative_moments(picture.reshape(-1, 3))
    whole = _Box((0, 0, 0), (_CELLS, _CELLS, _CELLS), grid[:, -1])
    # Those that may be cut, the largest error first, the oldest of equals; and the others.
    waiting = [(-_squared_error(whole), 0, whole)]
    done: list[tuple[int, _Box]] = []
    # Where a box is cut does not depend on when: all that wait are looked at together.
    cuts: dict[int, tuple[int, np.ndarray] | None] = {}
    made = 1
    while waiting and len(waiting) + len(done) < num_colors and waiting[0][0] < 0:
        if waiting[0][1] not in cuts:
            unknown = {number: box for _, number, box in waiting if number not in cuts}
            cuts.update(zip(unknown, _best_cuts(grid, list(unknown.values())), strict=True))
        _, number, worst = heapq.heappop(waiting)
        cut = cuts[number]
        if cut is None:
            done.append((number, worst))
            continue
        for box in _halves(worst, *cut):
            heapq.heappush(waiting, (-_squared_error(box), made, box))
            made += 1
    done += [(number, box) for _, number, box in waiting]
    done.sort(key=lambda pair: pair[0])
    moments = np.stack([box.moments for _, box in done])
    return np.rint(moments[:, 1:4] / moments[:, :1]).astype(np.uint8)


def _cumulative_moments(pixels: UInt8[np.ndarray, "n 3"]) -> Float64[np.ndarray, "5 35937"]:
    """Weight, sums of R, G, B, and of squares, over the cells below (i, j, k) on all axes.

    They are entry [:, (i * 33 + j) * 33 + k].
    """
    channels = [np.ascontiguousarray(pixels[:, axis]) for axis in range(3)]
    cell = np.zeros(len(pixels), np.intp)
    squares = np.zeros(len(pixels), np.int32)
    levels = np.arange(256)
    for channel, step in zip(channels, _STRIDES, strict=True):
        low, high = int(channel.min()), int(channel.max())
        scaled = (levels - low) * _CELLS // (high - low + 1)
        cell += (step * (1 + np.clip(scaled, 0, _CELLS - 1))).take(channel)
        squares += np.square(levels, dtype=np.int32).take(channel)
    moments = np.empty((_MOMENTS, _SIDE, _SIDE, _SIDE))
    for number, weights in enumerate([None, *channels, squares]):
        sums = np.bincount(cell, weights, minlength=_SIDE**3)
        moments[number] = sums.reshape(moments.shape[1:])
    # Sums of whole numbers: exact in float64, whatever the order. Plane by plane is faster than
    # cumsum, but along the last axis.
    for place in range(1, _SIDE):
        moments[:, place] += moments[:, place - 1]
    for place in range(1, _SIDE):
        moments[:, :, place] += moments[:, :, place - 1]
    np.cumsum(moments, axis=3, out=moments)
    return moments.reshape(_MOMENTS, -1)


def _squared_error(box: _Box) -> float:
    """The sum of the squared distances of a box's pixels from their mean."""
    weight, r, g, b, squares = box.moments.tolist()
    return squares - (r * r + g * g + b * b) / max(weight, 1.0)


def _best_cuts(
    grid: Float64[np.ndarray, "5 35937"], boxes: Sequence[_Box]
) -> list[tuple[int, Float64[np.ndarray, "5"]] | None]:
    """Where the squared errors of each box's halves become least; None if it holds one cell.

    Returns:
      For each box, 33 times the axis plus the plane, and the moments below that plane.
    """
    below = _sums_below_planes(grid, boxes)
    above = np.stack([box.moments for box in boxes], axis=1)[:, :, None] - below
    # The smallest sum of squared errors is the largest sum of |sum of colours|^2 / weight.
    gain = np.zeros(below.shape[1:])
    for side in (below, above):
        gain += np.square(side[1:4]).sum(axis=0) / np.maximum(side[0], 1)
    gain[np.minimum(below[0], above[0]) <= 0] = -1  # All pixels on one side, or outside: no cut.
    places = gain.argmax(axis=1)
    numbers = np.arange(len(boxes))
    cuttable = gain[numbers, places] >= 0
    moments = below[:, numbers, places].T
    return [
        (place, row) if can else None
        for place, row, can in zip(places.tolist(), moments, cuttable.tolist(), strict=True)
    ]


def _halves(box: _Box, place: int, moments: Float64[np.ndarray, "5"]) -> tuple[_Box, _Box]:
    """The box below and above a plane, given the moments below it."""
    axis, plane = divmod(place, _SIDE)
    lower = _Box(box.low, _replace(box.high, axis, plane), moments)
    return lower, _Box(_replace(box.low, axis, plane), box.high, box.moments - moments)


def _sums_below_planes(
    grid: Float64[np.ndarray, "5 35937"], boxes: Sequence[_Box]
) -> Float64[np.ndarray, "5 n 99"]:
    """What lies in each box below each of the grid's planes across R, then G, then B.

    Below a box's first plane that is nothing or less, from its last on all or more.
    """
    low = np.array([box.low for box in boxes], np.intp)
    high = np.array([box.high for box in boxes], np.intp)
    corners = np.stack([low, high]) * np.array(_STRIDES, np.intp)
    below = np.empty((_MOMENTS, len(boxes), 3, _SIDE))
    for axis, step in enumerate(_STRIDES):
        first, second = (other for other in range(3) if other != axis)
        # The corners of the boxes' extents on each plane: (2, 2, n, 33).
        extents = corners[:, None, :, first] + corners[None, :, :, second]
        sums = grid.take(extents[..., None] + step * np.arange(_SIDE), axis=1)
        edges = sums[:, 1] - sums[:, 0]
        inside = edges[:, 1] - edges[:, 0]
        start = low[None, :, axis, None]
        np.subtract(inside, np.take_along_axis(inside, start, axis=2), out=below[:, :, axis])
    return below.reshape(_MOMENTS, len(boxes), -1)


def _replace(corner: Corner, axis: int, value: int) -> Corner:
    r, g, b = corner
    return (value, g, b) if axis == 0 else (r, value, b) if axis == 1 else (r, g, value)
