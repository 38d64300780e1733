"""Fills holes of a video with CombCN, in windows of frames, in bounded memory.

    frames and masks -> scenes -> windows of F frames, half overlapping -> tiles around the holes
      -> the network -> blended over windows and tiles -> the holes of each frame

A network that corrects a fill (`CombCN.composition` "residual") sees thick holes at a half or a
quarter of the size, so that they are as thick as those it was trained on; the fill keeps its size,
and the correction is enlarged and added to it: the mean of those of four mirrored videos.
Everything outside the holes stays as it was.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from gif2video_jax.gifs.scenes import CutDetector
from gif2video_jax.models.combcn import CombCN
from gif2video_jax.ops.compiling import convolution_options
from gif2video_jax.ops.fill import fill_smoothly
from gif2video_jax.ops.image import shrink, to_float
from gif2video_jax.pretrained import Network
from gif2video_jax.restoring.compilation import StoredFunction
from gif2video_jax.restoring.hole_regions import HoleTile, plan_hole_tiles, tile_weights
from gif2video_jax.restoring.tiling import Box, round_up

# Axes of a video (n, t, h, w, c) that are turned round.
_MIRRORED = ((), (2,), (3,), (2, 3))

Picture = UInt8[np.ndarray, "h w c"]
Mask = Bool[np.ndarray, "h w"]


class Inpainter:
    """Fills the holes of a stream of frames.

    Attributes:
      window: how many frames the network sees at a time.
      num_cuts: scene changes met so far; no window reaches across one.
    """

    def __init__(
        self, network: Network, *, window: int = 8, cut_detector: CutDetector | None = None
    ):
        """Binds a CombCN network with its weights.

        Args:
          network: with or without guidance.
          window: frames that the network sees at a time, 2 or more.
          cut_detector: None takes all frames for one scene.

        Raises:
          ValueError: if the network is of another kind, or the window too short.
        """
        module = network.module
        if not isinstance(module, CombCN):
            raise ValueError(f"network: expected a CombCN, got {type(module).__name__}")
        if window < 2:
            raise ValueError(f"window: expected 2 frames or more, got {window}")
        self._module: Any = module
        self._variables = jax.device_put(network.variables)
        self.window = round_up(window, module.time_multiple)
        self._hop = self.window // 2
        # So far the farthest dilation reaches, at a quarter of the size: half of the side that the
        # network was trained on, if it was as the paper's is, and the thickest box of it.
        self._reach = 4 * max(module.dilations)
        corrects = module.composition == "residual"
        self._largest_factor = 4 if corrects else 1
        # What is seen around a hole, and the thickest hole that is filled at full size.
        self._margin = 2 * self._reach if corrects else self._reach
        self._thickness = 4 * self._reach if corrects else 2 * self._reach
        self._cut_detector = cut_detector
        self.num_cuts = 0
        self._compiled = functools.cache(self._compiled_at)

    def fill(self, frames: Iterable[Picture], masks: Iterable[Mask]) -> Iterator[Picture]:
        """Yields the frames with their holes filled.

        Args:
          frames: RGB, [0, 255]; a fourth channel stays as it is.
          masks: True in holes; one for each frame, more are not read.

        Returns:
          As many frames; outside holes they hold what was given, bit for bit.

        Raises:
          ValueError: a mask has another size than its frame, or there are too few.
        """
        waiting: list[_Waiting] = []
        remaining = iter(masks)
        for frame in frames:
            mask = next(remaining, None)
            if mask is None or mask.shape != frame.shape[:2]:
                got = "none" if mask is None else mask.shape
                raise ValueError(f"mask: expected shape {frame.shape[:2]}, got {got}")
            new = _Waiting(frame, mask)
            if waiting and self._is_cut(waiting[-1], new):
                yield from self._finish(waiting)
                waiting = []
            waiting.append(new)
            if len(waiting) == self.window:
                self._run(waiting)
                # Later windows do not see the first frames: these are done.
                for done in waiting[: self._hop]:
                    yield done.result()
                waiting = waiting[self._hop :]
        yield from self._finish(waiting)

    def _finish(self, waiting: list["_Waiting"]) -> Iterator[Picture]:
        """The last window of a scene, and what is still waiting."""
        if not all(frame.seen for frame in waiting):
            self._run(waiting)
        for done in waiting:
            yield done.result()

    def _is_cut(self, previous: "_Waiting", following: "_Waiting") -> bool:
        if self._cut_detector is None:
            return False
        known = ~(previous.mask | following.mask)[..., None]
        pictures = [np.where(known, x.frame[..., :3], 0) for x in (previous, following)]
        cut = self._cut_detector.is_cut(*pictures)
        self.num_cuts += cut
        return cut

    def _run(self, frames: list["_Waiting"]) -> None:
        """Adds a window's results to its frames; a short window repeats its last frame."""
        count = len(frames)
        masks = np.stack([frame.mask for frame in frames])
        places = np.arange(count)
        # Most in the middle of a window, where the network sees both sides.
        weights = np.minimum(places + 1, self.window - places).astype(np.float32)
        for frame in frames:
            frame.seen = True
        if not masks.any():
            return
        order = np.minimum(np.arange(self.window), count - 1)
        tiles = plan_hole_tiles(
            masks,
            thickness=self._thickness,
            margin=self._margin,
            multiple=self._module.multiple * self._largest_factor,
        )
        for tile in tiles:
            size = (tile.window.height, tile.window.width)
            video = np.stack([_cut(frames[i].frame[..., :3], tile.window) for i in order])
            holes = np.ones((self.window, *size), bool)  # beyond the frame nothing is known
            inside = masks[(order, *_within(tile.window))]
            holes[:, : inside.shape[1], : inside.shape[2]] = inside
            sizes = {"scale": tile.scale, "factor": self._factor(tile)}
            values = np.asarray(self._complete(self._variables, video, holes, **sizes))
            for frame, result, weight in zip(frames, values, weights, strict=False):
                frame.add(tile, result, float(weight))

    def _complete(self, variables: Any, video: Any, holes: Any, scale: int, factor: int) -> Any:
        return self._compiled(scale, factor)(variables, video, holes)

    def _factor(self, tile: HoleTile) -> int:
        """How many pixels of the fill make one of the network's: 1, 2 or 4."""
        factor = 1
        while factor < self._largest_factor and tile.thickness > tile.scale * factor * self._reach:
            factor *= 2
        return factor

    def _compiled_at(self, scale: int, factor: int) -> StoredFunction:
        return StoredFunction(
            functools.partial(self._complete_tile, scale=scale, factor=factor),
            f"complete {self._module!r} {scale} {factor}",
            convolution_options(),
        )

    def _complete_tile(
        self,
        variables: Any,
        video: UInt8[Array, "t h w 3"],
        holes: Bool[Array, "t h w"],
        scale: int,
        factor: int,
    ) -> Float[Array, "t h w 3"]:
        """The network's frames of a tile in levels of 0 to 255, at full size."""
        frames, mask = to_float(video), holes.astype(jnp.float32)[..., None]
        if scale == 1:
            return _levels(self._completed(variables, frames, mask, factor))
        t, h, w, _ = frames.shape
        small_shape = (t, h // scale, scale, w // scale, scale)
        # The network also guesses what is known around the hole: there its error is seen.
        hole, mask = mask, _grown(mask, scale)
        known = (1 - mask).reshape(*small_shape, 1).sum(axis=(2, 4))
        small = (frames * (1 - mask)).reshape(*small_shape, 3).sum(axis=(2, 4))
        small = small / jnp.maximum(known, 1)
        small_mask = (known < scale * scale).astype(jnp.float32)
        result = self._completed(variables, small, small_mask, factor)
        result = small + small_mask * (result - small)
        large = jax.image.resize(result, frames.shape, "bilinear", antialias=False)
        # The error at the hole's edge is carried smoothly into the hole and taken off.
        return _levels(large + fill_smoothly(frames - large, mask - hole))

    def _completed(
        self,
        variables: Any,
        frames: Float[Array, "t h w 3"],
        mask: Float[Array, "t h w 1"],
        factor: int,
    ) -> Float[Array, "t h w 3"]:
        """The frames completed; by a `factor` above 1 the fill of this size, corrected at less."""
        if factor == 1:
            return self._module.apply(variables, frames[None], mask[None]).frames[0]
        filled = self._module.apply(variables, frames[None], mask[None], method="fill_holes")
        small, small_mask = shrink(filled, factor), jnp.ceil(shrink(mask[None], factor))
        # Small as they are, four mirrored videos cost little, and their mean errs less than each.
        both = jnp.concatenate([small, small_mask], axis=-1)
        both = jnp.concatenate([jnp.flip(both, axes) for axes in _MIRRORED])
        video, given, holes = both[..., :3], both[..., :-1], both[..., -1:]
        result = self._module.apply(variables, video, holes, filled=given).frames
        results = [
            jnp.flip(one, axes) for one, axes in zip(result[:, None], _MIRRORED, strict=True)
        ]
        correction = (small_mask * (sum(results) / len(results) - small[..., :3]))[0]
        large = jax.image.resize(correction, frames.shape, "bilinear", antialias=False)
        return filled[0, ..., :3] + mask * large


@dataclasses.dataclass
class _Waiting:
    """A frame whose hole is not filled by all of its windows yet."""

    frame: Picture
    mask: Mask
    seen: bool = False

    def __post_init__(self):
        self._rows, self._columns = np.nonzero(self.mask)
        self._total: np.ndarray | None = None
        self._weight: np.ndarray | None = None

    def add(self, tile: HoleTile, result: Float[np.ndarray, "h w 3"], weight: float) -> None:
        """Adds a tile's result, which covers the tile's window, to the mean."""
        core, rows, columns = tile.core, self._rows, self._columns
        inside = (rows >= core.top) & (rows < core.bottom)
        inside &= (columns >= core.left) & (columns < core.right)
        rows, columns = rows[inside], columns[inside]
        if not len(rows):
            return
        if self._total is None or self._weight is None:
            self._total = np.zeros((len(self._rows), 3), np.float32)
            self._weight = np.zeros((len(self._rows), 1), np.float32)
        weights = weight * tile_weights(tile, rows, columns)[:, None]
        window = tile.window
        self._total[inside] += weights * result[rows - window.top, columns - window.left]
        self._weight[inside] += weights

    def result(self) -> Picture:
        """The frame with its hole filled."""
        if self._total is None or self._weight is None:
            return self.frame
        filled = self.frame.copy()
        mean = self._total / self._weight
        filled[self._rows, self._columns, :3] = np.clip(np.round(mean), 0, 255).astype(np.uint8)
        return filled


def _grown(mask: Float[Array, "t h w 1"], by: int) -> Float[Array, "t h w 1"]:
    """The mask and what is at most so many pixels beside it."""
    return nn.max_pool(mask, (2 * by + 1, 2 * by + 1), padding="SAME")


def _levels(image: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return jnp.clip((image + 1) * 127.5, 0.0, 255.0)


def _within(box: Box) -> tuple[slice, slice]:
    return slice(box.top, box.bottom), slice(box.left, box.right)


def _cut(image: UInt8[np.ndarray, "h w 3"], box: Box) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A part of an image; zeros beyond it."""
    part = image[_within(box)]
    rows, columns = box.height - part.shape[0], box.width - part.shape[1]
    return np.pad(part, ((0, rows), (0, columns), (0, 0))) if rows or columns else part
