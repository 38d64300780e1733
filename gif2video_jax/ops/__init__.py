"""Pure array functions of the papers, safe under `jax.jit` and `jax.grad`."""
