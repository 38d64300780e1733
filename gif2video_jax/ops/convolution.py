"""2D convolution with "same" zero padding, with a gradient that CPUs have fast code for."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def convolve(
    image: Float[Array, "n h w c"], kernel: Float[Array, "k k c out"]
) -> Float[Array, "n h w out"]:
    """Convolves (correlates, as networks do) at stride 1 with zero padding, keeping the size.

    Args:
      image: any range, any floating-point type.
      kernel: of the same type; sides are odd.
    """
    if image.dtype == jnp.bfloat16 and kernel.shape[0] % 2 and kernel.shape[1] % 2:
        return _convolve_bfloat16(image, kernel)
    return _convolve(image, kernel)


def _convolve(image: Array, kernel: Array) -> Array:
    return jax.lax.conv_general_dilated(
        image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


# The matrix units of recent CPUs multiply bfloat16 ten times as fast as float32, but the compiler
# hands them only convolutions of the usual form, and the gradient that it derives for the image (a
# convolution with reversed, exchanged kernel dimensions) is none. Written as one it is the same
# sum, ten times as fast (benchmarks/training.py).
@jax.custom_vjp
def _convolve_bfloat16(image: Array, kernel: Array) -> Array:
    return _convolve(image, kernel)


def _forward(image: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _convolve(image, kernel), (image, kernel)


def _backward(saved: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    image, kernel = saved
    exchanged = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    _, pull_kernel = jax.vjp(functools.partial(_convolve, image), kernel)
    (kernel_change,) = pull_kernel(change)
    return _convolve(change, exchanged), kernel_change


_convolve_bfloat16.defvjp(_forward, _backward)
