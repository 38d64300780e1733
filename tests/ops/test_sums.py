"""Sums inside compiled steps, against NumPy in float64."""

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np

from gif2video_jax.ops.compiling import convolution_options
from gif2video_jax.ops.convolution import convolve
from gif2video_jax.ops.image import to_float
from gif2video_jax.ops.sums import mean, total
from gif2video_jax.training.losses import charbonnier, gradient_difference, l1


@hypothesis.settings(deadline=None, max_examples=20)
@hypothesis.given(
    hypothesis.extra.numpy.array_shapes(min_dims=1, max_dims=4, max_side=5), st.integers(0, 4)
)
def test_sums_and_means_are_those_of_numpy(shape, num_kept):
    num_kept = min(num_kept, len(shape))
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    axes = tuple(range(num_kept, len(shape)))
    np.testing.assert_allclose(total(jnp.asarray(values), num_kept), values.sum(axes), atol=1e-5)
    np.testing.assert_allclose(mean(jnp.asarray(values), num_kept), values.mean(axes), atol=1e-6)


def test_the_terms_of_a_compiled_step_are_exact():
    """With `jnp.mean` one of them is 0.03 % off here."""
    rng = np.random.default_rng(0)
    levels = rng.integers(30, 220, (32, 48, 48, 3))
    truth = to_float(jnp.asarray(levels, jnp.uint8))
    gif = to_float(jnp.asarray(levels + rng.integers(-6, 7, levels.shape), jnp.uint8))
    head = jnp.zeros((3, 3, 3, 3))  # as of a network that has not begun to learn

    def terms(head):
        result = gif + convolve(gif, head)
        found = {"l1": l1(result, truth), "charbonnier": charbonnier(result, truth)}
        return found["l1"] + gradient_difference(result, truth), found

    step = jax.jit(
        jax.value_and_grad(terms, has_aux=True),
        compiler_options=convolution_options("float32"),
    )
    found = step(head)[0][1]
    error = np.abs(np.asarray(gif, np.float64) - np.asarray(truth, np.float64))
    np.testing.assert_allclose(found["l1"], error.mean(), rtol=2e-6)
    np.testing.assert_allclose(found["charbonnier"], np.hypot(error, 1e-3).mean(), rtol=2e-6)
