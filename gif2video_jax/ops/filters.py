"""Small blurs of images, and halving; the border repeats."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def mean_filter(x: Float[Array, "n h w c"], radius: int) -> Float[Array, "n h w c"]:
    """Mean over a square window of `2 * radius + 1` pixels a side."""
    size = 2 * radius + 1
    return weighted_filter(x, (1 / size,) * size)


def weighted_filter(
    x: Float[Array, "n h w c"], weights: tuple[float, ...]
) -> Float[Array, "n h w c"]:
    """Sums over neighbours along columns, then along rows; an odd number of weights."""
    channels = x.shape[-1]
    radius = len(weights) // 2
    sums = jnp.pad(_planes(x), ((0, 0), (radius, radius), (radius, radius), (0, 0)), mode="edge")
    for axis in (1, 2):
        size = x.shape[axis]
        # Slices of lax, not of NumPy's notation: these are traced at each start of the command.
        parts = (
            weight * jax.lax.slice_in_dim(sums, offset, offset + size, axis=axis)
            for offset, weight in enumerate(weights)
        )
        sums = functools.reduce(jnp.add, parts)
    return jnp.concatenate(jnp.split(sums, channels), axis=-1)


def _planes(image: Float[Array, "n h w c"]) -> Float[Array, "c*n h w 1"]:
    """Each channel as an image: of few channels a CPU works far slower on all at once."""
    return jnp.concatenate(jnp.split(image, image.shape[-1], axis=-1))


def halve(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """Half the size, 2x2 pixels averaged; an odd last row or column repeats."""
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
