"""Fills large holes with colours that are there around them, without any network.

A harmonic surface (`ops.fill`) is a weighted mean of the colours at a hole's edge: what it shows
where dark meets light is neither. A weighted median shows one or the other, whichever is nearer or
more, and errs least in absolute value:

  filled(x) = median of the colours at the edge, each with the weight distance to x ^ -2

in each colour channel, on a coarse grid; what it misses by at the edge is continued harmonically
into the hole and taken off, so there is no seam. Not part of CombCN; what it gains is in
docs/inpainting.md.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gif2video_jax.ops.fill import fill_smoothly
from gif2video_jax.ops.image import resize_bilinear

_CELLS = 1024  # of the coarse grid at most: each is compared with each
_THRESHOLDS = 32  # at which the distribution of colours is known; 16 err 0.4 % more
_NEAREST = 0.25  # squared distance that a cell has to itself, in cells
_DECAY = 0.8  # how much less a frame's edge counts than that of one that is nearer by one frame
_DIFFERENT = 0.01  # mean squared difference of frames at which one counts a quarter for the other

Video = Float[Array, "t h w c"]
Known = Float[Array, "t h w 1"]


def fill_with_medians(
    video: Float[Array, "t h w c"], known: Float[Array, "t h w 1"]
) -> Float[Array, "t h w c"]:
    """Fills what is unknown with weighted medians of the colours around it.

    Args:
      video: frames of one scene, any values where `known` is 0.
      known: 1 where a pixel is known, 0 where not.

    Returns:
      The video with the unknown filled in; known pixels are as they were. A video of which nothing
      is known becomes 0.
    """
    medians = _medians(video * known, known)
    filled = medians + fill_smoothly(video - medians, known)
    return jnp.where(known > 0, video, filled)


def _medians(video: Video, known: Known) -> Video:
    """Of the colours at the edges of holes, everywhere; 0 if there are no holes or nothing else."""
    num_frames, height, width, channels = video.shape
    side = _cell_side(height, width)
    weights = _blocks(known, side)
    colors = _blocks(video, side) / jnp.maximum(weights, 1e-6)
    alike = _alike(colors, weights)
    rows, columns = weights.shape[1:3]
    # An edge is of cells that are known, if only in part, beside unknown ones. A hole too small to
    # have such has no edge: it is filled harmonically alone.
    window, around = (1, 3, 3, 1), [(0, 0), (1, 1), (1, 1), (0, 0)]
    least = jax.lax.reduce_window(weights, jnp.inf, jax.lax.min, window, (1, 1, 1, 1), around)
    weights = jnp.where(least < 1e-3, weights, 0.0).reshape(num_frames, -1)
    colors = colors.reshape(num_frames, -1, channels)
    # What share of the edge, as seen from each cell, is no lighter than each of some colours. Of
    # the edges of all frames, or medians would jump from frame to frame.
    thresholds = _quantiles(colors.reshape(-1, channels), weights.reshape(-1))
    below = weights[:, :, None, None] * (colors[:, :, None] <= thresholds)
    nearness = _nearness(rows, columns)
    share, total = (
        jnp.einsum("ts,pq,sq...->tp...", alike, nearness, x, precision="highest")
        for x in (below, weights)
    )
    share = share / jnp.maximum(total, 1e-6)[:, :, None, None]
    rise = jnp.clip((0.5 - share[:, :, :-1]) / jnp.maximum(jnp.diff(share, axis=2), 1e-6), 0.0, 1.0)
    medians = thresholds[0] + (rise * jnp.diff(thresholds, axis=0)).sum(axis=2)
    grid = medians.reshape(num_frames, rows, columns, channels)
    large = resize_bilinear(grid, rows * side, columns * side, align_corners=False)
    return large[:, :height, :width]


def _alike(colors: Video, weights: Known) -> Float[Array, "t t"]:
    """How much each frame's edge counts for each: the less the farther and the more different."""
    weights = weights.reshape(weights.shape[0], -1)
    colors = colors.reshape(*weights.shape, -1)

    def squared_difference(one, other, known_1, known_2):
        both = known_1 * known_2
        squared = jnp.square(one - other).mean(axis=-1)
        return (both * squared).sum() / jnp.maximum(both.sum(), 1e-6)

    to_each = jax.vmap(squared_difference, (None, 0, None, 0))
    difference = jax.vmap(to_each, (0, None, 0, None))(colors, colors, weights, weights)
    frame = np.arange(weights.shape[0])
    distance = np.abs(frame[:, None] - frame)
    return _DECAY**distance / jnp.square(1 + difference / _DIFFERENT)


def _quantiles(colors: Float[Array, "q c"], weights: Float[Array, " q"]) -> Float[Array, "k c"]:
    """Colours of cells that have a weight, from the least to the largest; 0 if none has."""
    count = jnp.sum(weights > 0)
    ordered = jnp.sort(jnp.where(weights[:, None] > 0, colors, jnp.inf), axis=0)
    places = jnp.linspace(0.0, 1.0, _THRESHOLDS) * jnp.maximum(count - 1, 0)
    chosen = ordered[jnp.round(places).astype(jnp.int32)]
    return jnp.where(count > 0, chosen, 0.0)


def _blocks(video: Video, side: int) -> Float[Array, "t r s c"]:
    """Means of side x side pixels; zeros beyond the image."""
    num_frames, height, width, channels = video.shape
    video = jnp.pad(video, ((0, 0), (0, -height % side), (0, -width % side), (0, 0)))
    rows, columns = video.shape[1] // side, video.shape[2] // side
    return video.reshape(num_frames, rows, side, columns, side, channels).mean(axis=(2, 4))


def _cell_side(height: int, width: int) -> int:
    """The smallest with which the grid has no more than `_CELLS`."""
    side = 1
    while -(-height // side) * -(-width // side) > _CELLS:
        side += 1
    return side


@functools.cache
def _nearness(rows: int, columns: int) -> Float[np.ndarray, "p p"]:
    """1 / squared distance from each cell to each."""
    places = np.argwhere(np.ones((rows, columns))).astype(np.float32)
    squared = np.square(places[:, None] - places).sum(axis=-1)
    return 1 / (squared + _NEAREST)
