"""Trains a network: `python -m gif2video_jax.training.train --config=FILE --workdir=DIR`.

Setup here, then `loop.py`. The config says what is trained, on what and how; the working directory
holds checkpoints and metrics, and a run started again there goes on where it stopped.
"""

import contextlib
import os
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
from jax.sharding import NamedSharding

from gif2video_jax.errors import InputError
from gif2video_jax.network_files import load_network
from gif2video_jax.training import feeding
from gif2video_jax.training.checkpoints import Checkpoints, abstract
from gif2video_jax.training.distributed import same_everywhere, together
from gif2video_jax.training.interruptions import stop_on_signals
from gif2video_jax.training.loop import LOGGER, Loop
from gif2video_jax.training.pretrained_networks import placed_like
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.tasks import Task, make_task
from gif2video_jax.training.workdir import hold_workdir, keep_config
from gif2video_jax.training.writers import parameter_table
from gif2video_jax.whole_files import write_whole


def train(
    config: ml_collections.ConfigDict, workdir: str, *, profile_steps: int = 0
) -> dict[str, float]:
    """Runs or resumes the training that `config` describes.

    Args:
      config: see `configs/`.
      workdir: the run's own directory; several processes share it.
      profile_steps: how many steps to profile, see `profiling.Profile`.

    Returns:
      The metrics of the last evaluation; empty if it was stopped before the first.

    Raises:
      InputError: if the config, the data or the working directory do not serve.
      FloatingPointError: if the loss is no longer finite; such a state is never saved.
    """
    with contextlib.ExitStack() as stack:
        received = stack.enter_context(stop_on_signals())
        if jax.process_index() == 0:
            together(lambda: stack.enter_context(hold_workdir(workdir)))
        else:
            together(lambda: None)
        task = together(lambda: build_task(config))
        replicated, by_example = feeding.shardings()
        batch = together(lambda: first_batch(config, by_example))
        checkpoints = stack.enter_context(contextlib.closing(open_checkpoints(config, workdir)))
        latest = checkpoints.latest_step
        same_everywhere(-1 if latest is None else latest, f"what is in {workdir}")
        if jax.process_index() == 0:
            together(lambda: keep_config(config, workdir, resuming=latest is not None))
        else:
            together(lambda: None)
        state = make_state(config, task, batch, checkpoints, replicated)
        if jax.process_index() == 0:
            tell_parameters(state, workdir)
        loop = Loop(
            config,
            workdir,
            task,
            checkpoints,
            replicated=replicated,
            by_example=by_example,
            received=received,
            profile_steps=profile_steps,
        )
        return loop.run(state)


def build_task(config: ml_collections.ConfigDict) -> Task:
    """The config's task.

    Raises:
      InputError: if the config has mistakes.
    """
    try:
        return make_task(config)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(f"config: {' '.join(str(error).split())}") from error


def first_batch(
    config: ml_collections.ConfigDict, by_example: NamedSharding
) -> dict[str, jax.Array]:
    """The run's first batch, for its shapes."""
    with contextlib.closing(
        feeding.make_batches(config, "train", start=0, num_workers=0)
    ) as batches:
        return feeding.put(next(batches), by_example)


def open_checkpoints(config: ml_collections.ConfigDict, workdir: str) -> Checkpoints:
    """The run's checkpoints, kept as the config says."""
    return Checkpoints(
        workdir,
        keep=config.get("keep_checkpoints", 2),
        best=config.get("keep_best_metric", ""),
    )


def make_state(
    config: ml_collections.ConfigDict,
    task: Task,
    batch: dict[str, jax.Array],
    checkpoints: Checkpoints,
    replicated: NamedSharding,
) -> TrainState:
    """The newest checkpoint's state, or a fresh one.

    Raises:
      InputError: if the config has mistakes, or the checkpoint is of another.
    """
    key = jax.random.key(config.seed)
    try:
        shapes = jax.eval_shape(task.init, key, batch)
        metrics = jax.eval_shape(task.evaluate, shapes, batch)
    except (ValueError, TypeError) as error:
        raise InputError(f"config: {' '.join(str(error).split())[:300]}") from error
    best = config.get("keep_best_metric", "").removeprefix("-")
    names = [f"validation_{name}" for name in metrics]
    if best and best not in names:
        raise InputError(
            f"config.keep_best_metric: expected one of {', '.join(names)}, got {best!r}"
        )
    if checkpoints.latest_step is not None:
        like = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated), shapes
        )
        state = checkpoints.restore(like)
        LOGGER.info("resumed at step %d", int(state.step))
        return state
    state = jax.jit(task.init, out_shardings=replicated)(key, batch)
    if hasattr(task, "load_pretrained"):
        state = jax.device_put(task.load_pretrained(state), replicated)
    if config.get("initial_checkpoint", ""):
        state = start_from(config.initial_checkpoint, state)
    return state


def start_from(path: str, state: TrainState) -> TrainState:
    """Takes a weight file, or the averaged network of another run's newest checkpoint, as a start.

    Running statistics come along, and a run's discriminator; optimisers and frozen networks do not.

    Raises:
      InputError: if there is no such file or run, or it is of another network.
    """
    if path.endswith(".safetensors"):
        return start_from_weights(path, state)
    with contextlib.closing(Checkpoints(path, reading=True)) as checkpoints:
        other = checkpoints.restore(abstract(state))
    adversary = {name: other.extra[name] for name in other.extra if name == "adversary"}
    return state.replace(
        # A copy each: a step donates both, and a buffer cannot be donated twice.
        params=jax.tree.map(jnp.copy, other.average),
        average=other.average,
        model_state=other.model_state,
        extra={**state.extra, **adversary},
    )


def start_from_weights(path: str, state: TrainState) -> TrainState:
    """The same from a weight file."""
    variables = dict(load_network(path).variables)
    params = variables.pop("params")
    for mine, others in ((state.params, params), (state.model_state, variables)):
        if jax.tree.map(jnp.shape, dict(mine)) != jax.tree.map(jnp.shape, dict(others)):
            raise InputError(f"config.initial_checkpoint: {path} holds another network")
    return state.replace(
        params=placed_like(params, state.params),
        average=placed_like(params, state.average),
        model_state=placed_like(variables, state.model_state),
    )


def tell_parameters(state: Any, workdir: str) -> None:
    """Says how many parameters the network has; the table of them is parameters.txt.

    Raises:
      InputError: if that file cannot be written.
    """
    total, table = parameter_table(state.params)
    path = os.path.join(workdir, "parameters.txt")
    try:
        write_whole(path, table.encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    LOGGER.info("%s parameters, listed in %s", f"{total:,}", path)


if __name__ == "__main__":
    from gif2video_jax.training.command import run

    run()
