"""Compiler options that make our networks fast where the compiler's defaults do not."""

import functools

import jax
import jax.numpy as jnp

# XLA's own convolutions on a CPU are slow in the gradient of the kernel (35 of 130 GFLOP/s at 64
# channels on two cores); those that YNNPACK takes over are not.
_YNNPACK: dict[str, bool | str] = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"
}
# Where XLA has oneDNN's convolutions (JAX 0.12 has, 0.10 takes the option and does nothing), those
# in bfloat16 run on the matrix units of recent CPUs: 1,700 instead of 140 GFLOP/s on two cores.
_ONEDNN: dict[str, bool | str] = {"xla_cpu_experimental_onednn_custom_call": True}


def has_onednn() -> bool:
    """Whether XLA hands products of bfloat16 to oneDNN, if asked by `convolution_options`."""
    return jax.default_backend() == "cpu" and jax.__version_info__ >= (0, 12)


@functools.cache
def convolution_options(dtype: str = "float32") -> dict[str, bool | str]:
    """What to give `jax.jit(..., compiler_options=)` for a function full of convolutions.

    Args:
      dtype: of the convolutions' arithmetic.

    Returns:
      On a CPU whose XLA knows them, the options that run matrix products and convolutions through
      YNNPACK and, for bfloat16, oneDNN: about twice the training speed of XLA's own, and twice that
      again in bfloat16 (benchmarks/training.py); elsewhere nothing.
    """
    if jax.default_backend() != "cpu":
        return {}
    known: dict[str, bool | str] = {}
    for option in (_YNNPACK, *((_ONEDNN,) if dtype == "bfloat16" else ())):
        try:
            jax.jit(lambda x: x + 1, compiler_options=option).lower(jnp.zeros(())).compile()
        except Exception:  # an XLA without this option says so with one of several exceptions
            continue
        known |= option
    return known
