"""Pictures of how far a training is: GIF, truth, prediction and error of a few examples."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.training.state import TrainState
from gif2video_jax.training.task import Batch

_ROWS = 4
# Errors of a few levels are what matters and nobody sees them: shown this many times brighter.
_ERROR_GAIN = 4.0

Pictures = dict[str, Float[Array, "n h w 3"]]


def drawer(task: Any) -> Callable[[TrainState, Batch], Pictures] | None:
    """The function that draws a task's pictures of the first examples of a batch, to be jitted.

    A task may have its own, `task.pictures(state, batch)`; of those that make images for a
    discriminator (`GeneratorTask`) these are shown: "gif", "truth", "prediction" by the averaged
    network, and "error", their absolute difference times 4. None for others.
    """
    own = getattr(task, "pictures", None)
    if own is None and not hasattr(task, "pairs"):
        return None

    def draw(state: TrainState, batch: Batch) -> Pictures:
        batch = {name: array[:_ROWS] for name, array in batch.items()}
        pictures = own(state, batch) if own is not None else _of_pairs(task, state, batch)
        return {name: images[:_ROWS] for name, images in pictures.items()}

    return draw


def _of_pairs(task: Any, state: TrainState, batch: Batch) -> Pictures:
    result, _ = task.generate(state.average, state.model_state, state.extra, batch, train=False)
    fake, real = task.pairs(result, batch)
    prediction = jnp.clip(fake["image"], -1, 1)
    error = jnp.minimum(_ERROR_GAIN * jnp.abs(prediction - real["image"]) - 1, 1)
    return {
        "gif": fake["gif"],
        "truth": real["image"],
        "prediction": prediction,
        "error": error,
    }
