"""Gradient accumulation: a batch in parts, one after the other, in the memory of one part.

The mean over parts of equal size of a gradient of a mean is the gradient of the whole batch, so
nothing changes but rounding. With one exception: BatchNorm in training sees the statistics of one
part at a time, and its running statistics move once for each part.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def accumulate(
    function: Callable[[Any, Any], tuple[Any, Any]], carry: Any, batch: Any, num_parts: int
) -> tuple[Any, Any]:
    """Runs `carry, result = function(carry, part)` over the parts of a batch.

    Args:
      function: its result's arrays are averaged over the parts.
      carry: goes from part to part.
      batch: arrays whose first axis is the batch.
      num_parts: 1 gives `function(carry, batch)`.

    Returns:
      The last carry and the mean result.

    Raises:
      ValueError: if the parts do not divide the batch.
    """
    if num_parts == 1:
        return function(carry, batch)
    parts = jax.tree.map(lambda x: _split(x, num_parts), batch)
    first = jax.tree.map(lambda x: x[0], parts)
    shapes = jax.eval_shape(lambda *arguments: function(*arguments)[1], carry, first)
    total = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def one(state, part):
        carry, total = state
        carry, result = function(carry, part)
        return (carry, jax.tree.map(lambda t, r: t + r / num_parts, total, result)), None

    return jax.lax.scan(one, (carry, total), parts)[0]


def _split(x: jax.Array, num_parts: int) -> jax.Array:
    """(n, ...) -> (parts, n / parts, ...), by turns, so that each device keeps its own examples."""
    if x.shape[0] % num_parts:
        raise ValueError(
            f"accumulate_steps: expected a divisor of the batch, {x.shape[0]} images, "
            f"got {num_parts}"
        )
    return jnp.moveaxis(x.reshape(x.shape[0] // num_parts, num_parts, *x.shape[1:]), 1, 0)
