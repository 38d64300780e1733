"""Restored colours moved to where the GIF allows them, once it is clear how it was dithered.

Without dithering, and with a known ordered one, each pixel's truth lies in a cell of the palette
(`ops.palette_cells`). A network keeps to the cells only roughly. How a GIF was dithered shows in
how far its restored colours would have to move: the right kind moves few pixels, a wrong one many.
Error diffusion and lossy compression leave no cells: under every kind many pixels would move, and
the dither classifier sees the former (`gifs.dithering`). For GIFs that look lossy the question is
not asked (`Dequantizer`'s `cells`).
`benchmarks/cells.py` prints what is chosen, and what it gains.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from gif2video_jax.gifs.dithering import diffusion_probability
from gif2video_jax.gifs.dithers import bayer_matrix
from gif2video_jax.ops.image import to_float, to_uint8
from gif2video_jax.ops.palette_cells import move_into_cells
from gif2video_jax.restoring.compilation import StoredFunction

KINDS = ("none", *(f"bayer{scale}" for scale in range(6)))
"""Dithers that leave cells; see `gifs.dithers`."""

NEIGHBORS = 8
"""Colours around a pixel's own whose borders are looked at; of four more gained hardly anything."""

_LEVEL = 1 / 127.5
_TOLERANCE = 1.5 * _LEVEL  # rounding moves by less
# Of the pixels that the network changed, at most so many may move: where kinds hardly differ, as no
# dither and weak ones do, and where one moves them much less far than any other.
_MOST_MOVED, _MOST_MOVED_CLEARLY = 0.15, 0.25
_CLEARLY = 3.0  # times as far, in squares
_DIFFUSED = 0.7  # probability of error diffusion; below it moving gained in the mean
_FRAMES_CLASSIFIED = 3  # each takes 40 ms
_MIN_CHANGED = 500  # pixels that tell enough
_SAMPLE = 8192  # pixels of a frame that are judged
_CHUNK = 16384  # pixels moved at a time: one compilation for frames of any size
_SIDE = 8  # of an ordered dither's matrix

_Colors = UInt8[np.ndarray, "h w 3"]


class PixelGeometry(NamedTuple):
    """Palette geometry of a part of a frame.

    Attributes:
      table: offsets from each colour to its nearest others, see `gifs.palette.palette_geometry`.
      codes: the row of each pixel's colour in it.
    """

    table: Float32[np.ndarray, "colors g"]
    codes: Int32[np.ndarray, "h w"]

    def part(self, slices: tuple[slice, slice]) -> "PixelGeometry":
        """Of a part of the part."""
        return PixelGeometry(self.table, self.codes[slices])


