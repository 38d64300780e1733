"""Frames of a GIF, one after the other, through a dequantising network.

Work is reused: a frame equal to the one before costs nothing, and where only a part of the frame
changed, only that part is computed again, and what lies within the network's reach of it. Colours
of a network that reads the palette's geometry are moved to where the GIF allows them (`cells.py`).
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, UInt8

from gif2video_jax.gifs.palette import MAX_COLORS, Palette, palette_geometry
from gif2video_jax.gifs.reader import Frame
from gif2video_jax.models.ccdnet import CCDNet
from gif2video_jax.models.unet import UNet
from gif2video_jax.ops.compiling import convolution_options
from gif2video_jax.ops.image import to_float, to_uint8
from gif2video_jax.pretrained import Network
from gif2video_jax.restoring.cells import NEIGHBORS, CellMover, PixelGeometry
from gif2video_jax.restoring.compilation import StoredFunction
from gif2video_jax.restoring.tiling import BUCKET, Box, apply_in_tiles, round_up

_Colors = UInt8[np.ndarray, "h w 3"]


class Dequantizer:
    """Removes the palette's damage from a GIF's frames in order."""

    def __init__(
        self,
        network: Network,
        *,
        strength: float = 1.0,
        tile: int | None = None,
        cells: bool = True,
    ):
        """Binds a network.

        Args:
          network: a CCDNet-1 or CCDNet-k with its weights.
          strength: how much of the change is applied, 0 to 1.
          tile: side of the tiles, pixels; None for whole frames as far as memory allows.
          cells: False leaves colours where the network puts them.
        """
        self._module: Any = network.module
        self._variables = jax.device_put(network.variables)
        self._strength = strength
        self._tile = tile
        unet = UNet(out_channels=3, **self._module.unet)
        # CCDNet-k's U-Nets see each other's results: their reaches add up.
        num_steps = 1 + self._module.unroll if isinstance(self._module, CCDNet) else 1
        detail_reach = 1 if getattr(self._module, "detail_gain", 0.0) else 0
        self._multiple, self._reach = unet.multiple, num_steps * unet.reach + detail_reach
        self._geometry_channels = getattr(self._module, "geometry_channels", 0)
        self._geometry = functools.lru_cache(maxsize=64)(_geometry_table)
        self._requantizes = isinstance(self._module, CCDNet) and self._module.requantize
        self._apply = StoredFunction(
            self._forward, f"dequantize {self._module!r}", convolution_options()
        )
        self._mover = CellMover() if cells and self._geometry_channels > 0 else None
        self.restart()

    def restart(self) -> None:
        """Forgets the frames so far: the next one is the first of a GIF."""
        self._last_gif: _Colors | None = None
        self._last: _Colors | None = None
        if self._mover is not None:
            self._mover.restart()

    def __call__(self, frame: Frame, rgb: _Colors | None = None) -> _Colors:
        """Restores the next frame.

        Args:
          frame: the GIF frame; its indices and palettes tell what each pixel may have been.
          rgb: its colours, if they are not `frame.rgb` (transparent pixels over a background).

        Returns:
          The clean frame, [0, 255]. Not to be written to: it may be returned again.
        """
        gif = frame.rgb if rgb is None else rgb
        box = self._changed(gif)
        if box is not None:
            self._compute(frame, gif, box)
        assert self._last is not None
        return self._last

    def mender(self, frame: Frame) -> Callable[[_Colors, Box], _Colors] | None:
        """What moves other guesses of a frame to where the GIF allows them, as far as known by now.

        Args:
          frame: the one that was restored last.

        Returns:
          A function of a box and its colours, such as an average's, in place of the restored ones;
          it gives the moved colours. None if colours are not moved.
        """
        kind = None if self._mover is None else self._mover.kind
        return None if kind is None else functools.partial(self._mended, frame, kind)

    def _mended(self, frame: Frame, kind: str, colors: _Colors, box: Box) -> _Colors:
        assert self._mover is not None
        geometry = self.geometry_of(frame).part(box.slices)
        gif = frame.rgb[box.slices]
        moved = self._mover.move(colors, gif, geometry, kind, top=box.top, left=box.left)
        if frame.alpha is None:
            return moved
        return np.where(frame.alpha[box.slices][..., None], moved, colors)

    def _changed(self, gif: _Colors) -> Box | None:
        """Where a frame differs from the one before; None if nowhere."""
        if self._last_gif is None or self._last_gif.shape != gif.shape:
            return Box(0, 0, *gif.shape[:2])
        return difference_box(self._last_gif, gif)

    def _compute(self, frame: Frame, gif: _Colors, box: Box) -> None:
        """Computes what a change within a box can reach; keeps the rest of the frame before."""
        height, width = gif.shape[:2]
        target = box.grown(self._reach, height, width)
        step = round_up(BUCKET, self._multiple)
        window = _window(target, self._reach, step, height, width)
        arrays = [gif[window.slices]]
        geometry = self.geometry_of(frame) if self._geometry_channels > 0 else None
        if geometry is not None:
            offsets = np.ascontiguousarray(geometry.table[:, : self._geometry_channels])
            arrays.append(offsets[geometry.codes[window.slices]])
        elif self._requantizes:
            self._palette, self._num_colors = _joint_palette(gif)
        value = apply_in_tiles(
            self._run, arrays, multiple=self._multiple, overlap=self._reach, tile=self._tile
        )
        inside = target.within(window).slices
        value = value[inside]
        if self._mover is not None and geometry is not None:
            value = self._moved(value, frame, geometry.part(target.slices), target)
        if self._strength != 1:
            change = value.astype(np.float32) - gif[target.slices]
            value = np.round(gif[target.slices] + self._strength * change).astype(np.uint8)
        if target == Box(0, 0, height, width):
            result = value
        else:
            assert self._last is not None
            result = self._last.copy()
            result[target.slices] = value
        result.setflags(write=False)
        self._last_gif, self._last = gif, result

    def _moved(self, clean: np.ndarray, frame: Frame, geometry: PixelGeometry, target: Box):
        """Colours of a part of the frame, where the GIF allows them."""
        assert self._mover is not None
        known = None if frame.alpha is None else frame.alpha[target.slices]
        gif = frame.rgb[target.slices]
        return self._mover(clean, gif, geometry, top=target.top, left=target.left, known=known)

    def _run(self, *arrays: np.ndarray) -> np.ndarray:
        extra = (self._palette, self._num_colors) if self._requantizes else ()
        return np.asarray(self._apply(self._variables, *(a[None] for a in arrays), *extra))[0]

    def _forward(self, variables, gif, *extra):
        image = to_float(gif)
        clean = self._module.apply(variables, image, *extra)
        clean = clean[-1] if isinstance(clean, list) else clean
        return to_uint8(clean)

    def geometry_of(self, frame: Frame) -> PixelGeometry:
        """Palette geometry of a frame, from the palettes of the images that drew its pixels.

        Only colours that the frame really uses count, as in training.

        Args:
          frame: the GIF frame.

        Returns:
          Offsets to as many other colours as the network reads, or as the mover of colours does,
          whichever is more.
        """
        codes = frame.palette_ids.astype(np.int32) * MAX_COLORS + frame.indices
        used = np.bincount(codes.ravel(), minlength=MAX_COLORS * len(frame.palettes)) > 0
        neighbors = max(self._geometry_channels // 3, NEIGHBORS)
        tables = [
            self._geometry(palette, uses.tobytes(), neighbors)
            for palette, uses in zip(frame.palettes, used.reshape(-1, MAX_COLORS), strict=True)
        ]
        return PixelGeometry(np.concatenate(tables), codes)


def _geometry_table(palette: Palette, used: bytes, neighbors: int) -> Float[np.ndarray, "256 g"]:
    """`palette_geometry`, with arguments that a cache can hold."""
    return palette_geometry(palette, np.frombuffer(used, bool), neighbors=neighbors)


def difference_box(
    first: UInt8[np.ndarray, "h w c"], second: UInt8[np.ndarray, "h w c"]
) -> Box | None:
    """The smallest box that holds every pixel in which two images differ; None if none does."""
    different = (first != second).any(-1)
    rows = np.flatnonzero(different.any(1))
    if not len(rows):
        return None
    columns = np.flatnonzero(different[rows[0] : rows[-1] + 1].any(0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def _window(target: Box, reach: int, step: int, height: int, width: int) -> Box:
    """What must be read to compute `target`: grown by the reach, sides multiples of `step`.

    The origin stays on the network's blocks. A window that covers most of the frame becomes the
    whole frame, whose shape is compiled already.
    """
    box = target.grown(reach, height, width)
    top, left = box.top // step * step, box.left // step * step
    bottom = min(height, top + round_up(box.bottom - top, 4 * step))
    right = min(width, left + round_up(box.right - left, 4 * step))
    if (bottom - top) * (right - left) > 0.6 * height * width:
        return Box(0, 0, height, width)
    return Box(top, left, bottom, right)


def _joint_palette(
    gif: _Colors,
) -> tuple[UInt8[np.ndarray, "1 256 3"], np.ndarray]:
    """The colours that a composited frame uses, for f_C; the 256 most frequent if there are more.

    The paper's `num_colors` is the number of colours that the frame uses.
    """
    packed = gif.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    values, counts = np.unique(packed, return_counts=True)
    values = np.sort(values[np.argsort(-counts, kind="stable")[:MAX_COLORS]])
    colors = np.stack([values >> 16, values >> 8 & 255, values & 255], -1).astype(np.uint8)
    palette = Palette.from_colors(colors)
    return palette.colors[None], np.array([palette.num_colors], np.int32)
