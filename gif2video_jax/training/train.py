"""Trains a network: `python -m gif2video_jax.training.train --config=FILE --workdir=DIR`.

Setup, loop, finish. The config says what is trained, on what and how; the working directory holds
checkpoints and metrics, and a run started again there goes on where it stopped.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from absl import app, flags
from absl import logging as absl_logging
from jax.sharding import NamedSharding, PartitionSpec
from ml_collections import config_flags

from gif2video_jax.errors import InputError
from gif2video_jax.ops.compiling import convolution_options
from gif2video_jax.training import examples, interpolation_examples, loader
from gif2video_jax.training.checkpoints import Checkpoints, abstract
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.tasks import Task, make_task
from gif2video_jax.training.workdir import keep_config, open_workdir

# Our own logger, so that progress is seen without what the libraries have to say.
LOGGER = logging.getLogger("gif2video_jax.training")
EXAMPLES = {
    "dequantization": examples.DequantizationExamples,
    "interpolation": interpolation_examples.InterpolationExamples,
}


def train(config: ml_collections.ConfigDict, workdir: str) -> dict[str, float]:
    """Runs or resumes the training that `config` describes.

    Returns:
      The metrics of the last evaluation; empty if it was stopped before the first.

    Raises:
      InputError: if the config, the data or the working directory do not serve.
      FloatingPointError: if the loss is no longer finite; such a state is never saved.
    """
    open_workdir(workdir)
    try:
        task = make_task(config)
    except ValueError as error:
        raise InputError(f"config: {error}") from error
    replicated, by_example = shardings()
    first_batch = next(make_batches(config, "train", start=0, num_workers=0))
    with contextlib.closing(Checkpoints(workdir)) as checkpoints:
        resuming = checkpoints.latest_step is not None
        if jax.process_index() == 0:
            keep_config(config, workdir, resuming=resuming)
        init = jax.jit(task.init, out_shardings=replicated)
        state = init(jax.random.key(config.seed), put(first_batch, by_example))
        if resuming:
            state = checkpoints.restore(abstract(state))
            LOGGER.info("resumed at step %d", int(state.step))
        elif config.initial_checkpoint:
            state = start_from(config.initial_checkpoint, state)
        return _run(config, workdir, task, state, checkpoints, by_example)


def _run(
    config: ml_collections.ConfigDict,
    workdir: str,
    task: Task,
    state: TrainState,
    checkpoints: Checkpoints,
    by_example: NamedSharding,
) -> dict[str, float]:
    """The loop, from the state's step on."""
    replicated = state.step.sharding
    step_function = jax.jit(
        task.step,
        donate_argnums=0,
        out_shardings=(replicated, None),
        compiler_options=convolution_options(),
    )
    evaluate_function = jax.jit(task.evaluate, compiler_options=convolution_options())
    validation = [
        put(batch, by_example)
        for batch, _ in zip(
            make_batches(config, "validation", start=0, num_workers=0),
            range(config.validation_batches),
            strict=False,
        )
    ]

    def evaluate() -> dict[str, float]:
        results = [jax.device_get(evaluate_function(state, batch)) for batch in validation]
        return {f"validation_{k}": float(np.mean([r[k] for r in results])) for k in results[0]}

    batches = make_batches(config, "train", start=int(state.step), num_workers=config.num_workers)
    started, step = time.monotonic(), int(state.step)
    saved_at = logged_at = started
    saved_step = logged_step = step
    waited: float = 0.0
    results: dict[str, float] = {}
    metrics: Mapping[str, jax.Array] = {}
    with (
        contextlib.closing(batches),
        stop_on_sigterm() as stopping,
        open(os.path.join(workdir, "metrics.jsonl"), "a", buffering=1) as log,
    ):
        while step < config.num_steps and not stopping:
            before = time.monotonic()
            try:
                batch = put(next(batches), by_example)
            except BrokenProcessPool:
                if stopping:  # whoever stopped us stopped our workers too
                    break
                raise
            waited += time.monotonic() - before
            state, metrics = step_function(state, batch)
            step += 1
            if step % config.log_every == 0:
                check_finite(metrics, step, checkpoints)
                row = {k: float(v) for k, v in jax.device_get(metrics).items()}
                now = time.monotonic()
                row |= {
                    "step": step,
                    "steps_per_second": (step - logged_step) / (now - logged_at),
                    "input_wait_share": waited / (now - logged_at),
                }
                log.write(json.dumps(row) + "\n")
                LOGGER.info("%s", row)
                logged_at, logged_step, waited = now, step, 0.0
            if step % config.evaluate_every == 0 or step == config.num_steps:
                results = evaluate()
                log.write(json.dumps({"step": step, **results}) + "\n")
                LOGGER.info("step %d %s", step, results)
            if time.monotonic() - saved_at > config.checkpoint_every_seconds:
                check_finite(metrics, step, checkpoints)
                checkpoints.save(step, state)
                saved_at, saved_step = time.monotonic(), step
    if saved_step != step:
        check_finite(metrics, step, checkpoints)
        checkpoints.save(step, state)
    if not results and step >= config.num_steps:  # there was nothing left to do
        results = evaluate()
    return results


