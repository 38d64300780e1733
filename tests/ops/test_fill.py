"""Filling holes without a network: what is known stays, and nothing is made up beyond it."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.ops.fill import fill_from_other_frames, fill_smoothly
from tests.quick import quick_jit

fill, from_other_frames = quick_jit(fill_smoothly), quick_jit(fill_from_other_frames)


def hole_of(rng, *shape):
    return jnp.asarray(rng.random((*shape, 1)) < 0.3, jnp.float32)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 9), (16, 16)])
def test_known_pixels_stay_and_the_rest_lies_between_them(size):
    rng = np.random.default_rng(0)
    image = jnp.asarray(rng.uniform(-1, 1, (2, *size, 3)), jnp.float32)
    known = hole_of(rng, 2, *size).at[:, 0, 0].set(1)
    filled = fill(image, known)
    np.testing.assert_allclose(filled * known, image * known, atol=1e-6)
    for channel in range(3):
        for one, mask, result in zip(image, known, filled, strict=True):
            values = np.asarray(one[..., channel])[np.asarray(mask[..., 0]) > 0]
            assert values.min() - 1e-5 <= result[..., channel].min()
            assert result[..., channel].max() <= values.max() + 1e-5


def test_a_flat_image_is_filled_flat_and_nothing_known_is_zero():
    known = jnp.ones((1, 32, 32, 1)).at[:, 4:30, 3:28].set(0)
    flat = jnp.full((1, 32, 32, 2), 0.4)
    np.testing.assert_allclose(fill(flat * known, known), flat, atol=1e-6)
    np.testing.assert_array_equal(fill(flat, jnp.zeros_like(known)), 0)


def test_a_slope_goes_on_through_a_hole():
    slope = jnp.broadcast_to(jnp.linspace(-1, 1, 33)[:, None], (33, 33))[None, ..., None]
    known = jnp.ones((1, 33, 33, 1)).at[:, 12:21, 12:21].set(0)
    error = jnp.abs(fill(slope * known, known) - slope)
    assert error.max() < 0.2  # within the hole the slope rises by 0.5


def test_gradients_are_finite_where_nothing_is_known():
    known = jnp.zeros((1, 8, 8, 1)).at[:, 0, 0].set(1)
    gradient = quick_jit(jax.grad(lambda x: fill_smoothly(x, known).sum()))(jnp.ones((1, 8, 8, 1)))
    assert np.isfinite(gradient).all()
    assert gradient[0, 0, 0, 0] == pytest.approx(64)


@hypothesis.given(st.integers(0, 10_000))
@hypothesis.settings(deadline=None, max_examples=10)
def test_other_frames_of_a_still_video_show_what_is_hidden(seed):
    rng = np.random.default_rng(seed)
    still = np.broadcast_to(rng.uniform(-1, 1, (1, 1, 5, 6, 3)), (1, 4, 5, 6, 3))
    still = jnp.asarray(still, jnp.float32)
    known = hole_of(rng, 1, 4, 5, 6)
    filled, seen = from_other_frames(still * known, known)
    np.testing.assert_array_equal(seen, np.broadcast_to(known.max(1, keepdims=True), known.shape))
    np.testing.assert_allclose(filled, still * seen, atol=1e-5)


def test_the_nearest_frames_count_most():
    video = jnp.array([0.0, 0.0, 10.0]).reshape(1, 3, 1, 1, 1)
    known = jnp.array([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1, 1)
    filled, _ = from_other_frames(video, known)
    assert filled.ravel().tolist() == [0, 0, 0]
    known = jnp.array([1.0, 0.0, 1.0]).reshape(1, 3, 1, 1, 1)
    filled, _ = from_other_frames(video, known)
    assert filled.ravel().tolist() == [0, 5, 10]
    longer = jnp.array([8.0, 0.0, 0.0, 0.0, 0.0]).reshape(1, 5, 1, 1, 1)
    known = jnp.array([1.0, 0.0, 0.0, 1.0, 1.0]).reshape(1, 5, 1, 1, 1)
    filled, _ = from_other_frames(longer, known)
    assert filled[0, 1] > filled[0, 2] > 0
