"""Convolution and its gradient, against XLA's own derivative of the plain convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.ops.convolution import convolve


def plain(image, kernel):
    return jax.lax.conv_general_dilated(
        image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.mark.parametrize("size", [(7, 5), (1, 1), (8, 16)])
@pytest.mark.parametrize("side", [1, 3, 5])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_result_and_gradients_are_the_plain_convolutions(dtype, side, size):
    keys = jax.random.split(jax.random.key(side), 3)
    image = jax.random.normal(keys[0], (2, *size, 3), dtype)
    kernel = jax.random.normal(keys[1], (side, side, 3, 4), dtype)
    change = jax.random.normal(keys[2], (2, *size, 4), dtype)
    result, pull = jax.vjp(convolve, image, kernel)
    expected, expected_pull = jax.vjp(plain, image.astype(jnp.float32), kernel.astype(jnp.float32))
    # bfloat16 keeps eight bits of each sum.
    tolerance = {"float32": 1e-5, "bfloat16": 1 / 64}[dtype]
    assert result.dtype == image.dtype
    for ours, theirs in zip(
        (result, *pull(change)),
        (expected, *expected_pull(change.astype(jnp.float32))),
        strict=True,
    ):
        ours, theirs = np.asarray(ours, np.float32), np.asarray(theirs)
        assert np.abs(ours - theirs).max() <= tolerance * max(1, np.abs(theirs).max())


def test_even_kernels_keep_the_size_too():
    image = jnp.ones((1, 5, 6, 2), jnp.bfloat16)
    kernel = jnp.ones((4, 4, 2, 3), jnp.bfloat16)
    assert convolve(image, kernel).shape == (1, 5, 6, 3)
    assert jax.grad(lambda x: convolve(x, kernel).sum())(image).shape == image.shape
