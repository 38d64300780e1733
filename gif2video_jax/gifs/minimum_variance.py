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


@dataclasses.dataclass
class _Box:
    """The cells `low[axis] <= cell < high[axis]`, and the best cut of them."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]
    total: np.ndarray  # (weight, sum R, sum G, sum B)
    squared_error: float
    cut: tuple[int, int] | None  # (axis, first cell of the upper part); None: one cell or colour


def minimum_variance(
    picture: UInt8[np.ndarray, "h w 3"], num_colors: int
) -> UInt8[np.ndarray, "k 3"]:
    """Wu's greedy orthogonal bipartition; at most `num_colors` colours."""
    moments = _cumulative_moments(picture.reshape(-1, 3))
    boxes = [_make_box(moments, (0, 0, 0), (_CELLS, _CELLS, _CELLS))]
    while len(boxes) < num_colors:
        worst = max(range(len(boxes)), key=lambda number: boxes[number].squared_error)
        box = boxes[worst]
        if box.cut is None:
            break
        axis, at = box.cut
        boxes[worst] = _make_box(moments, box.low, _replace(box.high, axis, at))
        boxes.append(_make_box(moments, _replace(box.low, axis, at), box.high))
    totals = np.stack([box.total for box in boxes])
    return np.rint(totals[:, 1:] / totals[:, :1]).astype(np.uint8)


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


def _make_box(moments, low, high) -> _Box:
    (r0, g0, b0), (r1, g1, b1) = low, high
    # The moments of the box's cells below each plane, along each axis.
    r, g, b = slice(r0 + 1, r1 + 1), slice(g0 + 1, g1 + 1), slice(b0 + 1, b1 + 1)
    below = np.concatenate(
        [
            _rectangle(moments[r], g0, g1, b0, b1) - _rectangle(moments[r0], g0, g1, b0, b1),
            _rectangle(moments[:, g].swapaxes(0, 1), r0, r1, b0, b1)
            - _rectangle(moments[:, g0], r0, r1, b0, b1),
            _rectangle(np.moveaxis(moments[:, :, b], 2, 0), r0, r1, g0, g1)
            - _rectangle(moments[:, :, b0], r0, r1, g0, g1),
        ]
    )
    total = below[-1]
    above = total - below
    # The smallest sum of squared errors is the largest sum of |sum of colours|^2 / weight.
    gain = _square_over_weight(below) + _square_over_weight(above)
    whole = float(_square_over_weight(total))
    # A cut with all the pixels on one side has exactly the gain of no cut.
    gain[(below[:, 0] == 0) | (above[:, 0] == 0)] = -1
    best = int(gain.argmax())
    cut = None
    if gain[best] > whole:
        ends = np.cumsum([r1 - r0, g1 - g0, b1 - b0])
        axis = int(np.searchsorted(ends, best, side="right"))
        start = 0 if axis == 0 else int(ends[axis - 1])
        cut = (axis, low[axis] + best - start + 1)
    # A box that can't be cut must never be chosen, even where rounding left it an error.
    error = float(total[4]) - whole if cut else -1.0
    return _Box(low, high, total[:4], error, cut)


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
    changed = list(corner)
    changed[axis] = value
    return tuple(changed)
