"""Sums and means where those of the compiler for CPUs are inexact (all axes) or slow (channels)."""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def total(values: Float[Array, "*shape"], num_kept: int = 0) -> Float[Array, "*kept"]:
    """The sum over all axes but the first `num_kept`, one after another, the last one first.

    As exact in a compiled training step as alone, where the compiler makes one loop of a sum over
    all axes, with one float32 to add to: of half a million terms the fourth digit is wrong, and
    another one on each number of devices.
    """
    while values.ndim > num_kept:
        # The barrier keeps the compiler from making one loop of all.
        values = jax.lax.optimization_barrier(jnp.sum(values, axis=-1))
    return values


def mean(values: Float[Array, "*shape"], num_kept: int = 0) -> Float[Array, "*kept"]:
    """The mean over all axes but the first `num_kept`, summed up as in `total`."""
    return total(values, num_kept) / math.prod(values.shape[num_kept:])


def sum_channels(image: Float[Array, "*rest channels"]) -> Float[Array, "*rest 1"]:
    """The sum over the last axis, of a few channels: added, where `jnp.sum` is a loop a pixel."""
    return functools.reduce(jnp.add, jnp.split(image, image.shape[-1], axis=-1))
