"""Holes for inpainting: what each kind promises, at every size."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from gif2video_jax.training.masks import MASK_KINDS, random_masks

BOXES = ("box_fixed", "box_moving")
SIZES = st.integers(1, 70)
SEEDS = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def extents(mask):
    """Top, left, height and width of what is True, which must be a full rectangle."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = rows[0], columns[0]
    height, width = rows[-1] - top + 1, columns[-1] - left + 1
    assert mask.sum() == height * width
    return top, left, height, width


@hypothesis.given(SEEDS, st.integers(1, 6), SIZES, SIZES, st.sampled_from(MASK_KINDS))
def test_every_frame_of_every_size_has_a_hole(seed, num_frames, height, width, kind):
    masks = random_masks(rng(seed), num_frames, height, width, kind)
    assert masks.dtype == bool
    assert masks.shape == (num_frames, height, width)
    assert masks.any(axis=(1, 2)).all()


@hypothesis.given(SEEDS, st.sampled_from(MASK_KINDS))
def test_equal_generators_draw_equal_masks(seed, kind):
    one, two = rng(seed), rng(seed)
    np.testing.assert_array_equal(
        random_masks(one, 5, 40, 56, kind), random_masks(two, 5, 40, 56, kind)
    )
    assert one.random() == two.random()  # and have drawn as much


@hypothesis.given(SEEDS, st.integers(2, 9), SIZES, SIZES, st.sampled_from(BOXES))
def test_boxes_are_rectangles_of_the_papers_shares(seed, num_frames, height, width, kind):
    for mask in random_masks(rng(seed), num_frames, height, width, kind):
        _, _, box_height, box_width = extents(mask)
        for side, whole in ((box_height, height), (box_width, width)):
            assert side == 1 or side <= whole / 2
            # Where no whole number of pixels is within the shares, the next smaller one.
            assert side >= min(math.ceil(0.375 * whole), math.floor(whole / 2), whole)


def test_box_sizes_and_places_use_their_whole_range():
    found = [extents(random_masks(rng(seed), 1, 128, 128)[0]) for seed in range(600)]
    tops, lefts, heights, widths = np.array(found).T
    for sides in (heights, widths):
        assert set(sides) == set(range(48, 65))
    assert np.mean(heights == widths) > 0.4 and np.mean(heights != widths) > 0.3
    assert tops.min() == 0 and (tops + heights).max() == 128
    assert lefts.min() == 0 and (lefts + widths).max() == 128


@pytest.mark.parametrize("kind", ["box_fixed", "logo"])
def test_fixed_holes_stay_in_place(kind):
    for seed in range(8):
        masks = random_masks(rng(seed), 7, 64, 80, kind)
        assert (masks == masks[0]).all()


def test_moving_boxes_keep_their_size_and_change_their_place():
    found = [extents(mask) for mask in random_masks(rng(3), 32, 64, 64, "box_moving")]
    assert len({(height, width) for _, _, height, width in found}) == 1
    assert len({(top, left) for top, left, _, _ in found}) > 20


def test_strokes_and_captions_sometimes_stay_and_sometimes_change():
    for kind in ("strokes", "text"):
        changing = [
            bool((masks != masks[0]).any())
            for masks in (random_masks(rng(seed), 32, 64, 64, kind) for seed in range(24))
        ]
        assert 4 <= sum(changing) <= 20


def test_drifting_strokes_move_by_little_from_frame_to_frame():
    for seed in range(24):
        masks = random_masks(rng(seed), 8, 96, 96, "strokes")
        both = (masks[1:] & masks[:-1]).sum((1, 2))
        either = (masks[1:] | masks[:-1]).sum((1, 2))
        assert (either < 20).any() or (both / either).min() > 0.3


@pytest.mark.parametrize(
    "kind, least, most",
    [("strokes", 0.03, 0.4), ("text", 0.02, 0.3), ("logo", 0.005, 0.09), ("mixed", 0.02, 0.3)],
)
def test_holes_leave_most_of_the_picture(kind, least, most):
    shares = [random_masks(rng(seed), 2, 128, 160, kind).mean() for seed in range(100)]
    assert least < np.mean(shares) < most
    assert max(shares) < 0.8


def test_logos_lie_in_each_corner():
    corners = set()
    for seed in range(40):
        y, x = np.nonzero(random_masks(rng(seed), 1, 100, 100, "logo")[0])
        assert abs(y.mean() - 50) > 25 and abs(x.mean() - 50) > 10
        corners.add((y.mean() > 50, x.mean() > 50))
    assert len(corners) == 4


def test_mixed_draws_every_kind():
    mixed = [random_masks(rng(seed), 3, 48, 48, "mixed").mean() for seed in range(60)]
    assert len(set(mixed)) > 40  # boxes, strokes, texts and logos of many sizes
    assert min(mixed) < 0.05 and max(mixed) > 0.14


def test_unknown_kinds_and_impossible_sizes_are_named():
    with pytest.raises(ValueError, match="expected one of box_fixed, .*, got 'circle'"):
        random_masks(rng(), 1, 8, 8, "circle")
    with pytest.raises(ValueError, match="at least one frame of at least 1x1, got 2 of 0x8"):
        random_masks(rng(), 2, 0, 8)
