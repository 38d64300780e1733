"""From the config's batches to the devices: each process makes and holds its own part."""

from collections.abc import Generator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import jax
import ml_collections
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from gif2video_jax.errors import InputError
from gif2video_jax.training import inputs
from gif2video_jax.training.interruptions import Decisions
from gif2video_jax.training.prefetching import prefetch

HostBatch = dict[str, np.ndarray]
# Task -> what makes its examples from a split, a seed and the fields of `config.data`.
EXAMPLES: dict[str, Any] = dict(inputs.EXAMPLES)
# Training batches on the devices, or on their way there, beside the one in use.
AHEAD = 2


def shardings() -> tuple[NamedSharding, NamedSharding]:
    """Over all devices as one data axis: replicated, and split along the first array axis."""
    mesh = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))


def put(batch: HostBatch, sharding: NamedSharding) -> dict[str, jax.Array]:
    """Moves this process' part of a batch to its devices.

    Raises:
      InputError: if the devices do not divide the batch.
    """
    devices = jax.local_device_count()
    for name, array in batch.items():
        if len(array) % devices:
            raise InputError(
                f"config.data: a batch has {len(array)} rows of {name} for {devices} devices of "
                "this process; make it a multiple"
            )
    return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}


def make_batches(
    config: ml_collections.ConfigDict, split: str, *, start: int, num_workers: int
) -> Generator[HostBatch, None, None]:
    """The config's batches of a split, from batch number `start` on; this process' part of them.

    Raises:
      InputError: if the data are not there, or the processes do not divide the batch.
    """
    fields = dict(config.data)
    per_batch = fields.pop("examples_per_batch")
    seed = config.seed
    if split == "validation":
        # Other GIFs than in training, and no drawings: those are right from the start.
        seed = 1_000_003
        if "drawn_share" in fields:
            fields["drawn_share"] = 0.0
    if per_batch < 1 or per_batch % jax.process_count():
        raise InputError(
            f"config.data.examples_per_batch: expected a multiple of {jax.process_count()} "
            f"processes, got {per_batch}"
        )
    engine = fields.pop("engine", "auto")
    maker = EXAMPLES[config.task](split=split, seed=seed, **fields)
    fill = getattr(maker, "fill", None)
    if fill is not None and fill != config.model.fill:
        raise InputError(f"config.model.fill: the clips are filled by {fill!r} already")
    return inputs.make_batches(
        maker,
        examples_per_batch=per_batch,
        start=start,
        num_workers=num_workers,
        shard=jax.process_index(),
        num_shards=jax.process_count(),
        engine=engine,
    )


def validation_batches(
    config: ml_collections.ConfigDict, sharding: NamedSharding
) -> list[dict[str, jax.Array]]:
    """The first `config.validation_batches` batches of the validation split, on the devices."""
    batches = make_batches(config, "validation", start=0, num_workers=0)
    return [
        put(batch, sharding)
        for batch, _ in zip(batches, range(config.validation_batches), strict=False)
    ]


class Batches:
    """Training batches on the devices, made and placed ahead of the steps that use them.

    What is ahead is no part of a run's state: a batch is a function of its number, so that a run
    goes on with the number of its step. They go on, too, when a signal to all our processes ends
    the data workers.
    """

    def __init__(self, config: ml_collections.ConfigDict, sharding: NamedSharding, *, start: int):
        """The batches from number `start` on, split over the devices as `sharding` says."""
        self._config = config
        self._sharding = sharding
        host = make_batches(config, "train", start=start, num_workers=config.num_workers)
        self._batches = prefetch(host, self._put, AHEAD)

    def next(self, step: int, decisions: Decisions) -> dict[str, jax.Array]:
        """Batch number `step`.

        Raises:
          InputError: if a data worker ended though nobody stops this run.
        """
        try:
            return next(self._batches)
        except Exception as error:  # Grain's workers end in other ways than ours
            if isinstance(error, InputError):
                raise
            if not decisions.interrupted():
                if not isinstance(error, BrokenProcessPool):
                    raise
                raise InputError(
                    "a data worker was ended, perhaps for want of memory; start the same command "
                    "again, or give it fewer --config.num_workers"
                ) from None
        # The other processes still count on us until all agree to stop: make our part here.
        self._batches.close()
        host = make_batches(self._config, "train", start=step, num_workers=0)
        self._batches = (self._put(batch) for batch in host)
        return next(self._batches)

    def close(self) -> None:
        """Ends the workers."""
        self._batches.close()

    def _put(self, batch: HostBatch) -> dict[str, jax.Array]:
        return put(batch, self._sharding)
