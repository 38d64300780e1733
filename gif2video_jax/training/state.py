"""What a training run carries from step to step."""

from typing import Any

import flax.struct
import jax
from jaxtyping import Array, Int


class TrainState(flax.struct.PyTreeNode):
    """Everything that a step changes, and so everything that a checkpoint holds.

    Attributes:
      step: steps done, an int32 scalar (Any: libraries map states to specifications).
      params: of the network in training.
      model_state: its running statistics (BatchNorm); empty without.
      optimizer_state: of the network in training.
      average: exponential moving average of `params`; what evaluation and export use.
      extra: what a task adds, such as a discriminator and its optimiser.
    """

    step: Any
    params: Any
    model_state: Any
    optimizer_state: Any
    average: Any
    extra: Any = flax.struct.field(default_factory=dict)


def update_average(average: Any, params: Any, decay: float, step: Int[Array, ""]) -> Any:
    """Moves the average towards `params`; early on faster, so that the start is forgotten."""
    share = jax.numpy.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda a, p: share * a + (1.0 - share) * p, average, params)
