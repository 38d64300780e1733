"""Compiler options that make our networks fast where the compiler's defaults do not."""

import functools

import jax
import jax.numpy as jnp

# XLA's own convolutions on a CPU are slow in the gradient of the kernel (35 of 130 GFLOP/s at 64
# channels on two cores); those that YNNPACK takes over are not.
_YNNPACK = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}


@functools.cache
def convolution_options() -> dict[str, bool | str]:
    """What to give `jax.jit(..., compiler_options=)` for a function full of convolutions.

    Returns:
      On a CPU whose XLA knows it, the option that runs matrix products and convolutions through
      YNNPACK: about twice the training speed of XLA's own (benchmarks/training.py); elsewhere
      nothing.
    """
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=_YNNPACK).lower(jnp.zeros(())).compile()
    except Exception:  # an XLA without this option says so with one of several exceptions
        return {}
    return dict(_YNNPACK)
