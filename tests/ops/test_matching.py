"""The block matcher against whole shifted images, averaged by SciPy's uniform filter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from gif2video_jax.ops.matching import displacements, matching_cost, soft_best_match


def random_features(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("radius", [1, 3])
def test_costs_are_those_of_shifted_images(radius):
    first, second = random_features(0, 2, 2, 9, 11, 4)
    costs = jax.jit(matching_cost, static_argnums=2)(first, second, radius)
    rows, columns = np.arange(9)[:, None], np.arange(11)
    for channel, (dx, dy) in enumerate(np.asarray(displacements(radius), int)):
        shifted = second[:, np.clip(rows + dy, 0, 8), np.clip(columns + dx, 0, 10)]
        difference = np.square(shifted - first).mean(-1)
        expected = scipy.ndimage.uniform_filter(difference, (0, 3, 3), mode="nearest")
        np.testing.assert_allclose(costs[..., channel], expected, rtol=1e-4)


def test_a_moved_texture_is_found():
    frame = random_features(1, 1, 20, 24, 3)
    moved = np.roll(frame, (2, -1), axis=(1, 2))  # down by 2, left by 1
    cost = matching_cost(jnp.asarray(frame), jnp.asarray(moved), 3)
    flow = soft_best_match(cost, 3, 400.0)
    np.testing.assert_allclose(
        flow[:, 4:-4, 4:-4], np.broadcast_to([-1, 2], (1, 12, 16, 2)), atol=1e-3
    )


def test_a_flat_region_stays():
    flat = jnp.ones((1, 8, 8, 3))
    flow = soft_best_match(matching_cost(flat, flat, 2), 2, 400.0)
    np.testing.assert_allclose(flow, np.zeros((1, 8, 8, 2)), atol=1e-3)


def test_what_does_not_fit_is_rejected(without_shape_checks):
    with pytest.raises(ValueError, match="two equal shapes"):
        matching_cost(jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 4, 5, 3)), 1)
    with pytest.raises(ValueError, match="radius of 1 or more"):
        matching_cost(jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 4, 4, 3)), 0)