class CellMover:
    """Moves the restored colours of one GIF's frames, given in order."""

    def __init__(self):
        """Compiles nothing yet."""
        self._judge = StoredFunction(_evidence, "cells: evidence")
        self._move = StoredFunction(_moved, "cells: move")
        matrices = [np.zeros((_SIDE, _SIDE)), *(bayer_matrix(scale) for scale in range(6))]
        self._shifts = np.stack(matrices).astype(np.float32) * np.float32(_LEVEL)
        self.restart()

    def restart(self) -> None:
        """Forgets what it knows: the next frame is the first of a GIF."""
        self._num_changed = 0.0
        self._num_moved = np.zeros(len(KINDS))
        self._squares = np.zeros(len(KINDS))
        self._diffused: list[float] = []  # of the first frames, as the classifier says
        self._num_classified: list[int] = []  # their pixels

    @property
    def kind(self) -> str | None:
        """How the frames so far look dithered, one of `KINDS`; None if by none of these."""
        if self._num_changed < _MIN_CHANGED:
            return None
        if self._diffused and np.average(self._diffused, weights=self._num_classified) >= _DIFFUSED:
            return None
        best, second = np.argsort(self._squares)[:2]  # colours move least
        is_clear = self._squares[second] > _CLEARLY * self._squares[best]
        most = (_MOST_MOVED_CLEARLY if is_clear else _MOST_MOVED) * self._num_changed
        return KINDS[best] if self._num_moved[best] <= most else None

    def __call__(
        self,
        clean: _Colors,
        gif: _Colors,
        geometry: PixelGeometry,
        *,
        top: int = 0,
        left: int = 0,
        known: Bool[np.ndarray, "h w"] | None = None,
    ) -> _Colors:
        """Looks at a part of the next frame, and moves its colours if it is clear where to.

        Args:
          clean: restored colours.
          gif: those of the GIF.
          geometry: of the same pixels.
          top: of the part within the frame, where an ordered dither's pattern starts.
          left: likewise.
          known: False where the frame is transparent: such pixels say nothing.

        Returns:
          The colours, moved or as they were.
        """
        self._look(clean, gif, geometry, _places(clean, top, left), known)
        kind = self.kind
        return clean if kind is None else self.move(clean, gif, geometry, kind, top=top, left=left)

    def move(
        self,
        colors: _Colors,
        gif: _Colors,
        geometry: PixelGeometry,
        kind: str,
        *,
        top: int = 0,
        left: int = 0,
    ) -> _Colors:
        """Moves colours of a part of a frame, however it came about.

        Args:
          colors: to be moved.
          gif: those of the GIF.
          geometry: see `__call__`.
          kind: how the GIF was dithered, one of `KINDS`.
          top: of the part within the frame.
          left: likewise.

        Returns:
          The colours.
        """
        shifts = self._shifts[KINDS.index(kind)].reshape(-1)[_places(colors, top, left)]
        moved = np.empty((colors.shape[0] * colors.shape[1], 3), np.uint8)
        for start in range(0, len(moved), _CHUNK):
            chosen = slice(start, start + _CHUNK)
            planes = _planes(colors, gif, geometry, chosen, _CHUNK)
            part = np.asarray(self._move(*planes, _padded(shifts[chosen], _CHUNK)))
            moved[chosen] = part.T[: len(moved) - start]
        return moved.reshape(colors.shape)

    def _look(
        self,
        clean: _Colors,
        gif: _Colors,
        geometry: PixelGeometry,
        places: Int32[np.ndarray, " pixels"],
        known: Bool[np.ndarray, "h w"] | None,
    ) -> None:
        """Adds what a sample of the pixels tells, and, of the first frames, the classifier."""
        if len(self._diffused) < _FRAMES_CLASSIFIED:
            probability = diffusion_probability(gif)
            if probability is not None:
                self._diffused.append(probability)
                self._num_classified.append(len(places))
        # An odd stride meets every place of the pattern.
        chosen = np.arange(0, len(places), (len(places) // _SAMPLE) | 1)[:_SAMPLE]
        if known is not None:
            chosen = chosen[known.reshape(-1)[chosen]]
        shifts = self._shifts.reshape(len(KINDS), -1)[:, places[chosen]]
        planes = _planes(clean, gif, geometry, chosen, _SAMPLE)
        num_changed, num_moved, squares = self._judge(*planes, _padded(shifts, _SAMPLE))
        self._num_changed += float(num_changed)
        self._num_moved += np.asarray(num_moved)
        self._squares += np.asarray(squares)


def _places(colors: np.ndarray, top: int, left: int) -> np.ndarray:
    """Each pixel's place in an ordered dither's matrix."""
    height, width = colors.shape[:2]
    rows, columns = (np.arange(top, top + height), np.arange(left, left + width))
    return (rows[:, None] % _SIDE * _SIDE + columns % _SIDE).reshape(-1).astype(np.int32)


def _planes(colors: _Colors, gif: _Colors, geometry: PixelGeometry, chosen, length: int):
    """What `move_into_cells` takes, of chosen pixels of a part of a frame."""
    channels = [array.reshape(-1, 3)[chosen].T for array in (colors, gif)]
    table = np.ascontiguousarray(geometry.table.T)
    offsets = np.take(table, geometry.codes.reshape(-1)[chosen], axis=1)
    return [_padded(array, length) for array in (*channels, offsets)]


def _padded(array: np.ndarray, length: int) -> np.ndarray:
    """Zeros at the end: pixels that are not changed, have no neighbours, and stay."""
    missing = length - array.shape[-1]
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)]) if missing else array


def _moved(clean, gif, geometry, shift):
    return to_uint8(move_into_cells(to_float(clean), to_float(gif), geometry, shift))


def _evidence(clean, gif, geometry, shifts):
    """How many pixels the network changed, and under each kind how many would move, how far."""
    colors, palette = to_float(clean), to_float(gif)
    num_changed = (abs(colors - palette).max(axis=0) > _TOLERANCE).sum()
    moves = [move_into_cells(colors, palette, geometry, shift) - colors for shift in shifts]
    num_moved = [(abs(move).max(axis=0) > _TOLERANCE).sum() for move in moves]
    squares = [(move**2).sum(axis=0).sum() for move in moves]
    return num_changed, num_moved, squares
