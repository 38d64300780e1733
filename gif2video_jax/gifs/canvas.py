"""The screen that a GIF's images are drawn on, one after the other.

A canvas never changes: drawing and clearing give a new one, so that a frame can be handed out
without a copy, and disposal 3 (restore to previous) is to go back to an older canvas.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, UInt8, UInt16

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.palette import Palette

Box = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True, eq=False)
class Canvas:
    """Colours, indices and palettes of the screen; arrays are read-only.

    Attributes:
      rgb: 0 where nothing is drawn.
      alpha: True where something is drawn.
      indices: into the palette of the image that drew the pixel; 0 where nothing is drawn.
      palette_ids: which of `palettes` that is; 0 where nothing is drawn.
      palettes: the palettes in use.
      counts: how many pixels each of them has.
    """

    rgb: UInt8[np.ndarray, "h w 3"]
    alpha: Bool[np.ndarray, "h w"]
    indices: UInt8[np.ndarray, "h w"]
    palette_ids: UInt16[np.ndarray, "h w"]
    palettes: tuple[Palette, ...] = ()
    counts: tuple[int, ...] = ()

    @classmethod
    def empty(cls, width: int, height: int) -> "Canvas":
        """A screen on which nothing is drawn."""
        return cls(
            rgb=_frozen(np.zeros((height, width, 3), np.uint8)),
            alpha=_frozen(np.zeros((height, width), bool)),
            indices=_frozen(np.zeros((height, width), np.uint8)),
            palette_ids=_frozen(np.zeros((height, width), np.uint16)),
        )

    @property
    def opaque(self) -> bool:
        """Whether every pixel is drawn."""
        return sum(self.counts) == self.alpha.size

    def draw(
        self,
        box: Box,
        indices: UInt8[np.ndarray, "h w"],
        drawn: Bool[np.ndarray, "h w"] | None,
        palette: Palette,
    ) -> "Canvas":
        """Draws `indices` at left and top of `box`, clipped to the screen.

        Args:
          box: left, top, width, height; may reach out of the screen.
          indices: of the size of the box, each below the palette's number of colours.
          drawn: False where the canvas shows through; None draws every pixel.
          palette: gives the colours.
        """
        where = _slices(box)
        rows, columns = self.alpha[where].shape
        indices = np.ascontiguousarray(indices[:rows, :columns])
        if drawn is not None:
            drawn = drawn[:rows, :columns]
            if drawn.all():
                drawn = None
        if drawn is not None:
            # Places on the flat screen: four arrays are changed there, and gathers are fast.
            inside = np.flatnonzero(drawn)
            row, column = np.divmod(inside, columns)
            where = (row + box[1]) * self.alpha.shape[1] + column + box[0]
            indices = indices.reshape(-1)[inside]
        if indices.size == 0:
            return self
        palettes, slot = _add(self.palettes, palette)
        counts = list(self.counts) + [0] * (len(palettes) - len(self.counts))
        for index, count in self._count(where):
            counts[index] -= count
        counts[slot] += indices.size
        return _tidy(
            Canvas(
                rgb=_put(self.rgb, where, np.take(palette.colors, indices, axis=0)),
                alpha=self.alpha if self.opaque else _put(self.alpha, where, True),
                indices=_put(self.indices, where, indices),
                palette_ids=(
                    self.palette_ids if len(palettes) == 1 else _put(self.palette_ids, where, slot)
                ),
                palettes=palettes,
                counts=tuple(counts),
            )
        )

    def clear(self, box: Box) -> "Canvas":
        """Makes a box transparent, as browsers do for disposal 2 (restore to background)."""
        where = _slices(box)
        counts = list(self.counts)
        for index, count in self._count(where):
            counts[index] -= count
        if tuple(counts) == self.counts:
            return self
        return _tidy(
            Canvas(
                rgb=_put(self.rgb, where, 0),
                alpha=_put(self.alpha, where, False),
                indices=_put(self.indices, where, 0),
                palette_ids=_put(self.palette_ids, where, 0),
                palettes=self.palettes,
                counts=tuple(counts),
            )
        )

    def _count(self, where) -> list[tuple[int, int]]:
        """Which palettes the drawn pixels at `where` have, and how many."""
        drawn = _at(self.alpha, where)
        if len(self.palettes) <= 1:
            return [(0, int(np.count_nonzero(drawn)))] if self.palettes else []
        counts = np.bincount(_at(self.palette_ids, where)[drawn])
        return [(int(index), int(counts[index])) for index in np.flatnonzero(counts)]


def _slices(box: Box) -> tuple[slice, slice]:
    left, top, width, height = box
    return slice(top, top + height), slice(left, left + width)


def _add(palettes: tuple[Palette, ...], palette: Palette) -> tuple[tuple[Palette, ...], int]:
    """Finds a palette (the same object) among `palettes` or appends it; returns all, and where."""
    if palette in palettes:  # palettes compare by identity
        return palettes, palettes.index(palette)
    if len(palettes) > np.iinfo(np.uint16).max:
        raise InputError(f"one frame shows colours of more than {len(palettes)} palettes")
    return (*palettes, palette), len(palettes)


def _tidy(canvas: Canvas) -> Canvas:
    """Drops palettes that no pixel uses any more."""
    if all(canvas.counts):
        return canvas
    kept = [slot for slot, count in enumerate(canvas.counts) if count]
    lookup = np.zeros(max(1, len(canvas.counts)), np.uint16)
    lookup[kept] = np.arange(len(kept))
    return dataclasses.replace(
        canvas,
        palette_ids=_frozen(lookup[canvas.palette_ids]),
        palettes=tuple(canvas.palettes[slot] for slot in kept),
        counts=tuple(canvas.counts[slot] for slot in kept),
    )


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, *array.shape[2:])


def _at(array: np.ndarray, where) -> np.ndarray:
    """The values in a box (two slices) or at places on the flat screen."""
    return array[where] if isinstance(where, tuple) else _flat(array)[where]


def _put(array: np.ndarray, where, values) -> np.ndarray:
    """A copy of `array` with `values` in a box or at places on the flat screen."""
    array = array.copy()
    if isinstance(where, tuple):
        array[where] = values
    else:
        _flat(array)[where] = values
    return _frozen(array)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
