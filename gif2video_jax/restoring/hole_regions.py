"""Where to work: parts of a frame around its holes, each at a scale that suits the network.

    union of a window's masks -> holes that lie close together -> a region with its scale -> tiles

Holes of more than so many pixels are filled at a smaller scale; thin ones, such as letters, as they
are, however far a caption stretches.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from gif2video_jax.restoring.tiling import Box, round_up

# Holes closer than about twice this share one region.
_CELL = 16
_BUCKET = 64  # of a tile's side, in pixels of the network's scale: few shapes are compiled
MAX_TILE = 512  # side, in pixels of the network's scale


@dataclasses.dataclass(frozen=True)
class HoleTile:
    """A piece of work.

    Attributes:
      core: what is filled, in pixels of the frame.
      window: what the network sees; may reach beyond the frame at the right and the bottom.
      scale: how many pixels of the frame make one of the fill's on each axis.
      thickness: of the thickest hole in it, pixels of the frame.
      ramp: over how many pixels neighbouring cores are blended; 0 for a region of one tile.
    """

    core: Box
    window: Box
    scale: int
    thickness: int
    ramp: int


def plan_hole_tiles(
    masks: Bool[np.ndarray, "t h w"], *, thickness: int, margin: int, multiple: int
) -> list[HoleTile]:
    """Covers the holes of a window of frames.

    Args:
      masks: True in holes.
      thickness: of the thickest hole that is filled at full size, pixels.
      margin: what should be seen around a hole, pixels of the fill's scale.
      multiple: the sides of windows are multiples of it, in pixels of that scale.
    """
    height, width = masks.shape[1:]
    tiles = []
    for box in _close_together(np.asarray(masks.any(axis=0))):
        thickest = _thickness(masks[(slice(None), *box.slices)])
        scale = max(1, -(-thickest // thickness))
        for core, ramp in _cores(box, (MAX_TILE - 2 * margin) * scale, margin * scale):
            seen = core.grown(margin * scale, height, width)
            step = round_up(_BUCKET, multiple) * scale
            size = (round_up(seen.height, step), round_up(seen.width, step))
            # Rather more of the frame than something made up beyond it.
            top = max(0, min(seen.top, height - size[0]))
            left = max(0, min(seen.left, width - size[1]))
            window = Box(top, left, top + size[0], left + size[1])
            tiles.append(HoleTile(core, window, scale, thickest, ramp))
    return tiles


def tile_weights(tile: HoleTile, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """How much a tile's result counts at pixels of its core, above 0 and at most 1."""
    if not tile.ramp:
        return np.ones(len(rows), np.float32)
    core = tile.core
    down = np.minimum(rows - core.top, core.bottom - 1 - rows) + 1
    across = np.minimum(columns - core.left, core.right - 1 - columns) + 1
    nearest = np.minimum(down, across)
    return np.minimum(1.0, nearest / (tile.ramp + 1)).astype(np.float32)


def _close_together(mask: Bool[np.ndarray, "h w"]) -> list[Box]:
    """Boxes of holes; those whose surroundings touch share one."""
    height, width = mask.shape
    rows, columns = round_up(height, _CELL), round_up(width, _CELL)
    cells: Any = np.pad(mask, ((0, rows - height), (0, columns - width)))
    cells = cells.reshape(rows // _CELL, _CELL, columns // _CELL, _CELL).any(axis=(1, 3))
    labels, _ = ndimage.label(ndimage.binary_dilation(cells, np.ones((3, 3))), np.ones((3, 3)))
    large = np.repeat(np.repeat(labels, _CELL, axis=0), _CELL, axis=1)[:height, :width]
    boxes = []
    for found in ndimage.find_objects(np.where(mask, large, 0)):
        if found is not None:
            down, across = found
            boxes.append(Box(down.start, across.start, down.stop, across.stop))
    return boxes


def _thickness(masks: np.ndarray) -> int:
    """Of the thickest hole of any frame, in pixels: twice the largest distance to its edge."""
    largest = 0.0
    previous: Any = None
    for mask in masks:
        if previous is not None and np.array_equal(mask, previous):
            continue
        previous = mask
        # Beyond the box there is no hole, or the frame ends and so does what is known.
        largest = max(largest, float(ndimage.distance_transform_edt(np.pad(mask, 1)).max()))
    return max(1, round(2 * largest) - 1)


def _cores(box: Box, largest: int, overlap: int) -> list[tuple[Box, int]]:
    """Cuts a box into overlapping ones, none larger than `largest`; and their ramps."""
    rows, columns = (
        _spans(box.top, box.bottom, largest, overlap),
        _spans(box.left, box.right, largest, overlap),
    )
    ramp = overlap if len(rows) * len(columns) > 1 else 0
    return [
        (Box(top, left, bottom, right), ramp) for top, bottom in rows for left, right in columns
    ]


def _spans(start: int, stop: int, largest: int, overlap: int) -> list[tuple[int, int]]:
    length = stop - start
    if length <= largest:
        return [(start, stop)]
    count = -(-(length - overlap) // (largest - overlap))
    firsts = np.linspace(0, length - largest, count).round().astype(int)
    return [(start + int(first), start + int(first) + largest) for first in firsts]
