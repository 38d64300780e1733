"""The input pipeline: engines that agree, exact resuming, shards, prefetching, TFDS by name."""

import itertools
import threading
import time

import jax
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training import inputs
from gif2video_jax.training.clip_examples import ClipExamples, RealMotionExamples
from gif2video_jax.training.examples import DequantizationExamples
from gif2video_jax.training.interpolation_examples import InterpolationExamples
from gif2video_jax.training.prefetching import prefetch
from tests import oracles
from tests.training.miniature_corpus import write_corpus


class Numbers:
    """Example i holds two rows that say i; index `broken` cannot be made."""

    def __init__(self, broken: int = -1):
        self.broken = broken

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if index == self.broken:
            raise InputError(f"corpus.zip: cannot read picture {index}")
        return {"row": np.array([[index, 0], [index, 1]]), "half": np.full(2, index / 2)}


@pytest.fixture(params=["processes", "grain"])
def engine(request):
    if request.param == "grain":
        oracles.require_module("grain")
    return request.param


def take(count, maker=None, **choice):
    batches = inputs.make_batches(
        maker or Numbers(), **({"examples_per_batch": 4, "num_workers": 0} | choice)
    )
    try:
        return list(itertools.islice(batches, count))
    finally:
        batches.close()


def rows(batches):
    return [batch["row"][::2, 0].tolist() for batch in batches]


