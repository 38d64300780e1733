"""How well each pixel of one image fits the pixels around the same place in another."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_BLOCK = 32  # pixels of a row that are matched by one matrix product


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
    # |a - b|^2 = |a|^2 + |b|^2 - 2 ab: the products of a block of pixels with all that its pixels
    # may match in a row are one matrix product, several times faster than one shift at a time.
    num_blocks = -(-width // _BLOCK)
    beyond = num_blocks * _BLOCK - width
    source = jnp.pad(features_0, ((0, 0), (0, 0), (0, beyond), (0, 0)))
    source = source.reshape(n, height, num_blocks, _BLOCK, channels)
    padding = ((0, 0), (radius, radius), (radius, radius + beyond), (0, 0))
    target = jnp.pad(features_1, padding, mode="edge")
    columns = _BLOCK * jnp.arange(num_blocks)[:, None] + jnp.arange(_BLOCK + 2 * radius)
    band = jnp.arange(_BLOCK)[:, None] + jnp.arange(side)
    source_norm = jnp.sum(jnp.square(source), axis=-1, keepdims=True)
    target_norm = jnp.sum(jnp.square(target), axis=-1)

    def row(_, dy):
        rows = jax.lax.dynamic_slice_in_dim(target, dy, height, axis=1)[:, :, columns]
        norms = jax.lax.dynamic_slice_in_dim(target_norm, dy, height, axis=1)[:, :, columns]
        product = jnp.einsum("nhkbc,nhkvc->nhkbv", source, rows, precision="highest")
        cost = source_norm + norms[..., None, :] - 2 * product
        index = jnp.broadcast_to(band, (*cost.shape[:3], *band.shape))
        return None, jnp.take_along_axis(cost, index, axis=-1)

    _, costs = jax.lax.scan(row, None, jnp.arange(side))
    costs = costs.reshape(side, n, height, num_blocks * _BLOCK, side)[:, :, :, :width]
    costs = costs.transpose(1, 2, 3, 0, 4).reshape(n, height, width, side * side)
    costs = jnp.maximum(costs, 0.0) / channels  # rounding may leave less than nothing
    costs = jnp.pad(costs, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    costs = costs[:, :-2] + costs[:, 1:-1] + costs[:, 2:]
    costs = costs[:, :, :-2] + costs[:, :, 1:-1] + costs[:, :, 2:]
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
