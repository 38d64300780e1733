"""Moving colours into the cells of a palette: against a loop, and what it promises.

The oracle of where a colour belongs is `dithers.nearest_indices`, which makes undithered GIFs.
"""

import hypothesis
import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np

from gif2video_jax.gifs.dithers import nearest_indices
from gif2video_jax.gifs.palette import Palette, palette_geometry
from gif2video_jax.ops.image import to_float
from gif2video_jax.ops.palette_cells import move_into_cells


def gif_of(truth, num_colors, seed, neighbors=4):
    """An undithered GIF of a picture with a palette at random: its colours and their offsets."""
    colors = np.random.default_rng(seed).integers(0, 256, (num_colors, 3)).astype(np.uint8)
    palette = Palette.from_colors(colors)
    indices = nearest_indices(truth, palette)
    return palette.colors[indices], palette_geometry(palette, neighbors=neighbors)[indices]


def picture(seed, height=5, width=7):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def moved(colors, gif, offsets):
    """In levels, 0 to 255."""
    planes = [jnp.asarray(array.reshape(-1, array.shape[-1]).T) for array in (colors, gif, offsets)]
    result = move_into_cells(to_float(planes[0]), to_float(planes[1]), planes[2])
    return (np.asarray(result).T.reshape(colors.shape) + 1) * 127.5


def by_hand(color, gif, offsets):
    """One pixel, border after border, in levels."""
    color = color.astype(np.float64)
    for _ in range(2):
        for offset in offsets.reshape(-1, 3).astype(np.float64) * 127.5:
            if not offset.any():
                continue
            middle = gif + offset / 2
            normal = offset / np.linalg.norm(offset)
            color = color - max(0.0, np.dot(color - middle, normal)) * normal
    return color


def test_it_is_the_loop_over_borders():
    gif, offsets = gif_of(picture(0), 12, seed=1)
    colors = picture(2)
    expected = [
        [by_hand(colors[y, x], gif[y, x], offsets[y, x]) for x in range(7)] for y in range(5)
    ]
    np.testing.assert_allclose(moved(colors, gif, offsets), expected, atol=1e-3)


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_no_move_leads_away_from_the_truth(num_colors, seed):
    truth, colors = picture(seed), picture(seed + 1)
    gif, offsets = gif_of(truth, num_colors, seed + 2)
    before = np.linalg.norm(colors.astype(float) - truth, axis=-1)
    after = np.linalg.norm(moved(colors, gif, offsets) - truth, axis=-1)
    assert (after <= before + 1e-3).all()


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_what_lies_in_its_cell_stays(num_colors, seed):
    truth = picture(seed)
    gif, offsets = gif_of(truth, num_colors, seed + 2)
    np.testing.assert_allclose(moved(truth, gif, offsets), truth, atol=1e-3)


def test_of_two_colours_the_middle_is_the_border():
    gif = np.zeros((1, 1, 3), np.uint8)
    palette = Palette.from_colors(np.array([[0, 0, 0], [100, 0, 0]], np.uint8))
    offsets = palette_geometry(palette)[:1][None]
    colors = np.array([[[180, 7, 9]]], np.uint8)
    np.testing.assert_allclose(moved(colors, gif, offsets), [[[50, 7, 9]]], atol=1e-3)


def test_without_neighbours_nothing_moves():
    gif, offsets = gif_of(picture(0), 1, seed=1)
    np.testing.assert_allclose(moved(picture(2), gif, offsets), picture(2), atol=1e-3)
