"""Trains a network: `python -m gif2video_jax.training.train --config=FILE --workdir=DIR`.

Setup, loop, finish. The config says what is trained, on what and how; the working directory holds
checkpoints and metrics, and a run started again there goes on where it stopped.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Generator, Iterator

import jax
import ml_collections
import numpy as np
from absl import app, flags, logging
from jax.sharding import NamedSharding, PartitionSpec
from ml_collections import config_flags

from gif2video_jax.training import examples, interpolation_examples, loader
from gif2video_jax.training.checkpoints import Checkpoints, abstract
from gif2video_jax.training.tasks import make_task

EXAMPLES = {
    "dequantization": examples.DequantizationExamples,
    "interpolation": interpolation_examples.InterpolationExamples,
}


def train(config: ml_collections.ConfigDict, workdir: str) -> dict[str, float]:
    """Runs or resumes the training that `config` describes.

    Returns:
      The metrics of the last evaluation.
    """
    os.makedirs(workdir, exist_ok=True)
    task = make_task(config)
    replicated, by_example = shardings()
    first_batch = next(make_batches(config, "train", start=0, num_workers=0))
    init = jax.jit(task.init, out_shardings=replicated)
    state = init(jax.random.key(config.seed), put(first_batch, by_example))
    checkpoints = Checkpoints(workdir)
    if checkpoints.latest_step is not None:
        state = checkpoints.restore(abstract(state))
        logging.info("resumed at step %d", int(state.step))
    elif config.initial_checkpoint:
        state = start_from(config.initial_checkpoint, state)

    step_function = jax.jit(task.step, donate_argnums=0, out_shardings=(replicated, None))
    evaluate_function = jax.jit(task.evaluate)
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
    logged_step, waited, results = step, 0.0, {}
    with contextlib.closing(batches), stop_on_sigterm() as stopping, open(
        os.path.join(workdir, "metrics.jsonl"), "a", buffering=1
    ) as log:
        while step < config.num_steps and not stopping:
            before = time.monotonic()
            batch = put(next(batches), by_example)
            waited += time.monotonic() - before
            state, metrics = step_function(state, batch)
            step += 1
            if step % config.log_every == 0:
                row = {k: float(v) for k, v in jax.device_get(metrics).items()}
                now = time.monotonic()
                row |= {
                    "step": step,
                    "steps_per_second": (step - logged_step) / (now - logged_at),
                    "input_wait_share": waited / (now - logged_at),
                }
                if not np.isfinite(row["loss"]):
                    raise FloatingPointError(
                        f"step {step}: the loss is not finite: {row}; the last good checkpoint is "
                        f"step {checkpoints.latest_step} in {workdir}"
                    )
                log.write(json.dumps(row) + "\n")
                logging.info("%s", row)
                logged_at, logged_step, waited = now, step, 0.0
            if step % config.evaluate_every == 0 or step == config.num_steps:
                results = evaluate()
                log.write(json.dumps({"step": step, **results}) + "\n")
                logging.info("step %d %s", step, results)
            if time.monotonic() - saved_at > config.checkpoint_every_seconds:
                checkpoints.save(step, state)
                saved_at = time.monotonic()
    if checkpoints.latest_step != step:
        checkpoints.save(step, state)
    checkpoints.close()
    return results


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
    other = Checkpoints(directory).restore(abstract(state))
    return state.replace(params=other.average, average=other.average)


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


if __name__ == "__main__":
    CONFIG = config_flags.DEFINE_config_file("config", help_string="File path to the config.")
    WORKDIR = flags.DEFINE_string("workdir", None, "Directory of checkpoints and metrics.")
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(lambda _: train(CONFIG.value, str(WORKDIR.value)))
