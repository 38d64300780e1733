"""The tasks by name. A task is what one training step does, apart from the loop around it."""

from typing import Any

import ml_collections

from gif2video_jax.training.clip_interpolation_task import ClipInterpolationTask
from gif2video_jax.training.config_check import check_config
from gif2video_jax.training.dequantization_task import DequantizationTask
from gif2video_jax.training.dither_task import DitherTask
from gif2video_jax.training.inpainting_task import InpaintingTask
from gif2video_jax.training.interpolation_task import InterpolationTask
from gif2video_jax.training.refinement_task import RefinementTask
from gif2video_jax.training.task import Task

TASKS: dict[str, Any] = {
    "dequantization": DequantizationTask,
    "refinement": RefinementTask,
    "interpolation": InterpolationTask,
    "clip_interpolation": ClipInterpolationTask,
    "inpainting": InpaintingTask,
    "dither_classification": DitherTask,
}


def make_task(config: ml_collections.ConfigDict) -> Task:
    """Checks a config and builds the task that `config.task` names.

    Raises:
      ValueError: on an unknown name, which lists what is available; on fields that are missing,
        unknown or make no sense (`config_check`).
    """
    name = config.get("task")
    if name not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {name!r}")
    if hasattr(TASKS[name], "losses_available"):  # a task from elsewhere checks its own
        check_config(config, TASKS[name].losses_available(), TASKS[name].own_fields)
    return TASKS[name](config)
