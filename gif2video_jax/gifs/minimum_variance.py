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

import numpy as np
from jaxtyping import Float64, UInt8

_CELLS = 32  # A channel; Wu's choice (5 bits).


@dataclasses.dataclass(eq=False)
class _Box:
    """The cells `low[axis] <= cell < high[axis]` of the grid."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]
    moments: np.ndarray  # Of its pixels: weight, sums of R, G, B, and of squares.
    squared_error: float  # Minus one: can't be cut.


def minimum_variance(
    picture: UInt8[np.ndarray, "h w 3"], num_colors: int
) -> UInt8[np.ndarray, "k 3"]:
    """Wu's greedy orthogonal bipartition; at most `num_colors` colours."""
    grid = _cumulative_moments(picture.reshape(-1, 3))
    boxes = [_make_box((0, 0, 0), (_CELLS, _CELLS, _CELLS), grid[-1, -1, -1])]
    while len(boxes) < num_colors:
        worst = max(boxes, key=lambda box: box.squared_error)
        if worst.squared_error <= 0:
            break
        halves = _halves(grid, worst)
        if halves is None:
            worst.squared_error = -1
        else:
            boxes.remove(worst)
            boxes.extend(halves)
    moments = np.stack([box.moments for box in boxes])
    return np.rint(moments[:, 1:4] / moments[:, :1]).astype(np.uint8)


def _cumulative_moments(pixels: UInt8[np.ndarray, "n 3"]) -> Float64[np.ndarray, "33 33 33 5"]:
    """Entry [i, j, k]: weight, sums of R, G, B, and of squares, over cells below (i, j, k)."""
    channels = [np.ascontiguousarray(pixels[:, axis]) for axis in range(3)]
    cell = np.zeros(len(pixels), np.intp)
    for channel in channels:
        low, high = int(channel.min()), int(channel.max())
        scaled = (np.arange(256) - low) * _CELLS // (high - low + 1)
        cell = cell * _CELLS + np.clip(scaled, 0, _CELLS - 1)[channel]
    wide = pixels.astype(np.float32)
    squares = np.einsum("nc,nc->n", wide, wide)
    moments = np.zeros((_CELLS + 1,) * 3 + (5,))
    for number, weights in enumerate([None, *channels, squares]):
        sums = np.bincount(cell, weights, minlength=_CELLS**3)
        moments[1:, 1:, 1:, number] = sums.reshape((_CELLS,) * 3)
    # Sums of whole numbers: exact in float64, whatever the order.
    for axis in range(3):
        np.cumsum(moments, axis=axis, out=moments)
    return moments


def _make_box(low, high, moments) -> _Box:
    error = moments[4] - _square_over_weight(moments)
    return _Box(low, high, moments, float(error))


def _halves(grid, box: _Box) -> tuple[_Box, _Box] | None:
    """The box cut where the squared errors become least; None if it holds one cell."""
    (r0, g0, b0), (r1, g1, b1) = box.low, box.high
    # The moments of the box's cells below each plane, along each axis.
    r, g, b = slice(r0 + 1, r1 + 1), slice(g0 + 1, g1 + 1), slice(b0 + 1, b1 + 1)
    along_r = _rectangle(grid[r], g0, g1, b0, b1) - _rectangle(grid[r0], g0, g1, b0, b1)
    planes = grid.swapaxes(0, 1)
    along_g = _rectangle(planes[g], r0, r1, b0, b1) - _rectangle(planes[g0], r0, r1, b0, b1)
    planes = grid.transpose(2, 0, 1, 3)
    along_b = _rectangle(planes[b], r0, r1, g0, g1) - _rectangle(planes[b0], r0, r1, g0, g1)
    below = np.concatenate([along_r, along_g, along_b])
    above = box.moments - below
    # The smallest sum of squared errors is the largest sum of |sum of colours|^2 / weight.
    gain = _square_over_weight(below) + _square_over_weight(above)
    gain[(below[:, 0] == 0) | (above[:, 0] == 0)] = -1  # All pixels on one side: no cut.
    best = int(gain.argmax())
    if gain[best] < 0:
        return None
    axis, plane = 0, best
    while plane >= box.high[axis] - box.low[axis]:
        plane -= box.high[axis] - box.low[axis]
        axis += 1
    middle = box.low[axis] + plane + 1
    lower = _make_box(box.low, _replace(box.high, axis, middle), below[best])
    upper = _make_box(_replace(box.low, axis, middle), box.high, above[best])
    return lower, upper


def _rectangle(tables, first0, first1, second0, second1):
    """Sums over a rectangle of the last two grid axes of cumulative tables (..., 33, 33, 5)."""
    return (
        tables[..., first1, second1, :]
        - tables[..., first0, second1, :]
        - tables[..., first1, second0, :]
        + tables[..., first0, second0, :]
    )


def _square_over_weight(moments):
    sums = moments[..., 1:4]
    return (sums * sums).sum(axis=-1) / np.maximum(moments[..., 0], 1)


def _replace(corner: tuple[int, int, int], axis: int, value: int) -> tuple[int, int, int]:
    r, g, b = (value if number == axis else side for number, side in enumerate(corner))
    return r, g, b
