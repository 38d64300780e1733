"""How well each pixel of one image fits the pixels around the same place in another."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def matching_cost(
    features_0: Float[Array, "n h w c"], features_1: Float[Array, "n h w c"], radius: int
) -> Float[Array, "n h w d"]:
    """Mean squared difference between `features_0[y, x]` and `features_1[y + dy, x + dx]`.

    Displacements run over dy, then dx, each from -radius to radius, so there are
    `(2 * radius + 1) ** 2` channels; channel order matches `displacements`. Differences are
    averaged over 3x3 pixels. Outside of the image the border repeats.

    A block matcher with no parameters: it gives a small network the correspondences that a large
    one has to learn to find. Not part of the paper.

    Raises:
      ValueError: if the shapes differ or radius is below 1.
    """
    if features_0.shape != features_1.shape or radius < 1:
        raise ValueError(
            f"expected two equal shapes and a radius of 1 or more, got {features_0.shape}, "
            f"{features_1.shape} and {radius}"
        )
    n, height, width, channels = features_0.shape
    side = 2 * radius + 1
    padding = ((0, 0), (radius, radius), (radius, radius), (0, 0))
    padded = jnp.pad(features_1, padding, mode="edge")

    def row(_, dy):
        rows = jax.lax.dynamic_slice_in_dim(padded, dy, height, axis=1)
        costs = [
            jnp.mean(jnp.square(rows[:, :, dx : dx + width] - features_0), axis=-1)
            for dx in range(side)
        ]
        return None, jnp.stack(costs, axis=-1)

    _, costs = jax.lax.scan(row, None, jnp.arange(side))
    costs = costs.transpose(1, 2, 3, 0, 4).reshape(n, height, width, side * side)
    costs = jnp.pad(costs, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    costs = jax.lax.reduce_window(costs, 0.0, jax.lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "VALID")
    return costs / 9.0


def displacements(radius: int) -> Float[Array, "d 2"]:
    """The (dx, dy) of each channel of `matching_cost`, in feature pixels."""
    steps = jnp.arange(-radius, radius + 1, dtype=jnp.float32)
    dy, dx = jnp.meshgrid(steps, steps, indexing="ij")
    return jnp.stack([dx, dy], axis=-1).reshape(-1, 2)


def soft_best_match(cost: Float[Array, "n h w d"], radius: int, sharpness: float):
    """The mean displacement, weighted by `softmax(-sharpness * cost)`; (n, h, w, 2), (dx, dy).

    Costs are taken relative to the best one, and staying in place is a little preferred, so that a
    flat region, where everything fits, does not move.
    """
    moves = displacements(radius)
    stay = 1e-3 * jnp.sum(jnp.abs(moves), axis=-1) / radius
    return jax.nn.softmax(-sharpness * (cost + stay), axis=-1) @ moves
