"""Pictures of how far a training is: GIF, truth, prediction and error of a few examples."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

from gif2video_jax.training.state import TrainState
from gif2video_jax.training.task import Batch

_ROWS = 4

Pictures = dict[str, Float[Array, "n h w 3"]]


def drawer(task: Any) -> Callable[[TrainState, Batch], Pictures] | None:
    """What draws the first examples of a batch by `task.pictures`, to be jitted; None without."""
    pictures = getattr(task, "pictures", None)
    if pictures is None:
        return None

    def draw(state: TrainState, batch: Batch) -> Pictures:
        first = {name: array[:_ROWS] for name, array in batch.items()}
        return {name: images[:_ROWS] for name, images in pictures(state, first).items()}

    return draw
