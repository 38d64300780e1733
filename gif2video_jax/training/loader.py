"""Batches from an example maker, in order, made ahead by worker processes.

Batch `b` joins the examples `b * k .. b * k + k - 1`, whatever the number of workers, so a run
resumes to the exact example by starting at its step.
"""

import collections
import concurrent.futures
import dataclasses
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

_maker: Any = None


@dataclasses.dataclass(frozen=True)
class ExampleNumbers:
    """Which examples a shard's part of each batch joins; `numbers[b]` is a range.

    Attributes:
      per_batch: examples of one batch over all shards.
      shard: number of this one.
      num_shards: how many there are.
    """

    per_batch: int
    shard: int = 0
    num_shards: int = 1

    def __post_init__(self):
        """Rejects shards that do not divide the batch (ValueError)."""
        if self.per_batch % self.num_shards:
            raise ValueError(
                f"examples_per_batch: expected a multiple of {self.num_shards} shards, "
                f"got {self.per_batch}"
            )

    def __getitem__(self, batch: int) -> range:
        """Of batch number `batch`."""
        own = self.per_batch // self.num_shards
        first = batch * self.per_batch + self.shard * own
        return range(first, first + own)


def batches(
    maker: Any,
    *,
    examples_per_batch: int,
    start: int = 0,
    num_workers: int = 1,
    ahead: int = 4,
    shard: int = 0,
    num_shards: int = 1,
) -> Generator[dict[str, np.ndarray], None, None]:
    """Yields batches for ever, from batch number `start` on.

    Args:
      maker: random access to examples, each a dictionary of arrays that share their first axis.
      examples_per_batch: examples of one batch over all shards; their first axes are joined.
      start: number of the first batch.
      num_workers: processes that make examples; 0 makes them in this process.
      ahead: batches in the making.
      shard: which part of each batch this process makes, for several hosts.
      num_shards: how many parts; must divide `examples_per_batch`.

    Raises:
      ValueError: if the shards do not divide the batch.
    """
    numbers = ExampleNumbers(examples_per_batch, shard, num_shards)
    if num_workers == 0:
        while True:
            yield join([maker[i] for i in numbers[start]])
            start += 1
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=_set_maker, initargs=(maker,)
    )
    waiting: collections.deque = collections.deque()
    try:
        while True:
            while len(waiting) < ahead:
                waiting.append([pool.submit(_make, i) for i in numbers[start]])
                start += 1
            yield join([future.result() for future in waiting.popleft()])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _set_maker(maker: Any) -> None:
    """Starts a worker: it leaves Ctrl-C to its parent, and does not outlive it."""
    global _maker
    _maker = maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(index: int) -> dict[str, np.ndarray]:
    return _maker[index]


def join(examples: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """One batch of examples whose arrays share their first axis."""
    return {key: np.concatenate([e[key] for e in examples]) for key in examples[0]}
