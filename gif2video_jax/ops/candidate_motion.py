"""Motions that may pass through each pixel of a frame between two frames.

A flow belongs to the pixels of one of the frames. At a time between them, what has moved lies
elsewhere: near a moving edge, the flow of the same place is that of the wrong side. For straight
motion a point with motion v that is at x at time t was at x - t v at time 0, so v is a fixed point
of v = F01(x - t v), and from the other side of v = -F10(x + (1-t) v). Where one thing passes before
another there are two fixed points, and steps lead to the one that they start near: so each side
starts from the other's flow, and a network chooses. Not part of GIF2Video.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.ops.filters import halve, mean_filter
from gif2video_jax.ops.image import luma, resize_bilinear
from gif2video_jax.ops.warp import warp

NUM_CANDIDATES = 4
_STEPS = 2  # towards the fixed point
_WINDOW = 2  # pixels that the mean of differences reaches, twice
_SHARPNESS = 30.0  # of the choice; ten or a hundred choose as well


def candidate_motions(
    flow_01: Float[Array, "n h w 2"], flow_10: Float[Array, "n h w 2"], t: Float[Array, "n 1 1 1"]
) -> list[Float[Array, "n h w 2"]]:
    """Motions from frame 0 to frame 1, (dx, dy) in pixels, of the point at each pixel at time t.

    Args:
      flow_01: of the points of frame 0, pixels.
      flow_10: of the points of frame 1, to frame 0.
      t: times in [0, 1].

    Returns:
      Four: as at the same place of frame 0, and of frame 1; and at the places in them that the
      motion itself points to, found at half the size.
    """
    # Both frames as one batch: half as much to compile.
    same_place = jnp.concatenate([flow_01, -flow_10])
    shares = jnp.concatenate([-t, 1 - t])
    height, width = flow_01.shape[1:3]
    small = halve(same_place)
    found = jnp.concatenate(jnp.split(small, 2)[::-1])
    for _ in range(_STEPS):
        found = warp(small, shares * found / 2)
    large = resize_bilinear(found, 2 * found.shape[1], 2 * found.shape[2], align_corners=False)
    followed = large[:, :height, :width]
    return [*jnp.split(same_place, 2), *jnp.split(followed, 2)]


def mismatches(
    image_0: Float[Array, "n h w 3"],
    image_1: Float[Array, "n h w 3"],
    motions: list[Float[Array, "n h w 2"]],
    t: Float[Array, "n 1 1 1"],
) -> Float[Array, "n h w k"]:
    """How much the frames differ in luma where each motion comes from and goes to, at half size.

    Args:
      image_0: RGB at time 0.
      image_1: at time 1, in the same range.
      motions: k candidates, see `candidate_motions`.
      t: the time between.

    Returns:
      Absolute differences in the images' range.
    """
    height, width = image_0.shape[1:3]
    copies = (len(motions), 1, 1, 1)
    half, t = halve(jnp.concatenate(motions)) / 2, jnp.tile(t, copies)
    flows = jnp.stack([-t * half, (1 - t) * half])
    # A loop over both frames: what one makes is computed once, not for each sample taken of it.
    lumas = jax.lax.map(lambda image: halve(luma(image)), jnp.stack([image_0, image_1]))
    seen = jax.lax.map(lambda each: warp(jnp.tile(each[0], copies), each[1]), (lumas, flows))
    differences = jnp.abs(seen[0] - seen[1])
    found = jnp.concatenate(jnp.split(differences, len(motions)), axis=-1)
    return jnp.repeat(jnp.repeat(found, 2, axis=1), 2, axis=2)[:, :height, :width]


def log_likelihood(
    differences: Float[Array, "n h w k"], t: Float[Array, "n 1 1 1"]
) -> Float[Array, "n h w k"]:
    """How likely each candidate is, as the logarithm of a share: by what matches, and by nearness.

    Differences count as means over a neighbourhood; where all match alike, a motion counts as much
    as its frame is near.

    Args:
      differences: of `mismatches`, of frames in [-1, 1].
      t: the time between.
    """
    smooth = mean_filter(mean_filter(differences, _WINDOW), _WINDOW)
    nearness = jnp.concatenate([1 - t, t] * (differences.shape[-1] // 2), axis=-1)
    return jnp.log(nearness + 1e-4) - _SHARPNESS * smooth
