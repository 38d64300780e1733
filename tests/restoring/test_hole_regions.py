"""Where inpainting works: every hole is covered, at a scale that makes it thin enough."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from gif2video_jax.restoring import hole_regions
from gif2video_jax.restoring.hole_regions import plan_hole_tiles, tile_weights


def plan(masks, **fields):
    return plan_hole_tiles(masks, **({"thickness": 32, "margin": 32, "multiple": 8} | fields))


def with_box(height, width, top, left, tall, wide):
    masks = np.zeros((2, height, width), bool)
    masks[:, top : top + tall, left : left + wide] = True
    return masks


@pytest.mark.parametrize(("side", "scale"), [(10, 1), (32, 1), (33, 2), (64, 2), (65, 3)])
def test_thick_holes_are_worked_at_a_smaller_scale(side, scale):
    (tile,) = plan(with_box(400, 400, 100, 100, side, side))
    assert tile.scale == scale
    assert (tile.core.top, tile.core.bottom) == (100, 100 + side)


def test_a_long_thin_hole_is_not_thick():
    (tile,) = plan(with_box(200, 400, 100, 20, 12, 360))
    assert tile.scale == 1


def test_far_holes_are_worked_apart_and_near_ones_together():
    masks = with_box(300, 300, 10, 10, 20, 20) | with_box(300, 300, 250, 250, 20, 20)
    assert len(plan(masks)) == 2
    masks = with_box(300, 300, 10, 10, 20, 20) | with_box(300, 300, 10, 40, 20, 20)
    assert len(plan(masks)) == 1
    assert plan(np.zeros((2, 30, 30), bool)) == []


@hypothesis.given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 10_000))
@hypothesis.settings(deadline=None, max_examples=40)
def test_every_hole_pixel_is_covered_and_windows_fit_the_network(height, width, seed):
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, height, width), bool)
    for _ in range(rng.integers(1, 4)):
        top, left = rng.integers(height), rng.integers(width)
        size = rng.integers(1, 60, 2)
        masks[rng.integers(2), top : top + size[0], left : left + size[1]] = True
    weight = np.zeros((height, width))
    for tile in plan(masks, thickness=8, margin=8):
        core, window = tile.core, tile.window
        assert window.top <= core.top and core.bottom <= window.bottom
        assert window.left <= core.left and core.right <= window.right
        assert window.height % (8 * tile.scale) == 0 and window.width % (8 * tile.scale) == 0
        rows, columns = np.mgrid[core.top : core.bottom, core.left : core.right].reshape(2, -1)
        weights = tile_weights(tile, rows, columns)
        assert (weights > 0).all() and (weights <= 1).all()
        weight[rows, columns] += weights
    assert (weight[masks.any(axis=0)] > 0).all()


def test_a_large_region_is_cut_into_overlapping_tiles(monkeypatch):
    monkeypatch.setattr(hole_regions, "MAX_TILE", 96)
    masks = with_box(40, 400, 14, 40, 12, 320)
    tiles = plan(masks, thickness=16, margin=16)
    assert len(tiles) > 3
    assert all(tile.window.width <= 96 + 64 for tile in tiles)
    for left, right in zip(tiles, tiles[1:], strict=False):
        assert right.core.left < left.core.right
