"""Makes a GIF smaller by letting pixels take colours that the compressor has seen in this order.

LZW stores a string of pixels that came before as one code (GIF89a, appendix F). A lossy compressor
takes a longer string whose colours are near enough: what `gifsicle --lossy` does, and with it many
sites that serve GIFs. The error of one pixel is carried on to the next, as dithering does; what is
left looks like streaks along rows. Training makes such GIFs, so that they can be restored, and
`looks_lossy` tells them: read along columns, a picture compresses as well as along rows, unless its
rows were made to.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.gifs.palette import Palette
from gif2video_jax.gifs.reader import Frame

_MAX_CODES = 4096
_SQUARED_PER_UNIT = 10  # squared RGB distance that a unit of `lossy` allows
_CARRIED = 0.75  # share of a pixel's error that the next one sees
# Bytes that rows take, of those that columns do. Of 198 GIFs of stills made in six ways 2 are below
# without loss, and 111, 145, 158 and 168 at `lossy` 20, 40, 80 and 200; those of 16 colours, and
# pictures that are mostly flat, change too little.
_MOST_BY_ROWS = 0.82
_MAX_SIDE = 1024  # of the part that is compressed: enough of a large frame

Color = tuple[int, int, int]
Error = tuple[float, float, float]


def compress_lossily(
    indices: UInt8[np.ndarray, "h w"], palette: Palette, lossy: int
) -> UInt8[np.ndarray, "h w"]:
    """Changes pixels so that LZW makes fewer codes of them.

    Args:
      indices: of a frame, each below `palette.num_colors`.
      palette: its colours.
      lossy: as gifsicle's option: a pixel may be off by a squared RGB distance of 10 times this,
        and as errors are carried on, by 5.5 times that at most; 20 to 200 are common, 0 changes
        nothing.

    Returns:
      The frame that a decoder gets.

    Raises:
      ValueError: if `lossy` is below 0.
    """
    if lossy < 0:
        raise ValueError(f"lossy: expected 0 or more, got {lossy}")
    if lossy == 0:
        return indices
    search = _Search(indices, palette, lossy)
    return np.frombuffer(search.run(), np.uint8).reshape(indices.shape)


def looks_lossy(frames: Sequence[Frame]) -> bool:
    """Whether the frames of a GIF look compressed lossily.

    Pictures of large flat areas, of which little was changed, are not told.
    """
    rows = columns = 0
    for frame in frames:
        indices = frame.indices[:_MAX_SIDE, :_MAX_SIDE]
        rows += len(zlib.compress(indices.tobytes()))
        columns += len(zlib.compress(indices.T.tobytes()))
    return rows < _MOST_BY_ROWS * columns


class _Search:
    """The strings seen so far, as a tree, and the search for the longest that is near enough."""

    def __init__(self, indices, palette: Palette, lossy: int):
        self._pixels: list[int] = indices.ravel().tolist()
        self._colors: list[Color] = [tuple(color) for color in palette.colors.tolist()]
        self._num_roots = max(4, 1 << (palette.num_colors - 1).bit_length())
        self._most = _SQUARED_PER_UNIT * lossy

    def run(self) -> bytes:
        """The pixels as they are stored."""
        pixels, stored = self._pixels, bytearray()
        self._clear()
        while len(stored) < len(pixels):
            node, string = self._longest(len(stored))
            stored += string
            if len(stored) < len(pixels):
                self._children[node][pixels[len(stored)]] = len(self._children)
                self._children.append({})
            if len(self._children) > _MAX_CODES - 3:  # less the codes of clear and end
                self._clear()
        return bytes(stored)

    def _clear(self) -> None:
        self._children: list[dict[int, int]] = [{} for _ in range(self._num_roots)]

    def _longest(self, start: int) -> tuple[int, bytes]:
        """Of the strings near enough to the pixels from `start` on the longest, then the nearest.

        The first pixel keeps its colour.
        """
        pixels, children = self._pixels, self._children
        end = len(pixels)
        first = pixels[start]
        best = (1, 0.0, first, bytes([first]))
        branches = [(first, bytes([first]), 0.0, (0.0, 0.0, 0.0))]
        while branches:
            node, string, off, error = branches.pop()
            length = len(string)
            if length > best[0] or (length == best[0] and off < best[1]):
                best = (length, off, node, string)
            if start + length == end or not children[node]:
                continue
            wanted = pixels[start + length]
            for index, child in children[node].items():
                if index == wanted:
                    branches.append((child, string + bytes([index]), off, _scaled(error)))
                    continue
                distance, carried = self._distance(index, wanted, error)
                if distance <= self._most:
                    branches.append((child, string + bytes([index]), off + distance, carried))
        return best[2], best[3]

    def _distance(self, index: int, wanted: int, error: Error) -> tuple[float, Error]:
        """How far one colour is from another, and what the next pixel is to make up for.

        Making up is not asked for: the smaller distance counts, with the error or with half of it.
        """
        r, g, b = self._colors[index]
        r2, g2, b2 = self._colors[wanted]
        red, green, blue = r - r2, g - g2, b - b2
        er, eg, eb = error
        whole = (red + er) ** 2 + (green + eg) ** 2 + (blue + eb) ** 2
        half = (red + er / 2) ** 2 + (green + eg / 2) ** 2 + (blue + eb / 2) ** 2
        carried = (red + _CARRIED * er, green + _CARRIED * eg, blue + _CARRIED * eb)
        return min(whole, half), carried


def _scaled(error: Error) -> Error:
    return (_CARRIED * error[0], _CARRIED * error[1], _CARRIED * error[2])
