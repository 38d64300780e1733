"""Which frames examples are made of: each once an epoch, or at random."""

import collections

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from gif2video_jax.errors import InputError
from gif2video_jax.training.corpus import Item, Source
from gif2video_jax.training.sampling import check_sampling, draw


class Numbers(Source):
    """Items of given lengths; a frame says which it is."""

    def __init__(self, lengths, groups=None):
        groups = groups or [str(number) for number in range(len(lengths))]
        self.items = [
            Item("clip", "train", group, (str(number),), length)
            for number, (length, group) in enumerate(zip(lengths, groups, strict=True))
        ]

    def __str__(self):
        return "numbers"

    def frame(self, item, index=0):
        return np.array([[[int(item.paths[0]), index, 0]]], np.uint8)


def places(source, count, *, sampling, seed=0, num_frames=1, start=0):
    drawn = []
    for index in range(start, start + count):
        rng = np.random.default_rng([seed, index])
        item, first = draw(
            source, rng, sampling=sampling, seed=seed, index=index, num_frames=num_frames
        )
        drawn.append((int(item.paths[0]), first))
    return drawn


LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@hypothesis.given(LENGTHS, st.integers(1, 4), st.integers(0, 5), st.integers(0, 99))
def test_an_epoch_of_frames_has_each_place_once(lengths, num_frames, epoch, seed):
    hypothesis.assume(max(lengths) >= num_frames)
    wanted = {
        (item, first)
        for item, length in enumerate(lengths)
        for first in range(length - num_frames + 1)
    }
    found = places(
        Numbers(lengths),
        len(wanted),
        sampling="frames",
        seed=seed,
        num_frames=num_frames,
        start=epoch * len(wanted),
    )
    assert len(found) == len(wanted) and set(found) == wanted


@hypothesis.given(LENGTHS, st.integers(1, 4), st.integers(0, 5))
def test_an_epoch_of_videos_has_each_long_enough_video_once(lengths, num_frames, epoch):
    hypothesis.assume(max(lengths) >= num_frames)
    long = [item for item, length in enumerate(lengths) if length >= num_frames]
    found = places(
        Numbers(lengths),
        len(long),
        sampling="videos",
        num_frames=num_frames,
        start=epoch * len(long),
    )
    assert sorted(item for item, _ in found) == long
    assert all(0 <= first <= lengths[item] - num_frames for item, first in found)


@pytest.mark.parametrize("sampling", ["frames", "videos"])
def test_epochs_and_seeds_have_orders_of_their_own(sampling):
    source = Numbers([1] * 12)
    orders = {
        tuple(places(source, 12, sampling=sampling, seed=seed, start=12 * epoch))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


def test_random_draws_are_even_over_groups_and_skip_short_items():
    source = Numbers([1, 5, 5, 5, 3], groups=["a", "b", "b", "b", "c"])
    counts = collections.Counter(
        item for item, _ in places(source, 1200, sampling="random", num_frames=2)
    )
    assert set(counts) == {1, 2, 3, 4}
    group = sum(counts[item] for item in (1, 2, 3))
    assert abs(group - counts[4]) < 150  # two groups, about 600 each
    firsts = collections.Counter(
        first for item, first in places(source, 600, sampling="random") if item == 4
    )
    assert set(firsts) == {0, 1, 2} and min(firsts.values()) > 30


def test_clips_that_are_all_too_short_are_named():
    with pytest.raises(InputError, match="numbers: its longest item has 4 frames, expected 9"):
        places(Numbers([4, 2]), 1, sampling="videos", num_frames=9)


def test_an_unknown_sampling_lists_what_there_is():
    with pytest.raises(InputError, match="one of random, videos, frames, got 'epochs'"):
        check_sampling("epochs")
