"""Backward warping of an image along a flow field."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


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
    if flow.shape != image.shape[:3] + (2,):
        raise ValueError(f"flow: expected shape {image.shape[:3] + (2,)}, got {flow.shape}")
    height, width = image.shape[1:3]
    # Half-precision numbers cannot tell neighbouring pixels of a large image apart.
    flow = flow.astype(jnp.promote_types(flow.dtype, jnp.float32))
    x = jnp.clip(jnp.arange(width, dtype=flow.dtype) + flow[..., 0], 0, width - 1)
    y = jnp.clip(jnp.arange(height, dtype=flow.dtype)[:, None] + flow[..., 1], 0, height - 1)
    left, top = jnp.floor(x), jnp.floor(y)
    weight_x, weight_y = (x - left)[..., None], (y - top)[..., None]
    left, top = left.astype(jnp.int32), top.astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)

    def pick(rows, columns):
        return jax.vmap(
            lambda one, index: jnp.take(one, index, axis=0, mode="clip", unique_indices=False)
        )(image.reshape(image.shape[0], height * width, -1), rows * width + columns)

    upper = pick(top, left) * (1 - weight_x) + pick(top, right) * weight_x
    lower = pick(bottom, left) * (1 - weight_x) + pick(bottom, right) * weight_x
    return (upper * (1 - weight_y) + lower * weight_y).astype(image.dtype)
