"""What the loop needs of a task, and the names that tasks share."""

from typing import Any, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Float

from gif2video_jax.training.state import TrainState

Batch = dict[str, Array]
Metrics = dict[str, Float[Array, ""]]


@runtime_checkable
class Task(Protocol):
    """What the loop needs of a task.

    Attributes:
      model_kind: of `models.build.MODELS`, for weight files.
    """

    model_kind: str

    def init(self, key: jax.Array, batch: Batch) -> TrainState:
        """Makes the state before the first step; `batch` is an example of the data's shapes."""
        ...

    def load_pretrained(self, state: TrainState) -> TrainState:
        """Puts the frozen networks that the config names in a fresh state; not jitted.

        Raises:
          InputError: if there is no such network, or one of other shapes.
        """
        ...

    def at(self, step: int) -> "Task":
        """The task as it trains from this step on: itself, or one whose step is compiled anew."""
        ...

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """One update. Pure, so that the loop can jit, shard and donate."""
        ...

    def evaluate(self, state: TrainState, batch: Batch) -> Metrics:
        """Metrics of the averaged network on a batch, each a mean over the batch."""
        ...

    def variables(self, state: TrainState) -> dict[str, Any]:
        """The averaged network's variables as its module takes them, frozen parts included."""
        ...

    def example_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """The shapes of the smallest batch that every size of network accepts."""
        ...


def array_shape(*dimensions: int, dtype: str = "uint8") -> jax.ShapeDtypeStruct:
    """An array's shape and type, without the array."""
    return jax.ShapeDtypeStruct(dimensions, dtype)
