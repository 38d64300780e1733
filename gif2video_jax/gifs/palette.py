"""A GIF's palette: up to 256 colours in a fixed-size, zero-padded table."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, UInt8

MAX_COLORS = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Palette:
    """The colours that a frame's indices point to (GIF89a, sections 19 and 21).

    Attributes:
      colors: RGB in [0, 255]; entries from `num_colors` on are zero.
      num_colors: how many entries are real, 1 to 256.
    """

    colors: UInt8[np.ndarray, "256 3"]
    num_colors: int

    def __post_init__(self):
        """Rejects tables of another shape or type, and impossible counts."""
        if self.colors.shape != (MAX_COLORS, 3) or self.colors.dtype != np.uint8:
            raise ValueError(
                f"colors: expected uint8 (256, 3), got {self.colors.dtype} {self.colors.shape}"
            )
        if not 1 <= self.num_colors <= MAX_COLORS:
            raise ValueError(f"num_colors: expected 1 to 256, got {self.num_colors}")

    @classmethod
    def from_colors(cls, colors: UInt8[np.ndarray, "n 3"]) -> "Palette":
        """Pads `n` colours (1 to 256) with zeros to a full table."""
        colors = np.asarray(colors, np.uint8)
        if colors.ndim != 2 or colors.shape[1] != 3 or not 1 <= len(colors) <= MAX_COLORS:
            raise ValueError(f"colors: expected (1..256, 3), got {colors.shape}")
        table = np.zeros((MAX_COLORS, 3), np.uint8)
        table[: len(colors)] = colors
        return cls(table, len(colors))


def palette_geometry(
    palette: Palette, used: Bool[np.ndarray, "256"] | None = None, *, neighbors: int = 4
) -> Float[np.ndarray, "256 {3*neighbors}"]:
    """For each colour, the offsets to the nearest other colours, nearest first.

    What a quantised pixel may have been is told by the cell of its colour, and the cell by the
    colours around it. This is an input of the bundled dequantiser, not of the paper's.

    Args:
      palette: the colours of the frame.
      used: which entries the frame draws with; None means the first `num_colors`. Unused entries
        (padding, leftovers of an optimiser) tell nothing and are no neighbours.
      neighbors: how many offsets; colours that have fewer neighbours get zeros for the missing.

    Returns:
      float32 offsets (neighbour - colour) / 127.5, three values (RGB) a neighbour. Rows of unused
      entries are zero. Equal colours count as one, so an offset is zero only if it is missing.
    """
    used = np.arange(MAX_COLORS) < palette.num_colors if used is None else used
    table = np.zeros((MAX_COLORS, 3 * neighbors), np.float32)
    colors = palette.colors.astype(np.int32)
    others = np.unique(colors[used], axis=0)
    offsets = others[None] - colors[used][:, None]
    distance = np.square(offsets).sum(-1)
    # The colour itself goes last, so that it is never among its own neighbours.
    order = np.argsort(np.where(distance == 0, np.iinfo(np.int32).max, distance), axis=1)
    order = order[:, : min(neighbors, len(others) - 1)]
    nearest = np.take_along_axis(offsets, order[..., None], axis=1)
    table[used, : 3 * order.shape[1]] = nearest.reshape(len(nearest), -1) / 127.5
    return table
