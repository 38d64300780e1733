"""Batches: the same whatever makes them, and wherever a run starts."""

import itertools

import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training import loader


class Numbers:
    """Example i holds two rows that say i; index `broken` cannot be made."""

    def __init__(self, broken: int = -1):
        self.broken = broken

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if index == self.broken:
            raise InputError(f"corpus.zip: cannot read picture {index}")
        return {"row": np.array([[index, 0], [index, 1]]), "half": np.full(2, index / 2)}


def take(count: int, maker=None, **choice) -> list[dict[str, np.ndarray]]:
    batches = loader.batches(maker or Numbers(), **({"examples_per_batch": 3} | choice))
    try:
        return list(itertools.islice(batches, count))
    finally:
        batches.close()


def assert_same(one, two):
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def test_batch_b_joins_its_own_examples_in_order():
    for number, batch in enumerate(take(3, num_workers=0)):
        wanted = [[3 * number + i, row] for i in range(3) for row in range(2)]
        assert batch["row"].tolist() == wanted
        assert batch["half"].tolist() == [i / 2 for i, _ in wanted]


def test_workers_change_nothing():
    assert_same(take(6, num_workers=1, ahead=3), take(6, num_workers=0))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_start_goes_on_exactly_there(num_workers):
    assert_same(take(2, num_workers=num_workers, start=4), take(6, num_workers=0)[4:])


@pytest.mark.parametrize("num_shards", [2, 4])
def test_shards_join_to_the_whole_batch(num_shards):
    whole = take(3, num_workers=0, examples_per_batch=4)
    shards = [
        take(3, num_workers=0, examples_per_batch=4, shard=shard, num_shards=num_shards)
        for shard in range(num_shards)
    ]
    joined = [
        {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        for parts in zip(*shards, strict=True)
    ]
    assert_same(joined, whole)


def test_shards_that_do_not_divide_the_batch_are_named():
    with pytest.raises(ValueError, match="multiple of 2 shards, got 3"):
        take(1, num_workers=0, num_shards=2)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_example_that_cannot_be_made_is_an_input_error_there(num_workers):
    with pytest.raises(InputError, match="cannot read picture 4"):
        take(2, Numbers(broken=4), num_workers=num_workers)
