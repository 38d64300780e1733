"""Backward warping of an image along a flow field, bilinear or bicubic."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.ops.sums import sum_channels


def warp(image: Float[Array, "n h w c"], flow: Float[Array, "n h w 2"]) -> Float[Array, "n h w c"]:
    """Samples `image` where `flow` points: `out[y, x] = image[y + dy, x + dx]`.

    Bilinear, with pixel centres at integers; coordinates outside are clamped to the border, so that
    zero flow is the identity and a flow that leaves the image repeats the border (the backward warp
    of the authors' code). Differentiable in both arguments.

    Args:
      image: any number of channels, any range.
      flow: (dx, dy) in pixels on the last axis.

    Raises:
      ValueError: if the two differ in batch size, height or width, or flow has not 2 channels.
    """
    x, y = _positions(image, flow)
    height, width = image.shape[1:3]
    left, top = jnp.floor(x), jnp.floor(y)
    weight_x, weight_y = (x - left)[..., None], (y - top)[..., None]
    left, top = left.astype(jnp.int32), top.astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)

    def pick(rows, columns):
        return _pick(image, rows * width + columns)

    upper = pick(top, left) * (1 - weight_x) + pick(top, right) * weight_x
    lower = pick(bottom, left) * (1 - weight_x) + pick(bottom, right) * weight_x
    return (upper * (1 - weight_y) + lower * weight_y).astype(image.dtype)


def warp_bicubic(
    image: Float[Array, "n h w c"], flow: Float[Array, "n h w 2"]
) -> Float[Array, "n h w c"]:
    """`warp` with bicubic sampling, which keeps fine detail that bilinear sampling blurs.

    R. Keys, "Cubic convolution interpolation for digital image processing", 1981, with the -0.75 of
    OpenCV and PyTorch. Near edges results may leave the image's range a little.

    Args:
      image: any number of channels, any range.
      flow: (dx, dy) in pixels on the last axis.

    Raises:
      ValueError: if the two differ in batch size, height or width, or flow has not 2 channels.
    """
    x, y = _positions(image, flow)
    left, top = jnp.floor(x), jnp.floor(y)
    columns, rows = _cubic_weights(x - left), _cubic_weights(y - top)
    # One pixel before and two after: what four taps around any position read.
    padded = jnp.pad(image, ((0, 0), (1, 2), (1, 2), (0, 0)), mode="edge")
    width = padded.shape[2]
    corner = top.astype(jnp.int32) * width + left.astype(jnp.int32)
    result = jnp.zeros((), image.dtype)
    for i, row in enumerate(rows):
        taps = [_pick(padded, corner + i * width + j) * columns[j] for j in range(4)]
        result = result + sum(taps[1:], taps[0]) * row
    return result.astype(image.dtype)


def consistency(
    step: Float[Array, "n h w 2"], back: Float[Array, "n h w 2"], miss: Float[Array, ""] | float
) -> Float[Array, "n h w 1"]:
    """1 where a motion there and back ends where it began, 1/e where it misses by `miss` pixels.

    Args:
      step: the motion to another frame, pixels.
      back: that frame's motion back.
      miss: pixels.
    """
    missed = (step + warp(back, step)) / miss
    return jnp.exp(-sum_channels(jnp.square(missed)))


def _positions(image: Array, flow: Array) -> tuple[Array, Array]:
    """Where to sample, clamped to the image: x and y of each pixel."""
    if flow.shape != image.shape[:3] + (2,):
        raise ValueError(f"flow: expected shape {image.shape[:3] + (2,)}, got {flow.shape}")
    height, width = image.shape[1:3]
    # Half-precision numbers cannot tell neighbouring pixels of a large image apart.
    flow = flow.astype(jnp.promote_types(flow.dtype, jnp.float32))
    x = jnp.clip(jnp.arange(width, dtype=flow.dtype) + flow[..., 0], 0, width - 1)
    y = jnp.clip(jnp.arange(height, dtype=flow.dtype)[:, None] + flow[..., 1], 0, height - 1)
    return x, y


def _pick(image: Array, index: Array) -> Array:
    """Pixels by their place in the image's row-major order."""
    n, height, width, channels = image.shape
    return jax.vmap(
        lambda one, places: jnp.take(one, places, axis=0, mode="clip", unique_indices=False)
    )(image.reshape(n, height * width, channels), index)


def _cubic_weights(t: Array) -> list[Array]:
    """Weights of the four pixels around a position, `t` in [0, 1) after the second."""
    a = -0.75
    weights = [
        a * (t**3 - 2 * t**2 + t),
        (a + 2) * t**3 - (a + 3) * t**2 + 1,
        -(a + 2) * t**3 + (2 * a + 3) * t**2 - a * t,
        a * (t**2 - t**3),
    ]
    return [weight[..., None] for weight in weights]
