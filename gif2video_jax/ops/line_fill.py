"""Fills holes by continuing what lies on both sides of them along lines, without any network.

Edges and contours that run into a hole mostly run out of it on the other side. Through each unknown
pixel go eight lines; each meets the hole's edge at two ends, and where both ends show the same
colour, that colour probably lies between them:

  filled(x) = sum over lines and their ends of w colour / sum of w
  w = distance to the end ^ -1.5 / (1 + d / 0.01)^2

where d is the mean squared difference of the line's two ends. Deep in a hole ends are blocks of 3x3
pixels, or single ones would be drawn out to streaks. Where no line has like ends a harmonic surface
counts instead (`ops.fill`); alone it is a mean of all that is around, and shows neither dark nor
light where both meet. What all this misses by at the edge is continued harmonically into the hole
and taken off, so there is no seam. Not part of CombCN; what it gains is in docs/inpainting.md.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gif2video_jax.ops.fill import fill_smoothly
from gif2video_jax.ops.filters import mean_filter
from gif2video_jax.ops.image import resize_bilinear

# Columns that a line moves by from one row to the next; and rows from one column to the next, the
# diagonals being among the former already.
_ACROSS_ROWS = (-2, -1, 0, 1, 2)
_ACROSS_COLUMNS = (-2, 0, 2)
_DIFFERENT = 0.01  # mean squared difference of two ends; in units of half the range of colours
_LONE = 0.01  # weight of a line of which only one end is in the picture; of like ends it is 1
_HARMONIC = 0.1  # weight of the harmonic surface; that of lines is the mean of their likenesses
_AREA = 1  # pixels around an end over which its colour is averaged
_BLOCK = 3  # side of the blocks that are the ends for what lies deep in a hole, pixels
_DEEP = 2  # blocks from the edge to where only they count
_DECAY = 0.9  # how much less a frame counts than one that is nearer by one frame
_DIFFERENT_FRAMES = 0.01  # mean squared difference of frames at which one counts a quarter

Video = Float[Array, "t h w c"]
Known = Float[Array, "t h w 1"]


def fill_along_lines(
    video: Float[Array, "t h w c"], known: Float[Array, "t h w 1"]
) -> Float[Array, "t h w c"]:
    """Fills what is unknown with what lines through it meet on both sides.

    Args:
      video: frames of one scene in [-1, 1]; any values where `known` is 0.
      known: 1 where a pixel is known, 0 where not.

    Returns:
      The video with the unknown filled in; known pixels are as they were. A video of which nothing
      is known becomes 0.
    """
    video = video * known
    around = mean_filter(video, _AREA) / jnp.maximum(mean_filter(known, _AREA), 1e-6)
    # Each frame's edges and what follows from them are averaged with those of frames that look
    # alike: made up of each one's own, they would jump.
    alike = _alike(around, known)
    edges = _pooled(around, known, alike) * known
    both = fill_smoothly(jnp.concatenate([edges, video - edges], axis=-1), known)
    harmonic, correction = jnp.split(both, 2, axis=-1)
    near, far = _lines(edges, known), _lines_between_blocks(edges, known)
    deep = jnp.maximum(1 - 4 * mean_filter(known, _DEEP * _BLOCK), 0.0)
    lines = near + deep * (far - near)
    colors, likeness = lines[..., :-1], lines[..., -1:]
    filled = (likeness * colors + _HARMONIC * harmonic) / (likeness + _HARMONIC)
    return jnp.where(known > 0, video, _pooled(filled, 1 - known, alike) + correction)


def _alike(around: Video, known: Known) -> Float[Array, "t t"]:
    """How much each frame counts for each: the less the farther and the more different."""
    frame = np.arange(around.shape[0])

    def difference(i):
        both = known * known[i]
        squared = jnp.square(around - around[i]).mean(axis=-1, keepdims=True)
        return (both * squared).sum(axis=(1, 2, 3)) / jnp.maximum(both.sum(axis=(1, 2, 3)), 1e-6)

    different = jax.lax.map(difference, jnp.asarray(frame)) / _DIFFERENT_FRAMES
    return _DECAY ** np.abs(frame[:, None] - frame) / jnp.square(1 + different)


def _pooled(video: Video, valid: Known, alike: Float[Array, "t t"]) -> Video:
    """The average over frames, as far as they are alike, of those that are valid at a pixel."""
    flat = jnp.concatenate([video * valid, valid], axis=-1).reshape(video.shape[0], -1)
    sums = jnp.einsum("ts,sp->tp", alike, flat, precision="highest")
    sums = sums.reshape(*video.shape[:3], -1)
    return sums[..., :-1] / jnp.maximum(sums[..., -1:], 1e-6)


def _lines_between_blocks(edges: Video, known: Known) -> Float[Array, "t h w _"]:
    """`_lines` at a third of the size, enlarged."""
    num_frames, height, width, channels = edges.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    padding = ((0, 0), (0, rows * _BLOCK - height), (0, columns * _BLOCK - width), (0, 0))
    both = jnp.pad(jnp.concatenate([edges, known], axis=-1), padding)
    both = both.reshape(num_frames, rows, _BLOCK, columns, _BLOCK, channels + 1).sum(axis=(2, 4))
    weights = both[..., -1:]
    colors, known = both[..., :-1] / jnp.maximum(weights, 1.0), jnp.minimum(weights, 1.0)
    lines = _lines(colors, known)
    blocks = jnp.where(known > 0, jnp.concatenate([colors, known], axis=-1), lines)
    large = resize_bilinear(blocks, rows * _BLOCK, columns * _BLOCK, align_corners=False)
    return large[:, :height, :width]


def _lines(edges: Video, known: Known) -> Float[Array, "t h w _"]:
    """The weighted mean of what all lines through a pixel meet, and last of how like ends are."""
    rows = jnp.concatenate([edges, known], axis=-1)
    sums = _sums(rows, _ACROSS_ROWS) + _sums(rows.swapaxes(1, 2), _ACROSS_COLUMNS).swapaxes(1, 2)
    colors, weights, nearness = sums[..., :-2], sums[..., -2:-1], sums[..., -1:]
    return jnp.concatenate(
        [colors / jnp.maximum(weights, 1e-12), weights / jnp.maximum(nearness, 1e-12)], axis=-1
    )


def _sums(rows: Video, slants: tuple[int, ...]) -> Float[Array, "t h w _"]:
    """What lines meet in the rows above each pixel and in those below it, weighted and added up.

    Args:
      rows: colours, 0 where unknown, and last where they are known.
      slants: columns that each line moves by from one row to the next, going down.

    Returns:
      The sums of colours, of their weights, and of the weights that like ends would have.
    """
    rows = rows.transpose(1, 3, 0, 2)
    ends = _ends(rows, slants)
    colors, there, distance = ends[:, :, :, :-2], ends[:, :, :, -2:-1], ends[:, :, :, -1:]
    difference = jnp.square((colors[0] - colors[1]) / 2).mean(axis=2, keepdims=True)
    alike = 1 / jnp.square(1 + difference / _DIFFERENT)
    alike = jnp.where(there[0] * there[1] > 0, alike, _LONE)
    distance = jnp.maximum(distance, 1.0)
    nearness = there / (distance * jnp.sqrt(distance))
    weights = alike * nearness
    sums = jnp.concatenate([weights * colors, weights, nearness], axis=3).sum(axis=(0, 2))
    return sums.transpose(2, 0, 3, 1)


def _ends(rows: Float[Array, "h c t w"], slants: tuple[int, ...]) -> Float[Array, "2 h k c2 t w"]:
    """What lies nearest to each pixel on each line: going up, and going down.

    Args:
      rows: colours, and last where they are known.
      slants: see `_sums`.

    Returns:
      The colours, whether there are any, and the distance in pixels.
    """
    lengths = jnp.asarray([np.hypot(1, slant) for slant in slants], jnp.float32)
    lengths = lengths[:, None, None, None]
    zeros = jnp.zeros((2, len(slants), 1, *rows.shape[2:]))

    def step(last, row):
        # What the pixels of the row before this one see, from where each line comes from there.
        seen = jnp.stack(
            [
                jnp.stack([_moved(last[i, k], sign * slant) for k, slant in enumerate(slants)])
                for i, sign in enumerate((-1, 1))
            ]
        )
        far = seen.at[:, :, -1:].add(lengths)
        own = jnp.broadcast_to(row[:, None], (2, len(slants), *row.shape[1:]))
        found = jnp.where(own[:, :, -1:] > 0, jnp.concatenate([own, zeros], axis=2), far)
        return found, found

    start = jnp.zeros((2, len(slants), rows.shape[1] + 1, *rows.shape[2:]))
    _, found = jax.lax.scan(step, start, jnp.stack([rows, rows[::-1]], axis=1))
    return jnp.stack([found[:, 0], found[::-1, 1]])


def _moved(row: Float[Array, "c t w"], by: int) -> Float[Array, "c t w"]:
    """A row shifted: at x what was at x + `by`; 0 beyond its end."""
    width = row.shape[-1]
    padded = jnp.pad(row, ((0, 0), (0, 0), (max(-by, 0), max(by, 0))))
    return jax.lax.slice_in_dim(padded, max(by, 0), max(by, 0) + width, axis=-1)
