"""The average of a frame with its neighbours in time, along the motion.

A neighbour counts where it agrees with the frame once small areas of both are averaged, and less
the more it differs; and less where moving it into place spoils more than there is to mend:

  average = (frame + sum of w * warped) / (1 + sum of w)
  w = exp(-(difference / 12)^2) exp(-(there and back / 1.5)^2)
      * noise^2 / (noise^2 + (0.45 detail min(1, motion))^2)

The difference is in levels; "there and back" is how many pixels the motion to the neighbour and
that back from it miss each other by, nothing where both are right. The noise is what the network
changed of the GIF around there, since that is what it had to guess; the detail is the step from
pixel to pixel, of which a motion that is wrong by part of a pixel, or sampling between pixels,
leaves a share. Both are root mean squares in levels, the motion in pixels.

Not part of GIF2Video. The numbers were chosen on rendered motion and a surveillance clip of the
training list (docs/results.md).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from gif2video_jax.ops.filters import mean_filter
from gif2video_jax.ops.sums import sum_channels
from gif2video_jax.ops.warp import consistency, warp, warp_bicubic

SPREAD = 12.0
"""Levels of 255 that a neighbour differs by when it counts 1/e."""
MISS = 1.5
"""Pixels that the motion there and back misses by when a neighbour counts 1/e."""
BLUR = 0.45
"""What share of the step from pixel to pixel is spoilt by moving a neighbour by a pixel or more."""
_AREA = 1  # pixels around one that are averaged before frames are compared, so that dots are not
_AROUND = 4  # pixels around one over which the network's change is averaged
_LEAST_NOISE = 0.25  # levels; what rounding to whole ones leaves, about


def average_along_motion(
    center: UInt8[Array, "1 h w c"],
    gif: UInt8[Array, "1 h w 3"],
    images: UInt8[Array, "reach 2 h w c"],
    steps: Float[Array, "reach 2 h w 2"],
    returns: Float[Array, "reach 2 h w 2"],
    counts: Float[Array, "reach 2"],
    settings: Float[Array, "4"],
) -> UInt8[Array, "1 h w c"]:
    """Averages a frame with the neighbours before and after it.

    Args:
      center: the frame.
      gif: its colours in the GIF.
      images: at each distance the neighbour before and the one after.
      steps: the motion to it from the one before it on the way, in pixels.
      returns: the motion from it to that one.
      counts: 1, or 0 for one that is not there.
      settings: how much of the change is applied, `SPREAD`, `MISS` and `BLUR`.
    """
    strength, spread, miss, blur = settings
    colors = center.astype(jnp.float32)
    flows, trusts = _followed(steps, returns, counts, miss)
    warped = _at_once(warp_bicubic, images.astype(jnp.float32), flows)
    needed, spoilt = _noise(colors, gif), blur**2 * _detail(colors)

    def add(carry, neighbors):
        total, weights, alike = carry
        warped, flow, trust = neighbors
        alike = alike * _agreement(colors, warped, spread)
        moved = jnp.minimum(sum_channels(jnp.square(flow)), 1.0)
        weight = alike * trust * needed / (needed + moved * spoilt)
        parts = weight * warped[..., :3]
        total, weights = total + parts[:1] + parts[1:], weights + weight[:1] + weight[1:]
        return (total, weights, alike), None

    one = jnp.ones((*colors.shape[:3], 1))
    start = colors[..., :3], one, jnp.concatenate([one, one])
    (total, weights, _), _ = jax.lax.scan(add, start, (warped, flows, trusts))
    result = colors[..., :3] + strength * (total / weights - colors[..., :3])
    result = jnp.concatenate([result, colors[..., 3:]], axis=-1)
    return jnp.clip(jnp.round(result), 0, 255).astype(jnp.uint8)


def _followed(
    steps: Float[Array, "reach 2 h w 2"],
    returns: Float[Array, "reach 2 h w 2"],
    counts: Float[Array, "reach 2"],
    miss: Float[Array, ""],
) -> tuple[Float[Array, "reach 2 h w 2"], Float[Array, "reach 2 h w 1"]]:
    """The motion to each neighbour, and how far it is to be trusted on the way there.

    Loops here, in place of the same line twice, are also what keeps the compiler from one loop over
    pixels in which each sample is computed again wherever it is used: it takes four times as long.
    """
    trusted = _at_once(lambda step, back: consistency(step, back, miss), steps, returns)
    trusted = trusted * counts[..., None, None, None]

    def follow(carry, step_and_trust):
        flow, trust = carry
        step, trusted = step_and_trust
        trust = trust * warp(trusted, flow)
        flow = flow + warp(step, flow)
        trust = trust * _inside(flow)
        return (flow, trust), (flow, trust)

    start = jnp.zeros_like(steps[0]), jnp.ones_like(trusted[0])
    return jax.lax.scan(follow, start, (steps, trusted))[1]


def _at_once(function: Callable[..., Array], *arrays: Float[Array, "reach 2 ..."]) -> Array:
    """A function of images applied to those of all neighbours as one batch."""
    reach, sides = arrays[0].shape[:2]
    result = function(*(array.reshape(reach * sides, *array.shape[2:]) for array in arrays))
    return result.reshape(reach, sides, *result.shape[1:])


def _noise(
    colors: Float[Array, "1 h w c"], gif: UInt8[Array, "1 h w 3"]
) -> Float[Array, "1 h w 1"]:
    """Mean square of what the network changed around each pixel: what it had to guess."""
    change = jnp.square(colors[..., :3] - gif.astype(jnp.float32))
    return mean_filter(sum_channels(change) / 3, _AROUND) + _LEAST_NOISE**2


def _detail(colors: Float[Array, "1 h w c"]) -> Float[Array, "1 h w 1"]:
    """Mean square of the steps between pixels around each one, in levels."""
    colors = jnp.pad(colors[..., :3], ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    x = (colors[:, 1:-1, 2:] - colors[:, 1:-1, :-2]) / 2
    y = (colors[:, 2:, 1:-1] - colors[:, :-2, 1:-1]) / 2
    return mean_filter(sum_channels(x**2 + y**2) / 3, _AREA)


def _agreement(
    colors: Float[Array, "1 h w c"], warped: Float[Array, "2 h w c"], spread: Float[Array, ""]
):
    """How much a neighbour counts at each pixel; not at all where one of both is transparent."""
    difference = mean_filter(warped[..., :3] - colors[..., :3], _AREA)
    weight = jnp.exp(-sum_channels(jnp.square(difference / spread)))
    if colors.shape[-1] == 4:
        weight = weight * (warped[..., 3:] > 254) * (colors[..., 3:] > 254)
    return weight


def _inside(flow: Float[Array, "2 h w 2"]) -> Float[Array, "2 h w 1"]:
    """1 where a flow points into the image."""
    height, width = flow.shape[1:3]
    x = jnp.arange(width) + flow[..., 0]
    y = jnp.arange(height)[:, None] + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside[..., None].astype(jnp.float32)
