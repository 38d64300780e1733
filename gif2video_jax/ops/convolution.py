"""2D convolution with zero padding, with a gradient that CPUs have fast code for."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.ops.compiling import has_onednn

# Zeros before and after the rows, and the columns; negative cuts off.
Padding = tuple[tuple[int, int], tuple[int, int]]
_FEW = 2  # weights of a kernel on each axis
_PRODUCTS = 8  # that a sum over all pixels is divided into


def convolve(
    image: Float[Array, "n h w c"],
    kernel: Float[Array, "k l c out"],
    *,
    stride: int = 1,
    dilation: int = 1,
    padding: Padding | None = None,
) -> Float[Array, "n h2 w2 out"]:
    """Convolves (correlates, as networks do) in two dimensions.

    Args:
      image: any range, any floating-point type.
      kernel: of the same type.
      stride: of the output's pixels in the image.
      dilation: of the kernel's weights in the image.
      padding: zeros around the image; None as many as keep its size at stride 1, of an odd number
        one more after it.
    """
    if padding is None:
        rows, columns = (dilation * (side - 1) for side in kernel.shape[:2])
        padding = (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)
    if image.dtype == jnp.bfloat16 or max(kernel.shape[:2]) <= _FEW:
        return _convolve_our_gradient(image, kernel, stride, dilation, padding)
    return _convolve(image, kernel, stride, dilation, padding)


def _convolve(image: Array, kernel: Array, stride: int, dilation: int, padding: Padding) -> Array:
    return jax.lax.conv_general_dilated(
        image,
        kernel,
        (stride, stride),
        padding,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


# The matrix units of recent CPUs multiply bfloat16 ten times as fast as float32, but the compiler
# hands them only convolutions of the usual form, and the gradient that it derives for the image (a
# convolution with reversed, exchanged kernel dimensions) is none. Written as one it is the same
# sum, ten times as fast (benchmarks/training.py). The gradient that it derives for a kernel of 2x2
# weights is slower still, in float32 too: of the image size it makes the size of a kernel.
@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _convolve_our_gradient(
    image: Array, kernel: Array, stride: int, dilation: int, padding: Padding
) -> Array:
    return _convolve(image, kernel, stride, dilation, padding)


def _forward(image, kernel, stride, dilation, padding) -> tuple[Array, tuple[Array, Array]]:
    return _convolve(image, kernel, stride, dilation, padding), (image, kernel)


def _backward(stride, dilation, padding, saved, change: Array) -> tuple[Array, Array]:
    image, kernel = saved
    if max(kernel.shape[:2]) <= _FEW:
        kernel_change = _kernel_gradient(image, kernel, stride, dilation, padding, change)
    elif stride == dilation == 1 and has_onednn():
        kernel_change = _dense_kernel_gradient(image, kernel, padding, change)
    else:
        _, pull_kernel = jax.vjp(lambda k: _convolve(image, k, stride, dilation, padding), kernel)
        (kernel_change,) = pull_kernel(change)
    exchanged = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    around = [
        _around(size, dilation * (side - 1), before, outputs, stride)
        for size, side, (before, _), outputs in zip(
            image.shape[1:3], kernel.shape[:2], padding, change.shape[1:3], strict=True
        )
    ]
    if stride > 1:
        # Zeros between the outputs, and not as an option of the convolution: with that one the
        # compiler does not hand it on.
        zero: Any = jnp.zeros((), change.dtype)
        change = jax.lax.pad(change, zero, [(0, 0, 0), *[(0, 0, stride - 1)] * 2, (0, 0, 0)])
        change = jax.lax.optimization_barrier(change)
    return _convolve(change, exchanged, 1, dilation, (around[0], around[1])), kernel_change


def _kernel_gradient(image, kernel, stride, dilation, padding, change: Array) -> Array:
    """As one matrix product of what each weight saw and the change of the outputs."""
    rows, columns, channels, out = kernel.shape
    padded = jax.lax.pad(
        image,
        jnp.zeros((), image.dtype),
        [(0, 0, 0), *((before, after, 0) for before, after in padding), (0, 0, 0)],
    )
    spread = [(size - 1) * stride + 1 for size in change.shape[1:3]]
    taps = [
        padded[:, i : i + spread[0] : stride, j : j + spread[1] : stride]
        for i in range(0, rows * dilation, dilation)
        for j in range(0, columns * dilation, dilation)
    ]
    seen = jnp.concatenate(taps, axis=-1).reshape(-1, rows * columns * channels)
    product = jnp.einsum("pc,po->co", seen, change.reshape(-1, out))
    return product.reshape(kernel.shape)


def _dense_kernel_gradient(image, kernel, padding: Padding, change: Array) -> Array:
    """As matrix products of rows: the image moved by each column, the change by each row.

    Matrix units take these products of bfloat16, and several at once better than a single long one,
    but not the convolution that the compiler makes of this gradient. Their sum is in float32.
    """
    rows, columns, channels, out = kernel.shape
    (above, below), sides = padding
    count, height, width = change.shape[0], image.shape[1], change.shape[2]
    zero: Any = jnp.zeros((), image.dtype)
    image = jax.lax.pad(image, zero, [(0, 0, 0), (0, 0, 0), (*sides, 0), (0, 0, 0)])
    around = (rows - 1 - above, rows - 1 - below, 0)
    change = jax.lax.pad(change, zero, [(0, 0, 0), around, (0, 0, 0), (0, 0, 0)])
    seen = [image[:, :, j : j + width] for j in range(columns)]
    moved = [change[:, rows - 1 - i : rows - 1 - i + height] for i in range(rows)]
    groups = math.gcd(count * height, _PRODUCTS)
    left, right = (
        jax.lax.optimization_barrier(jnp.concatenate(parts, axis=-1)).reshape(groups, -1, size)
        for parts, size in ((seen, columns * channels), (moved, rows * out))
    )
    products = jnp.einsum("gpc,gpo->gco", left, right).astype(jnp.float32)
    product = products.sum(axis=0).reshape(columns, channels, rows, out)
    return product.transpose(2, 0, 1, 3).astype(kernel.dtype)


def _around(size: int, reach: int, before: int, outputs: int, stride: int) -> tuple[int, int]:
    """Padding that makes the gradient of `outputs` pixels, spread by the stride, `size` long."""
    spread = (outputs - 1) * stride + 1
    first = reach - before
    return first, size + reach - first - spread


_convolve_our_gradient.defvjp(_forward, _backward)
