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

import numpy as np
from jaxtyping import Float64, UInt8

_CELLS = 32  # A channel; Wu's choice (5 bits).
_SIDE = _CELLS + 1  # Of the table of cumulative moments, which starts with zeros.
_STRIDES = (_SIDE * _SIDE, _SIDE, 1)  # Of its last three axes, in numbers.
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
    whole = _Box((0, 0, 0), (_CELLS, _CELLS, _CELLS), grid[:, -1, -1, -1])
    # Those that may be cut, the largest error first, the oldest of equals; and the others.
    waiting = [(-_squared_error(whole), 0, whole)]
    done: list[tuple[int, _Box]] = []
    made = 1
    while waiting and len(waiting) + len(done) < num_colors and waiting[0][0] < 0:
        _, number, worst = heapq.heappop(waiting)
        halves = _halves(grid, worst)
        if halves is None:
            done.append((number, worst))
            continue
        for box in halves:
            heapq.heappush(waiting, (-_squared_error(box), made, box))
            made += 1
    done += [(number, box) for _, number, box in waiting]
    done.sort(key=lambda pair: pair[0])
    moments = np.stack([box.moments for _, box in done])
    return np.rint(moments[:, 1:4] / moments[:, :1]).astype(np.uint8)


def _cumulative_moments(pixels: UInt8[np.ndarray, "n 3"]) -> Float64[np.ndarray, "5 33 33 33"]:
    """Entry [:, i, j, k]: weight, sums of R, G, B, and of squares, over cells below (i, j, k)."""
    channels = [np.ascontiguousarray(pixels[:, axis]) for axis in range(3)]
    cell = np.zeros(len(pixels), np.intp)
    for channel in channels:
        low, high = int(channel.min()), int(channel.max())
        scaled = (np.arange(256) - low) * _CELLS // (high - low + 1)
        cell = cell * _SIDE + (1 + np.clip(scaled, 0, _CELLS - 1))[channel]
    wide = pixels.astype(np.float32)
    squares = np.einsum("nc,nc->n", wide, wide)
    moments = np.empty((_MOMENTS, _SIDE, _SIDE, _SIDE))
    for number, weights in enumerate([None, *channels, squares]):
        sums = np.bincount(cell, weights, minlength=_SIDE**3)
        moments[number] = sums.reshape(moments.shape[1:])
    # Sums of whole numbers: exact in float64, whatever the order.
    for axis in (1, 2, 3):
        np.cumsum(moments, axis=axis, out=moments)
    return moments


def _squared_error(box: _Box) -> float:
    """The sum of the squared distances of a box's pixels from their mean."""
    weight, r, g, b, squares = box.moments.tolist()
    return squares - (r * r + g * g + b * b) / max(weight, 1.0)


def _halves(grid, box: _Box) -> tuple[_Box, _Box] | None:
    """The box cut where the squared errors become least; None if it holds one cell."""
    sizes = [high - low for low, high in zip(box.low, box.high, strict=True)]
    # The moments of the box's cells below each plane, along each axis, and above it.
    sides = np.empty((2, _MOMENTS, sum(sizes)))
    below, above = sides
    start = 0
    for axis, size in enumerate(sizes):
        sums = _sums_below_planes(grid, box.low, sizes, axis)
        np.subtract(sums[:, 1:], sums[:, :1], out=below[:, start : start + size])
        start += size
    np.subtract(box.moments[:, None], below, out=above)
    # The smallest sum of squared errors is the largest sum of |sum of colours|^2 / weight.
    weights, colors = sides[:, 0], sides[:, 1:4]
    gains = np.einsum("scn,scn->sn", colors, colors) / np.maximum(weights, 1)
    gain = gains[0] + gains[1]
    gain[weights.min(axis=0) == 0] = -1  # All pixels on one side: no cut.
    best = int(gain.argmax())
    if gain[best] < 0:
        return None
    axis, plane = 0, best
    while plane >= sizes[axis]:
        plane -= sizes[axis]
        axis += 1
    middle = box.low[axis] + plane + 1
    lower = _Box(box.low, _replace(box.high, axis, middle), below[:, best])
    upper = _Box(_replace(box.low, axis, middle), box.high, above[:, best])
    return lower, upper


def _sums_below_planes(grid, low: Corner, sizes: list[int], axis: int):
    """(5, n + 1): what lies below each plane across an axis, in the box's extent of the others."""
    first, second = (other for other in range(3) if other != axis)
    bytes_of = [grid.itemsize * stride for stride in _STRIDES]
    # The corners of the extent on each plane, as a view: (5, n + 1, 2, 2).
    corners = np.ndarray(
        (_MOMENTS, sizes[axis] + 1, 2, 2),
        grid.dtype,
        grid,
        sum(place * step for place, step in zip(low, bytes_of, strict=True)),
        (
            grid.strides[0],
            bytes_of[axis],
            bytes_of[first] * sizes[first],
            bytes_of[second] * sizes[second],
        ),
    )
    edges = corners[:, :, 1] - corners[:, :, 0]
    return edges[..., 1] - edges[..., 0]


def _replace(corner: Corner, axis: int, value: int) -> Corner:
    r, g, b = (value if number == axis else side for number, side in enumerate(corner))
    return r, g, b
