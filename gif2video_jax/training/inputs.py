"""The input pipeline: from `config.data` to batches on the devices.

    maker = make_examples("dequantization", split="train", seed=0, source="packed:corpus.zip")
    batches = make_batches(maker, examples_per_batch=8, start=step, num_workers=4)
    for batch in prefetch_to_device(batches, sharding, size=2):
        ...

An example is a function of seed and index, and batch b joins the examples b * k to b * k + k - 1,
so that a run resumes to the exact example by starting at its step, whatever made the batches and
however many workers did. Two engines make them: our own processes (`loader`), which need nothing
but NumPy, and Grain, which TFDS data sets are read with where it is installed. Both give the same
batches.
"""

import functools
import importlib.util
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.training import loader, prefetching
from gif2video_jax.training.clip_examples import ClipExamples, RealMotionExamples
from gif2video_jax.training.dither_examples import DitherExamples
from gif2video_jax.training.examples import DequantizationExamples
from gif2video_jax.training.filled_clips import inpainting_examples
from gif2video_jax.training.interpolation_examples import InterpolationExamples

ENGINES = ("auto", "grain", "processes")
# (task, config.data.motion) -> what makes its examples.
_MAKERS: dict[tuple[str, str], Any] = {
    ("dequantization", ""): DequantizationExamples,
    ("refinement", ""): DequantizationExamples,
    ("interpolation", ""): InterpolationExamples,
    ("interpolation", "rendered"): InterpolationExamples,
    ("interpolation", "real"): RealMotionExamples,
    ("clip_interpolation", ""): ClipExamples,
    ("inpainting", ""): inpainting_examples,
    ("dither_classification", ""): DitherExamples,
}
# As many as a run will ever see, and few enough that Grain can count the examples too.
_NUM_BATCHES = 1 << 40

HostBatch = dict[str, np.ndarray]


def make_examples(task: str, *, split: str, seed: int, **fields: Any) -> Any:
    """The examples of a task: random access by number, each a dictionary of arrays.

    Args:
      task: a name of `tasks.TASKS` that has examples here.
      split: "train" or "validation".
      seed: two makers of one seed give the same examples.
      **fields: of `config.data`: `source` (or its older name `corpus`), see `sources.open_source`;
        for the task "interpolation", `motion`, "rendered" or "real"; and the attributes of the
        examples' class.

    Raises:
      InputError: if a field or the data do not serve.
    """
    motion = fields.pop("motion", "")
    if (task, motion) not in _MAKERS:
        known = sorted({kind for name, kind in _MAKERS if name == task and kind})
        if not known:
            tasks = ", ".join(sorted({name for name, _ in _MAKERS}))
            problem = f"config.data: no examples for the task {task!r}, only for {tasks}"
            if motion:
                problem = f"config.data.motion: the task {task!r} has no kinds of motion"
            raise InputError(problem)
        raise InputError(f"config.data.motion: expected one of {', '.join(known)}, got {motion!r}")
    if "source" in fields:
        fields["corpus"] = fields.pop("source")
    if not fields.get("corpus"):
        raise InputError(
            "config.data.source: expected packed:FILE, folder:DIR or tfds:NAME/CONFIG, got nothing"
        )
    try:
        return _MAKERS[task, motion](split=split, seed=seed, **fields)
    except TypeError as error:  # a field that there isn't
        raise InputError(f"config.data: {error}") from None


# Task -> what makes its examples: `EXAMPLES[task](split=..., seed=..., **config.data)`.
EXAMPLES: dict[str, Any] = {
    task: functools.partial(make_examples, task) for task in sorted({task for task, _ in _MAKERS})
}


