"""Compiling without optimisation: it takes longer than most programs of the tests run."""

import jax

UNOPTIMIZED = {"xla_backend_optimization_level": 0}


def quick_jit(function, **options):
    """`jax.jit`, of what is computed seldom or on little."""
    return jax.jit(function, compiler_options=UNOPTIMIZED, **options)
