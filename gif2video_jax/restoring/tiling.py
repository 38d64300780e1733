"""Any image size through a U-Net: padding to few shapes, tiles for large frames, and back.

A U-Net halves an image several times, and XLA compiles a network once for each shape. So a frame is
padded at its right and bottom, by repeating the edge, to a multiple of `BUCKET`; all frames of a
GIF, and GIFs of about one size, share one compilation. A frame too large for memory is cut into
equal tiles. Tiles overlap by at least the network's reach, and start at multiples of the network's
own blocks, so that tiled and untiled results agree to rounding.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Shaped

BUCKET = 32
MAX_WHOLE_PIXELS = 2_100_000  # a 1080p frame; larger ones are tiled
DEFAULT_TILE = 1024


@dataclasses.dataclass(frozen=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right` of an image, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Cuts the box out of an (h, w, ...) array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    def within(self, other: "Box") -> "Box":
        """The same part, in the coordinates of a box that holds it."""
        return Box(
            self.top - other.top,
            self.left - other.left,
            self.bottom - other.top,
            self.right - other.left,
        )

    def grown(self, margin: int, height: int, width: int) -> "Box":
        """Larger by `margin` on each side, within an image of the given size."""
        return Box(
            max(0, self.top - margin),
            max(0, self.left - margin),
            min(height, self.bottom + margin),
            min(width, self.right + margin),
        )


@dataclasses.dataclass(frozen=True)
class Tile:
    """What is computed (`window`) and which part of it is kept (`core`), in image coordinates."""

    window: Box
    core: Box


def round_up(size: int, multiple: int) -> int:
    """The smallest multiple that is at least `size`."""
    return -(-size // multiple) * multiple


def pad_to(
    image: Shaped[np.ndarray, "h w *c"], height: int, width: int
) -> Shaped[np.ndarray, "height width *c"]:
    """Repeats the bottom and right edges up to a size."""
    rows, columns = height - image.shape[0], width - image.shape[1]
    if not rows and not columns:
        return image
    padding = [(0, rows), (0, columns)] + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, padding, mode="edge")


def plan_tiles(height: int, width: int, tile: int, overlap: int, multiple: int) -> list[Tile]:
    """Covers an image with equal tiles.

    Args:
      height: of the padded image, a multiple of `multiple`.
      width: likewise.
      tile: side of a tile; the image's own side where that is shorter.
      overlap: how far the core stays from each edge of its window that is not the image's own.
      multiple: windows start and end at multiples of it.

    Raises:
      ValueError: if a tile leaves no core beside its overlaps, or sizes are no multiples.
    """
    if height % multiple or width % multiple or tile % multiple:
        raise ValueError(
            f"height, width and tile: expected multiples of {multiple}, "
            f"got {height}, {width}, {tile}"
        )
    rows = list(_spans(height, tile, overlap, multiple))
    columns = list(_spans(width, tile, overlap, multiple))
    return [
        Tile(Box(y0, x0, y1, x1), Box(cy0, cx0, cy1, cx1))
        for y0, y1, cy0, cy1 in rows
        for x0, x1, cx0, cx1 in columns
    ]


def smallest_tile(overlap: int, multiple: int) -> int:
    """The least side of a tile that still has a core."""
    return 2 * round_up(overlap, multiple) + multiple


def _spans(
    size: int, tile: int, overlap: int, multiple: int
) -> Iterator[tuple[int, int, int, int]]:
    """Windows along one axis and their cores: (start, stop, core start, core stop)."""
    if size <= tile:
        yield 0, size, 0, size
        return
    overlap = round_up(overlap, multiple)
    if tile < 2 * overlap + multiple:
        raise ValueError(
            f"tile: expected at least {2 * overlap + multiple} pixels for an overlap of {overlap}, "
            f"got {tile}"
        )
    core_start = 0
    while core_start < size:
        start = min(max(0, core_start - overlap), size - tile)
        stop = start + tile
        core_stop = size if stop == size else stop - overlap
        yield start, stop, core_start, core_stop
        core_start = core_stop


def apply_in_tiles(
    function: Callable[..., np.ndarray],
    arrays: list[Shaped[np.ndarray, "h w ..."]],
    *,
    multiple: int,
    overlap: int,
    tile: int | None = None,
) -> Shaped[np.ndarray, "h w ..."]:
    """Runs a function of equally sized images over images of any size.

    Args:
      function: takes images of one size, a multiple of `BUCKET` and `multiple`, and gives one of
        that size.
      arrays: the images.
      multiple: the network's block.
      overlap: the network's reach, in pixels.
      tile: side of the tiles; None uses the whole frame up to `MAX_WHOLE_PIXELS`.

    Returns:
      The function's result at the images' own size.
    """
    height, width = arrays[0].shape[:2]
    step = round_up(BUCKET, multiple)
    padded_height, padded_width = round_up(height, step), round_up(width, step)
    if tile is None:
        whole = padded_height * padded_width <= MAX_WHOLE_PIXELS
        tile = max(padded_height, padded_width) if whole else DEFAULT_TILE
    tile = max(round_up(tile, step), smallest_tile(overlap, step))
    arrays = [pad_to(array, padded_height, padded_width) for array in arrays]
    tiles = plan_tiles(padded_height, padded_width, tile, overlap, step)
    if len(tiles) == 1:
        return function(*arrays)[:height, :width]
    result = None
    for part in tiles:
        value = function(*(array[part.window.slices] for array in arrays))
        if result is None:
            result = np.empty((padded_height, padded_width, *value.shape[2:]), value.dtype)
        result[part.core.slices] = value[part.core.within(part.window).slices]
    assert result is not None
    return result[:height, :width]