def make_batches(
    maker: Any,
    *,
    examples_per_batch: int,
    start: int = 0,
    num_workers: int = 1,
    shard: int = 0,
    num_shards: int = 1,
    engine: str = "auto",
) -> Generator[HostBatch, None, None]:
    """Yields batches for ever, from batch number `start` on. Close it to end the workers.

    Args:
      maker: random access to examples, each a dictionary of arrays that share their first axis.
      examples_per_batch: examples of one batch over all shards; their first axes are joined.
      start: number of the first batch.
      num_workers: processes that make examples; 0 makes them in this process.
      shard: which part of each batch this process makes, for several hosts.
      num_shards: how many parts; must divide `examples_per_batch`.
      engine: "processes", "grain", or "auto": Grain for TFDS data sets if it is installed.

    Raises:
      InputError: if there is no such engine, or Grain is missing.
      ValueError: if the shards do not divide the batch.
    """
    if engine not in ENGINES:
        raise InputError(f"engine: expected one of {', '.join(ENGINES)}, got {engine!r}")
    if engine == "auto":
        reads_tfds = getattr(maker, "corpus", "").startswith("tfds:")
        engine = "grain" if reads_tfds and importlib.util.find_spec("grain") else "processes"
    if engine == "processes":
        return loader.batches(
            maker,
            examples_per_batch=examples_per_batch,
            start=start,
            num_workers=num_workers,
            shard=shard,
            num_shards=num_shards,
        )
    dataset = grain_dataset(
        maker, examples_per_batch=examples_per_batch, shard=shard, num_shards=num_shards
    )
    return _grain_batches(dataset[start:], num_workers)


def grain_dataset(maker: Any, *, examples_per_batch: int, shard: int = 0, num_shards: int = 1):
    """This process' part of all batches as a `grain.MapDataset`, for pipelines of one's own.

    `dataset[b]` is batch number b; `dataset.to_iter_dataset()` makes an iterator whose state can be
    saved and restored.

    Raises:
      InputError: if Grain is missing.
      ValueError: if the shards do not divide the batch.
    """
    try:
        import grain
    except ImportError as error:
        raise InputError(
            f"engine 'grain' needs a package that is not installed ({error}): "
            "pip install '.[data]' in this project's folder"
        ) from None
    numbers = loader.ExampleNumbers(examples_per_batch, shard, num_shards)
    own = len(numbers[0])
    examples = grain.MapDataset.source(_Examples(maker, numbers, own))
    return examples.batch(own, batch_fn=loader.join)


class _Examples:
    """This shard's examples of all batches one after the other, as Grain reads them."""

    def __init__(self, maker: Any, numbers: "loader.ExampleNumbers", own: int):
        self._maker = maker
        self._numbers = numbers
        self._own = own

    def __len__(self) -> int:
        return _NUM_BATCHES * self._own

    def __getitem__(self, index: int) -> HostBatch:
        batch, place = divmod(int(index), self._own)
        return self._maker[self._numbers[batch][place]]

    def __repr__(self) -> str:
        return f"examples({type(self._maker).__name__})"


def _grain_batches(dataset: Any, num_workers: int) -> Generator[HostBatch, None, None]:
    import grain
    from absl import flags

    if not flags.FLAGS.is_parsed():  # outside of absl's programs; Grain's workers look at them
        flags.FLAGS.mark_as_parsed()
    # Workers, not threads: making examples holds the interpreter's lock.
    options = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    iterable = dataset.to_iter_dataset(options)
    if num_workers:
        iterable = iterable.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=num_workers, per_worker_buffer_size=2)
        )
    iterator = iter(iterable)
    try:
        yield from iterator
    finally:
        iterator.close()


def prefetch_to_device(
    batches: Iterable[HostBatch], sharding: Any, size: int = 2
) -> Generator[dict[str, Any], None, None]:
    """Yields batches as arrays on the devices, with `size` of them on the way ahead.

    A thread takes and copies them while the devices compute: while step n runs, the batches n + 1
    to n + size are on their way. Closing this ends the thread and closes `batches`.

    Args:
      batches: dictionaries of arrays, this process' part.
      sharding: of the arrays over all processes' devices (`jax.sharding.Sharding`).
      size: batches ahead, at least 1; each takes its memory on the devices.

    Raises:
      ValueError: if `size` is less than 1.
    """
    import jax  # Not above: workers that make examples import this file.

    if size < 1:
        raise ValueError(f"size: expected at least 1 batch ahead, got {size}")

    def place(batch: HostBatch) -> dict[str, Any]:
        return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}

    return prefetching.prefetch(batches, place, size)
