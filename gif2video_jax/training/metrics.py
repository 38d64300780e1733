"""Metrics that are computed inside a jitted step."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.ops.sums import mean


def mean_psnr(
    prediction: Float[Array, "n h w 3"], truth: Float[Array, "n h w 3"]
) -> Float[Array, ""]:
    """Mean over images of their PSNR in dB, range [-1, 1]; equal images count as 60 dB."""
    error = mean(jnp.square(prediction - truth), num_kept=1)
    return jnp.mean(10 * jnp.log10(4.0 / jnp.maximum(error, 4e-6)))
