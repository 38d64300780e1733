"""Spatial forward differences, the ingredient of the gradient losses and of the discriminator."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def diff_xy(image: Float[Array, "n h w c"]) -> Float[Array, "n h-1 w-1 2*c"]:
    """Forward differences along x and y on the `[1:, 1:]` grid, x first.

    Each is `image[y, x] - image[y, x - 1]` (or `y - 1`), so that both live on the pixels that have
    an upper and a left neighbour (`diff_xy` of the authors' code).
    """
    along_x = image[:, 1:, 1:] - image[:, 1:, :-1]
    along_y = image[:, 1:, 1:] - image[:, :-1, 1:]
    return jnp.concatenate([along_x, along_y], axis=-1)
