"""A GIF's palette: up to 256 colours in a fixed-size, zero-padded table."""

import dataclasses

import numpy as np
from jaxtyping import UInt8

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