def test_batch_b_joins_its_own_examples_whatever_the_engine(engine):
    assert rows(take(3, engine=engine)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_start_goes_on_exactly_there_even_late_in_a_run(engine):
    assert rows(take(2, engine=engine, start=10**9)) == [
        [4 * 10**9 + i for i in range(4)],
        [4 * 10**9 + i for i in range(4, 8)],
    ]


def test_shards_join_to_the_whole_batch(engine):
    shards = [rows(take(2, engine=engine, shard=s, num_shards=2)) for s in range(2)]
    assert shards == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    with pytest.raises(ValueError, match="multiple of 3 shards, got 4"):
        take(1, engine=engine, num_shards=3)


def test_an_example_that_cannot_be_made_is_an_input_error_there(engine):
    with pytest.raises(InputError, match="cannot read picture 5"):
        take(3, Numbers(broken=5), engine=engine)


def test_grains_workers_change_nothing_and_hand_on_errors():
    """Those of the other engine are tested in test_loader.py."""
    oracles.require_module("grain")
    batches = inputs.make_batches(
        Numbers(broken=17), examples_per_batch=4, num_workers=2, engine="grain"
    )
    found = [next(batches) for _ in range(4)]
    assert rows(found) == rows(take(4))
    with pytest.raises(InputError, match="cannot read picture 17"):
        next(batches)


def test_grain_saves_and_restores_its_place():
    oracles.require_module("grain")
    dataset = inputs.grain_dataset(Numbers(), examples_per_batch=2)
    iterator = iter(dataset.to_iter_dataset())
    next(iterator)
    state = iterator.get_state()
    wanted = rows([next(iterator), next(iterator)])
    again = iter(dataset.to_iter_dataset())
    again.set_state(state)
    assert rows([next(again), next(again)]) == wanted == [[2, 3], [4, 5]]


def test_unknown_engines_and_a_missing_grain_are_named(monkeypatch):
    with pytest.raises(InputError, match="one of auto, grain, processes, got 'threads'"):
        take(1, engine="threads")
    monkeypatch.setitem(__import__("sys").modules, "grain", None)
    with pytest.raises(InputError, match=r"pip install '.\[data\]'"):
        take(1, engine="grain")
    assert rows(take(1)) == [[0, 1, 2, 3]]  # nothing else needs it


# Examples by task.


@pytest.mark.parametrize(
    "task, fields, kind",
    [
        ("dequantization", {}, DequantizationExamples),
        ("refinement", {"patch_size": 48}, DequantizationExamples),
        ("interpolation", {}, InterpolationExamples),
        ("interpolation", {"motion": "rendered"}, InterpolationExamples),
        ("interpolation", {"motion": "real", "num_frames": 5}, RealMotionExamples),
        ("clip_interpolation", {"num_frames": 5}, ClipExamples),
    ],
)
@pytest.mark.parametrize("named", ["source", "corpus"])
def test_each_task_has_its_examples(task, fields, kind, named, tmp_path):
    path = write_corpus(tmp_path / "corpus.zip")
    value = f"packed:{path}" if named == "source" else str(path)
    maker = inputs.EXAMPLES[task](split="train", seed=3, **{named: value}, **fields)
    assert type(maker) is kind and maker.seed == 3


@pytest.mark.parametrize(
    "task, fields, message",
    [
        ("dequantization", {}, "config.data.source: expected packed:FILE"),
        ("dequantization", {"source": ""}, "config.data.source: expected packed:FILE"),
        ("dequantization", {"source": "x.zip", "colors": 3}, "config.data: .* 'colors'"),
        ("dequantization", {"motion": "real"}, "task 'dequantization' has no kinds of motion"),
        ("interpolation", {"motion": "slow"}, "one of real, rendered, got 'slow'"),
        ("painting", {}, "no examples for the task 'painting', only for clip_interpolation, deq"),
    ],
)
def test_fields_that_do_not_serve_are_named(task, fields, message):
    with pytest.raises(InputError, match=message):
        inputs.make_examples(task, split="train", seed=0, **fields)


# Prefetching.


class Watched:
    """Batches that count how many were taken, and know whether they were closed."""

    def __init__(self, count):
        self.count, self.taken, self.closed = count, 0, False

    def __iter__(self):
        return self

    def __next__(self):
        if self.taken == self.count:
            raise StopIteration
        self.taken += 1
        return {"x": np.full((2, 3), self.taken, np.float32)}

    def close(self):
        self.closed = True


def settle(done, seconds: float = 10.0):
    """Waits for a thread that is ahead, and a moment in which it could go too far."""
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(0.01)


def one_device():
    return jax.sharding.SingleDeviceSharding(jax.devices()[0])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_prefetching_keeps_order_and_stays_ahead_by_its_size(size):
    watched = Watched(6)
    values = []
    for number, batch in enumerate(inputs.prefetch_to_device(watched, one_device(), size), 1):
        assert isinstance(batch["x"], jax.Array) and batch["x"].shape == (2, 3)
        values.append(float(batch["x"][1, 2]))
        settle(lambda: watched.taken >= min(6, number + size))  # noqa: B023
        assert watched.taken == min(6, number + size)
    assert values == [1, 2, 3, 4, 5, 6] and watched.closed


def test_closing_a_prefetch_closes_the_batches():
    watched = Watched(100)
    prefetched = inputs.prefetch_to_device(watched, one_device())
    next(prefetched)
    settle(lambda: watched.taken >= 3)
    prefetched.close()
    assert watched.closed and watched.taken == 3


def test_a_prefetch_that_nobody_holds_ends():
    watched = Watched(100)
    next(inputs.prefetch_to_device(watched, one_device()))
    assert watched.closed and not any(t.name == "prefetch" for t in threading.enumerate())


def test_an_error_ahead_comes_when_its_batch_is_due():
    batches = inputs.make_batches(Numbers(broken=9), examples_per_batch=4, num_workers=0)
    prefetched = inputs.prefetch_to_device(batches, one_device(), 5)
    assert [int(next(prefetched)["row"][0, 0]) for _ in range(2)] == [0, 4]
    with pytest.raises(InputError, match="cannot read picture 9"):
        next(prefetched)


def test_batches_ahead_do_not_wait_for_who_uses_them():
    """The third is made while the first is in use, though nobody has asked for it."""
    made, placed = threading.Event(), []

    def batches():
        yield from range(2)
        made.set()
        yield 2

    found = prefetch(batches(), lambda batch: placed.append(batch) or batch, 2)
    assert next(found) == 0 and made.wait(10)
    settle(lambda: len(placed) == 3)
    assert list(found) == [1, 2] == placed[1:]


def test_prefetching_nothing_ahead_is_refused():
    with pytest.raises(ValueError, match="at least 1 batch ahead, got 0"):
        inputs.prefetch_to_device(Watched(1), one_device(), 0)
