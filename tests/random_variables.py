"""Random weights for a network of ours, much faster than compiling its initialisation."""

import jax
import jax.numpy as jnp
import numpy as np

from gif2video_jax.models.build import variable_shapes


def random_variables(module, seed: int, *inputs):
    """Variables whose activations keep their size; BatchNorm's statistics are random too.

    `inputs` are needed for a module that `models.build` does not know.
    """
    rng = np.random.default_rng(seed)
    if inputs:
        shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    else:
        shapes = variable_shapes(module)

    def draw(path, leaf):
        name = path[-1].key
        if name == "kernel":
            # The transposed convolution's blocks do not overlap: only its inputs add up.
            transposed = path[-2].key.startswith("enlarge")
            fan_in = leaf.shape[-2] if transposed else np.prod(leaf.shape[:-1])
            values = rng.normal(0, (1.6 / fan_in) ** 0.5, leaf.shape)
        elif name in ("scale", "var"):
            values = rng.uniform(0.7, 1.4, leaf.shape)
        else:
            values = rng.normal(0, 0.1, leaf.shape)
        return jnp.asarray(values, leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)
