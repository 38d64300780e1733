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
    colors = palette.colors[used].astype(np.int32)
    codes = np.unique(colors[:, 0] << 16 | colors[:, 1] << 8 | colors[:, 2])
    others = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)
    count = min(neighbors, len(others) - 1)
    if count < 1:
        return table
    # Whole numbers below 2**24: exact in float32, and so a matrix product.
    ones, others_ones = np.ones((len(colors), 1), int), np.ones((len(others), 1), int)
    left = np.hstack([colors, np.square(colors).sum(-1, keepdims=True), ones])
    right = np.hstack([-2 * others, others_ones, np.square(others).sum(-1, keepdims=True)])
    distance = (left.astype(np.float32) @ right.astype(np.float32).T).astype(np.int32)
    # One number says distance and place: the lowest of the nearest come first, in any order of
    # sorting. The colour itself, at distance 0, is the very first, and no neighbour.
    keys = distance * np.int32(MAX_COLORS) + np.arange(len(others), dtype=np.int32)
    keys = np.sort(np.partition(keys, count, axis=1)[:, : count + 1], axis=1)[:, 1:]
    offsets = others[keys % MAX_COLORS] - colors[:, None]
    table[used, : 3 * count] = offsets.reshape(len(colors), -1) / 127.5
    return table
