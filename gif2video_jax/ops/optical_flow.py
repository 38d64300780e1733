"""Optical flow without parameters: Lucas and Kanade's least squares, from coarse to fine.

B. D. Lucas and T. Kanade, "An iterative image registration technique with an application to stereo
vision", IJCAI 1981, on an image pyramid (J.-Y. Bouguet, 2000), dense: each pixel solves for the
motion of its neighbourhood. After each step the flow is averaged with its neighbours', weighted by
how well each of them fits and how much texture it has, so that flat regions take over the motion of
what surrounds them. Not part of GIF2Video: it gives a small network the correspondences that a
large one has to learn to find.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.ops.filters import halve, mean_filter, weighted_filter
from gif2video_jax.ops.image import luma, resize_bilinear
from gif2video_jax.ops.warp import warp

# Chosen on rendered motion and surveillance clips of the training list. Brightness runs over
# [-1, 1]; residuals are squared.
_WINDOW = (1 / 9, 2 / 9, 3 / 9, 2 / 9, 1 / 9)  # of the least squares, along rows and columns
_SMOOTHING = 2  # pixels that the weighted average of flows reaches
_DAMPING = 3e-5  # added to the squared gradients: flat regions do not move by themselves
_RESIDUAL = 3e-5  # residuals below are as good as none
_LARGEST_STEP = 1.0  # pixels of a level; its linear model holds no farther
_SMALLEST_SIDE = 6  # pixels of the coarsest level: motion of half a picture is a few of them
_FINEST_ITERATIONS = 2  # at full size, where each costs most and all but the last pixel is found


def pyramid_flow(
    image_0: Float[Array, "n h w 3"], image_1: Float[Array, "n h w 3"], iterations: int = 6
) -> Float[Array, "n h w 2"]:
    """The motion from `image_0` to `image_1`: `warp(image_1, flow)` looks like `image_0`.

    Args:
      image_0: RGB in [-1, 1].
      image_1: likewise.
      iterations: steps on each level of the pyramid; at full size at most two.

    Returns:
      (dx, dy) in pixels.

    Raises:
      ValueError: if the shapes differ or `iterations` is below 1.
    """
    if image_0.shape != image_1.shape or iterations < 1:
        raise ValueError(
            f"expected two equal shapes and 1 iteration or more, got {image_0.shape}, "
            f"{image_1.shape} and {iterations}"
        )
    pairs = [luma(jnp.concatenate([image_0, image_1]))]
    while min(pairs[-1].shape[1:3]) >= 2 * _SMALLEST_SIDE:
        pairs.append(halve(pairs[-1]))
    flow = jnp.zeros((*image_0.shape[:1], *pairs[-1].shape[1:3], 2))
    for level in reversed(range(len(pairs))):
        flow = _enlarge(flow, *pairs[level].shape[1:3])
        first, second = jnp.split(_blur(pairs[level]), 2)
        steps = iterations if level else min(iterations, _FINEST_ITERATIONS)
        flow = _level(first, second, flow, steps)
    return flow


def _level(image_0, image_1, flow, iterations: int):
    """Improves the flow at one size."""
    dx, dy = _difference(image_0, 2), _difference(image_0, 1)
    moments = _window(jnp.concatenate([dx * dx, dx * dy, dy * dy], axis=-1))
    xx, xy, yy = moments[..., 0:1] + _DAMPING, moments[..., 1:2], moments[..., 2:3] + _DAMPING
    determinant = xx * yy - xy * xy
    texture = determinant / (xx + yy)

    def step(flow, _):
        error = warp(image_1, flow) - image_0
        products = _window(jnp.concatenate([dx * error, dy * error], axis=-1))
        x, y = products[..., 0:1], products[..., 1:2]
        change = jnp.concatenate([xy * y - yy * x, xy * x - xx * y], axis=-1) / determinant
        flow = flow + jnp.clip(change, -_LARGEST_STEP, _LARGEST_STEP)
        residual = mean_filter(jnp.square(warp(image_1, flow) - image_0), 1)
        weight = texture / (residual + _RESIDUAL)
        sums = mean_filter(jnp.concatenate([flow * weight, weight], axis=-1), _SMOOTHING)
        return sums[..., :2] / sums[..., 2:], None

    return jax.lax.scan(step, flow, None, length=iterations)[0]


def _difference(x: Float[Array, "n h w c"], axis: int) -> Float[Array, "n h w c"]:
    """Central difference; the border repeats."""
    size = x.shape[axis]
    padding = [(1, 1) if i == axis else (0, 0) for i in range(4)]
    padded = jnp.pad(x, padding, mode="edge")
    after = jax.lax.slice_in_dim(padded, 2, 2 + size, axis=axis)
    return (after - jax.lax.slice_in_dim(padded, 0, size, axis=axis)) / 2


def _window(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    return weighted_filter(x, _WINDOW)


def _blur(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """A 3x3 binomial blur; the border repeats."""
    return weighted_filter(x, (0.25, 0.5, 0.25))


def _enlarge(flow: Float[Array, "n h w 2"], height: int, width: int) -> Float[Array, "n h2 w2 2"]:
    """The flow at the next larger size, at most twice as large; its pixels are smaller."""
    if flow.shape[1:3] == (height, width):
        return flow
    large = resize_bilinear(flow, 2 * flow.shape[1], 2 * flow.shape[2], align_corners=False)
    return 2 * large[:, :height, :width]
