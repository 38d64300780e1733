"""Reads what a training left behind: its config and its newest state."""

import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib
from typing import Any

import jax
import ml_collections
from orbax.checkpoint import v1 as ocp

from gif2video_jax.errors import InputError
from gif2video_jax.training.checkpoints import Checkpoints
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.task import Task
from gif2video_jax.training.tasks import make_task


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A training's newest checkpoint.

    Attributes:
      task: made from its config.
      state: of the checkpoint.
      step: of the checkpoint.
      kind: of the network, of `models.build.MODELS`.
      fields: the network's.
      variables: of the averaged network, frozen parts included.
    """

    task: Task
    state: TrainState
    step: int
    kind: str
    fields: dict[str, Any]
    variables: dict[str, Any]


def load_config(path: str | os.PathLike) -> ml_collections.ConfigDict:
    """The config that a config file makes.

    Raises:
      InputError: if there is no such file, or it is none.
    """
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
    if spec is None or spec.loader is None or not pathlib.Path(path).is_file():
        raise InputError(f"{path}: not a config file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.get_config()
    except Exception as error:  # a config file is code, which fails as it likes
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{path}: not a config file ({reason})") from error


def stored_config(workdir: str | os.PathLike) -> ml_collections.ConfigDict:
    """The config that a working directory's training was started with.

    Raises:
      InputError: if there is none, or it is broken.
    """
    path = os.path.join(workdir, "config.json")
    try:
        with open(path, encoding="utf-8") as file:
            return ml_collections.ConfigDict(json.load(file))
    except FileNotFoundError:
        raise InputError(
            f"{workdir}: no config.json there; give the --workdir of a training"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not the config of a run ({error})") from None


def load_trained(
    workdir: str | os.PathLike, config: ml_collections.ConfigDict | None = None
) -> Trained:
    """Loads the newest checkpoint of a training onto one device.

    Args:
      workdir: its working directory, which may be in use.
      config: the training's; None takes the one that is stored there.

    Raises:
      InputError: if there is no checkpoint, or it is of another config.
    """
    workdir = os.fspath(workdir)
    if config is None:
        config = stored_config(workdir)
    with contextlib.closing(Checkpoints(workdir, reading=True)) as checkpoints:
        step = checkpoints.latest_step
        if step is None:
            raise InputError(
                f"{workdir}: no checkpoint there; train with --workdir={workdir} first"
            )
        try:
            task = make_task(config)
        except ValueError as error:
            raise InputError(f"config: {error}") from error
        shapes = with_stored_pool(state_shapes(task), checkpoints.directory, step)
        state = checkpoints.restore(shapes, step)
    return Trained(
        task=task,
        state=state,
        step=step,
        kind=task.model_kind,
        fields=config.model.to_dict(),
        variables=task.variables(state),
    )


def state_shapes(task: Task) -> TrainState:
    """Shapes and types of a task's state, on the first device.

    A discriminator's pool has images as large as the data's: see `with_stored_pool`.
    """
    shapes = jax.eval_shape(task.init, jax.random.key(0), task.example_batch())
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), shapes)


def with_stored_pool(shapes: TrainState, directory: str, step: int) -> TrainState:
    """The shapes with those of the pool that a checkpoint holds, if there is a pool."""
    if "adversary" not in shapes.extra:
        return shapes
    stored = ocp.metadata(os.path.join(directory, str(step))).metadata
    adversary = shapes.extra["adversary"]
    images = jax.tree.map(
        lambda like, found: jax.ShapeDtypeStruct(found.shape, like.dtype, sharding=like.sharding),
        adversary.pool.images,
        stored["extra"]["adversary"]["pool"]["images"],
    )
    pool = adversary.pool.replace(images=images)
    return shapes.replace(extra={**shapes.extra, "adversary": adversary.replace(pool=pool)})