def check_finite(metrics: Mapping[str, jax.Array], step: int, checkpoints: Checkpoints) -> None:
    """Stops a run that has diverged.

    Raises:
      FloatingPointError: if the loss or its gradient, and so the parameters, are not finite; says
        where, which term, and from which checkpoint one may go on.
    """
    values = {name: float(value) for name, value in jax.device_get(metrics).items()}
    if np.isfinite(values["loss"]) and np.isfinite(values["gradient_norm"]):
        return
    terms = ", ".join(f"{name} {value:g}" for name, value in values.items())
    last = checkpoints.latest_step
    good = "there is no checkpoint yet" if last is None else f"the last good one is step {last}"
    raise FloatingPointError(
        f"step {step}: the loss or its gradient is not finite ({terms}); not saved; "
        f"{good} in {checkpoints.directory}; lower the learning rate or clip gradients"
    )


def shardings() -> tuple[NamedSharding, NamedSharding]:
    """Over all devices as one data axis: replicated, and split along the first array axis."""
    mesh = jax.make_mesh(
        (jax.device_count(),), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
    )
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))


def put(batch: dict[str, np.ndarray], sharding: NamedSharding) -> dict[str, jax.Array]:
    """Moves this process' part of a batch to its devices."""
    return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}


def make_batches(
    config: ml_collections.ConfigDict, split: str, *, start: int, num_workers: int
) -> Generator[dict[str, np.ndarray], None, None]:
    """The config's batches of a split, from batch number `start` on."""
    fields = dict(config.data)
    per_batch = fields.pop("examples_per_batch")
    seed = config.seed
    if split == "validation":
        # Other GIFs than in training, and no drawings: those are right from the start.
        seed = 1_000_003
        if "drawn_share" in fields:
            fields["drawn_share"] = 0.0
    maker = EXAMPLES[config.task](split=split, seed=seed, **fields)
    return loader.batches(
        maker,
        examples_per_batch=per_batch,
        start=start,
        num_workers=num_workers,
        shard=jax.process_index(),
        num_shards=jax.process_count(),
    )


def start_from(directory: str, state):
    """Takes the averaged parameters of another run's newest checkpoint as a start."""
    with contextlib.closing(Checkpoints(directory, reading=True)) as checkpoints:
        average = checkpoints.restore(abstract(state)).average
    # A copy each: a step donates both, and a buffer cannot be donated twice.
    return state.replace(params=jax.tree.map(jnp.copy, average), average=average)


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[list[int]]:
    """Yields a list that is empty until SIGTERM or SIGINT arrives."""
    received: list[int] = []
    previous = {
        number: signal.signal(number, lambda got, _frame: received.append(got))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def main(config: ml_collections.ConfigDict, workdir: str) -> int:
    """Trains, with progress on standard error; returns the exit code."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    if not flags.FLAGS["verbosity"].present:  # Orbax tells about each file it writes
        absl_logging.set_verbosity(absl_logging.WARNING)
    try:
        train(config, workdir)
    except (InputError, FloatingPointError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    CONFIG = config_flags.DEFINE_config_file("config", help_string="File path to the config.")
    WORKDIR = flags.DEFINE_string("workdir", None, "Directory of checkpoints and metrics.")
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(lambda _: main(CONFIG.value, str(WORKDIR.value)))
