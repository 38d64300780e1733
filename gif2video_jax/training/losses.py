"""Losses of GIF2Video (reference: the paper, section 3, and the authors' code).

All take images in [-1, 1] and average over everything.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.ops.gradient import diff_xy
from gif2video_jax.ops.sums import mean


def l1(prediction: Float[Array, "*shape"], truth: Float[Array, "*shape"]) -> Float[Array, ""]:
    """Mean absolute difference."""
    return mean(jnp.abs(prediction - truth))


def charbonnier(
    prediction: Float[Array, "*shape"], truth: Float[Array, "*shape"], epsilon: float = 1e-3
) -> Float[Array, ""]:
    """A smooth L1: mean of sqrt(difference ** 2 + epsilon ** 2)."""
    return mean(jnp.sqrt(jnp.square(prediction - truth) + epsilon**2))


def log_squared(
    prediction: Float[Array, "n h w c"], truth: Float[Array, "n h w c"], epsilon: float = 4e-5
) -> Float[Array, ""]:
    """Mean over images of log(mean squared difference + epsilon).

    PSNR but for sign, scale and `epsilon` (which stands for 50 dB): a step of one decibel counts
    the same in a GIF of 256 colours as in one of 8, where L1 hears only the latter.
    """
    squared = mean(jnp.square(prediction - truth), num_kept=1)
    return jnp.mean(jnp.log(squared + epsilon))


def gradient_difference(
    prediction: Float[Array, "n h w c"], truth: Float[Array, "n h w c"]
) -> Float[Array, ""]:
    """`L1(|diff_xy(prediction)|, |diff_xy(truth)|)`: edges of the same strength, no others."""
    return l1(jnp.abs(diff_xy(prediction)), jnp.abs(diff_xy(truth)))


def flow_smoothness(flow: Float[Array, "n h w 2"]) -> Float[Array, ""]:
    """Mean absolute spatial difference of a flow."""
    return mean(jnp.abs(diff_xy(flow)))
