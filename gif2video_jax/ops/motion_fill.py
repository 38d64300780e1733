"""Fills holes of a video with what other frames show there, along the motion, without any network.

What is hidden in one frame is often seen in another: at the same place, where a caption changes or
a hole moves, or elsewhere, where what is behind it moves. Both are taken into account, each as far
as it agrees with the frame around the hole, beside what the frame itself suggests (what
lies on both sides of the hole, `ops.line_fill`):

  filled = sum of w * candidate / sum of w,  w = 0.5^distance / (d + 0.001)^2

where d is a candidate's squared difference to the frame near the hole, continued smoothly into it,
and `distance` is in frames. That suggestion is a candidate too, whose d is twice what colours vary
by around the hole. Last, holes are averaged with those of the frames before and after, along the
motion: what each frame made up by itself flickers less so, and errs no more.

Not part of CombCN; how the numbers were chosen is in docs/inpainting.md.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.ops.fill import fill_from_other_frames, fill_smoothly
from gif2video_jax.ops.filters import mean_filter
from gif2video_jax.ops.line_fill import fill_along_lines
from gif2video_jax.ops.optical_flow import pyramid_flow
from gif2video_jax.ops.sums import sum_channels
from gif2video_jax.ops.warp import consistency, warp

_DECAY = 0.5  # how much less a frame counts than one that is nearer by one frame
_FLOOR = 1e-3  # squared differences below are as good as none; colours run over [-1, 1]
_OWN_ERROR = 2.0  # squared error of what the frame suggests, of what colours vary by around
_AROUND = 8  # pixels around a hole that tell what they vary by
_AREA = 2  # pixels around one over which frames are compared
_ITERATIONS = 4  # of the flow, on each level
_MISS = 1.5  # pixels that the motion there and back misses by when it counts 1/e
_NEIGHBOR = 0.5  # weight of each neighbour's hole beside a frame's own

Video = Float[Array, "t h w c"]
Known = Float[Array, "t h w 1"]


def fill_along_motion(
    video: Float[Array, "n t h w 3"], known: Float[Array, "n t h w 1"]
) -> tuple[Float[Array, "n t h w 3"], Float[Array, "n t h w 1"]]:
    """Fills what is unknown in each frame.

    Args:
      video: in [-1, 1]; any values where `known` is 0.
      known: 1 where a pixel is known, 0 where not.

    Returns:
      The video with the unknown filled in, known pixels as they were; and how far each pixel is
      known, 1, or was taken from other frames, up to 1, rather than made up, 0.
    """
    return jax.vmap(_fill)(video, known)


def _fill(video: Video, known: Known) -> tuple[Video, Known]:
    video = video * known
    # For the motion holes show what other frames show there: the smooth continuation would move
    # with the hole, and with it, on coarse levels, all that is around.
    rough, seen = (x[0] for x in fill_from_other_frames(video[None], known[None]))
    both = jnp.concatenate([video, rough]), jnp.concatenate([known, seen])
    smooth, rough = jnp.split(fill_smoothly(*both), 2)
    weights = 1 / jnp.square(_OWN_ERROR * _variation(smooth, known) + _FLOOR)
    total, others = fill_along_lines(video, known) * weights, jnp.zeros_like(known)
    if video.shape[0] > 1:
        pairs = [rough[:-1], rough[1:]], [known[:-1], known[1:]]
        (first, second), (known_1, known_2) = (map(jnp.concatenate, (p, p[::-1])) for p in pairs)
        forward, backward = jnp.split(_motion(first, second, known_1, known_2), 2)
        # What later frames show, and earlier ones; at the same place, and along the motion. One
        # function of each in turn rather than four of them: it takes seconds to compile.
        ways = [(video, known, m * forward, m * backward) for m in (0.0, 1.0)]
        back = [tuple(x[::-1] for x in (v, k, b, f)) for v, k, f, b in ways]
        stacked = (jnp.stack(arrays) for arrays in zip(*ways, *back, strict=True))
        found, counts = jax.lax.map(lambda arrays: _from_later(*arrays), tuple(stacked))
        total = total + found[:2].sum(axis=0) + found[2:, ::-1].sum(axis=0)
        others = counts[:2].sum(axis=0) + counts[2:, ::-1].sum(axis=0)
    filled = jnp.where(known > 0, video, total / (weights + others))
    if video.shape[0] > 1:
        filled = jnp.where(known > 0, video, _averaged(filled, forward, backward))
    return filled, jnp.where(known > 0, 1.0, others / (weights + others))


def _averaged(
    filled: Video, forward: Float[Array, "u h w 2"], backward: Float[Array, "u h w 2"]
) -> Video:
    """Each frame averaged with the ones before and after it, where the motion finds back."""
    there = _NEIGHBOR * consistency(forward, backward, _MISS)
    back = _NEIGHBOR * consistency(backward, forward, _MISS)
    later, earlier = there * warp(filled[1:], forward), back * warp(filled[:-1], backward)
    total = filled.at[:-1].add(later).at[1:].add(earlier)
    weights = jnp.ones_like(filled[..., :1]).at[:-1].add(there).at[1:].add(back)
    return total / weights


def _motion(first: Video, second: Video, known_1: Known, known_2: Known) -> Float[Array, "u h w 2"]:
    """The motion from one frame to another; in holes that of what is around them."""
    flow = pyramid_flow(first, second, _ITERATIONS)
    both = mean_filter(known_1 * warp(known_2, flow), _AREA)
    return fill_smoothly(flow, (both > 0.99).astype(flow.dtype))


def _from_later(
    video: Video, known: Known, steps: Float[Array, "u h w 2"], returns: Float[Array, "u h w 2"]
) -> tuple[Video, Known]:
    """The weighted sum of what all later frames show of each one, and the sum of weights.

    Args:
      video: 0 where unknown.
      known: where it is not.
      steps: the motion from each frame but the last to the next.
      returns: the motion back.
    """
    num_frames = video.shape[0]
    # The last frame has none after it; what it would get counts nothing.
    steps, returns = (jnp.concatenate([x, x[-1:]]) for x in (steps, returns))
    consistent = consistency(steps, returns, _MISS)

    def add(carry, distance):
        flow, trust, total, weights = carry

        def shifted(x, by):
            return jnp.roll(x, -by, axis=0)

        trust = trust * warp(shifted(consistent, distance - 1), flow)
        flow = flow + warp(shifted(steps, distance - 1), flow)
        share = warp(shifted(known, distance), flow)
        candidate = warp(shifted(video, distance), flow) / jnp.maximum(share, 1e-3)
        there = (share > 0.95) & (jnp.arange(num_frames) + distance < num_frames)[
            :, None, None, None
        ]
        difference = _difference(video, known, candidate, there.astype(video.dtype))
        weight = trust * there * _DECAY**distance / jnp.square(difference + _FLOOR)
        return (flow, trust, total + weight * candidate, weights + weight), None

    zeros = jnp.zeros_like(known)
    start = (jnp.zeros_like(steps), zeros + 1, jnp.zeros_like(video), zeros)
    return jax.lax.scan(add, start, jnp.arange(1, num_frames))[0][2:]


def _difference(video: Video, known: Known, candidate: Video, there: Known) -> Known:
    """Squared differences of two videos' colours, continued to where not both are known."""
    both = known * there
    squared = sum_channels(jnp.square(candidate - video))
    share = mean_filter(both, _AREA)
    mean = mean_filter(squared * both, _AREA) / jnp.maximum(share, 1e-3)
    return fill_smoothly(mean, (share > 0.05).astype(video.dtype))


def _variation(smooth: Video, known: Known) -> Known:
    """What colours vary by around each pixel, as a sum of squares; deep in holes, in the frame."""
    share = mean_filter(known, _AROUND)
    mean = mean_filter(smooth * known, _AROUND) / jnp.maximum(share, 1e-3)
    squared = sum_channels(jnp.square(smooth - mean)) * known
    everywhere = squared.sum(axis=(1, 2), keepdims=True) / jnp.maximum(
        known.sum(axis=(1, 2), keepdims=True), 1.0
    )
    around = mean_filter(squared, _AROUND) / jnp.maximum(share, 1e-3)
    return jnp.where(share > 0.05, around, everywhere)
