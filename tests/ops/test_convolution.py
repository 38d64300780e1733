"""Convolution and its gradient, against XLA's own derivative of the plain convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.ops import convolution
from gif2video_jax.ops.convolution import convolve
from tests.quick import quick_jit


def pulled_back(function, image, kernel, change):
    """The result, and the gradients for a change of it."""

    @quick_jit
    def both(image, kernel, change):
        result, pull = jax.vjp(function, image, kernel)
        return result, *pull(change)

    return both(image, kernel, change)


def check_against_plain(image_shape, kernel_shape, dtype, padding="SAME", **options):
    """Result and gradients of `convolve` are those that XLA derives in float32."""

    def plain(image, kernel):
        stride, dilation = options.get("stride", 1), options.get("dilation", 1)
        return jax.lax.conv_general_dilated(
            image,
            kernel,
            (stride, stride),
            padding,
            rhs_dilation=(dilation, dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    def ours(image, kernel):
        chosen = {} if padding == "SAME" else {"padding": padding}
        return convolve(image, kernel, **chosen, **options)

    keys = jax.random.split(jax.random.key(kernel_shape[0]), 3)
    image = jax.random.normal(keys[0], image_shape, dtype)
    kernel = jax.random.normal(keys[1], kernel_shape, dtype)
    change = jax.random.normal(keys[2], jax.eval_shape(plain, image, kernel).shape, dtype)
    result, *gradients = pulled_back(ours, image, kernel, change)
    in_float32 = (array.astype(jnp.float32) for array in (image, kernel, change))
    expected, *expected_gradients = pulled_back(plain, *in_float32)
    assert result.dtype == image.dtype
    assert result.shape == expected.shape
    # bfloat16 keeps eight bits of each sum.
    tolerance = {"float32": 1e-5, "bfloat16": 1 / 64}[dtype]
    for ours, theirs in zip(
        (result, *gradients),
        (expected, *expected_gradients),
        strict=True,
    ):
        ours, theirs = np.asarray(ours, np.float32), np.asarray(theirs)
        assert np.abs(ours - theirs).max() <= tolerance * max(1, np.abs(theirs).max())


@pytest.mark.parametrize("size", [(7, 5), (1, 1)])
@pytest.mark.parametrize("side", [1, 3, 5])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_result_and_gradients_are_the_plain_convolutions(dtype, side, size):
    check_against_plain((2, *size, 3), (side, side, 3, 4), dtype)


@pytest.mark.parametrize(
    ("side", "stride", "dilation", "padding"),
    [
        (3, 1, 2, (2, 2)),
        (3, 2, 1, (1, 1)),
        (5, 2, 1, (2, 2)),
        (3, 3, 2, (0, 2)),
        (2, 1, 1, (1, 1)),
        (2, 2, 1, (0, 0)),
        (3, 1, 1, (4, 3)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_strides_dilations_and_paddings(dtype, side, stride, dilation, padding):
    check_against_plain(
        (2, 9, 6, 3),
        (side, side, 3, 4),
        dtype,
        padding=(padding, padding),
        stride=stride,
        dilation=dilation,
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_paddings_may_differ_between_rows_and_columns(dtype):
    check_against_plain((1, 6, 7, 2), (3, 5, 2, 3), dtype, padding=((0, 1), (3, 2)), stride=2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_even_kernels_keep_the_size_too(dtype):
    check_against_plain((1, 5, 6, 2), (4, 4, 2, 3), dtype)


@pytest.mark.parametrize("has_onednn", [False, True])
@pytest.mark.parametrize(
    ("image", "kernel", "padding"),
    [
        ((2, 7, 5, 3), (3, 3, 3, 4), "SAME"),
        ((3, 1, 1, 2), (5, 5, 2, 3), "SAME"),
        ((1, 9, 6, 2), (3, 5, 2, 3), ((0, 1), (3, 2))),
        ((2, 6, 7, 3), (3, 3, 3, 4), ((4, 3), (0, 4))),
        ((4, 16, 8, 2), (4, 3, 2, 5), ((1, 2), (1, 1))),
    ],
)
def test_a_kernels_gradient_as_matrix_products(monkeypatch, image, kernel, padding, has_onednn):
    monkeypatch.setattr(convolution, "has_onednn", lambda: has_onednn)
    check_against_plain(image, kernel, "bfloat16", padding=padding)
