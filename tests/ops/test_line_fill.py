"""Filling holes along lines: against every line followed pixel by pixel in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, uniform_filter

from gif2video_jax.ops import line_fill
from gif2video_jax.ops.fill import fill_smoothly
from gif2video_jax.ops.line_fill import fill_along_lines
from tests.quick import quick_jit

fill, smooth = quick_jit(fill_along_lines), quick_jit(fill_smoothly)
lines = quick_jit(line_fill._lines)

DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (1, -2), (2, 1), (2, -1))


def box(num_frames: int, height: int, width: int) -> jnp.ndarray:
    """Known but for a box in the middle."""
    rows, columns = slice(height // 4, -height // 4), slice(width // 4, -width // 4)
    return jnp.ones((num_frames, height, width, 1)).at[:, rows, columns].set(0)


def end_of_line(known, y, x, dy, dx):
    """The nearest known pixel on the way, and how far it is; None if there is none."""
    length = 0.0
    while 0 <= y < known.shape[0] and 0 <= x < known.shape[1]:
        if known[y, x]:
            return y, x, max(length, 1.0)
        y, x, length = y + dy, x + dx, length + np.hypot(dy, dx)
    return None


def followed(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The formula at the head of `ops/line_fill.py`, for one grey image, one pixel at a time.

    Returns:
      The colours, and how like the ends are on average.
    """
    result = np.zeros((*image.shape, 2))
    for y, x in np.argwhere(~known):
        total = weights = nearness = 0.0
        for dy, dx in DIRECTIONS:
            ends = [end_of_line(known, y, x, sign * dy, sign * dx) for sign in (1, -1)]
            found = [(image[end[:2]], end[2]) for end in ends if end]
            weight = 0.01
            if len(found) == 2:
                weight = (1 + ((found[0][0] - found[1][0]) / 2) ** 2 / 0.01) ** -2
            for color, distance in found:
                total += weight * distance**-1.5 * color
                weights += weight * distance**-1.5
                nearness += distance**-1.5
        if nearness:
            result[y, x] = total / weights, weights / nearness
    return result


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.5, 0.9]))
def test_lines_are_those_that_one_can_follow(seed, share):
    rng = np.random.default_rng(seed)
    image, known = rng.uniform(-1, 1, (13, 18)), rng.random((13, 18)) < share
    known[:5, :4] = rng.random() < 0.5
    arrays = (jnp.asarray(a[None, ..., None], jnp.float32) for a in (image * known, known))
    found = np.asarray(lines(*arrays))[0]
    np.testing.assert_allclose(found[~known], followed(image, known)[~known], atol=1e-4)


@pytest.mark.parametrize("angle", [0.0, 27.0, 45.0, 63.0, 90.0, 117.0, 135.0, 153.0, 10.0, 77.0])
def test_an_edge_goes_on_through_a_hole(angle):
    """Whichever way it runs; a harmonic surface blurs it."""
    y, x = np.mgrid[:48, :48] - 23.5
    direction = np.deg2rad(angle)
    image = np.where(x * np.sin(direction) - y * np.cos(direction) > 3.0, 0.8, -0.6)
    arrays = jnp.asarray(image[None, ..., None], jnp.float32), box(1, 48, 48)
    hole = np.asarray(arrays[1]) == 0
    error, error_of_smooth = (
        np.abs(np.asarray(f(*arrays) - arrays[0]))[hole].mean() for f in (fill, smooth)
    )
    assert error < 0.7 * error_of_smooth


def test_deep_in_a_hole_there_are_no_streaks():
    """Of noise at the edge, an end one pixel wide would be drawn across the hole."""
    rng = np.random.default_rng(0)
    noise = jnp.asarray(rng.normal(0, 0.3, (1, 48, 48, 1)), jnp.float32)
    known = box(1, 48, 48)
    middle = (slice(None), slice(20, 28), slice(20, 28))
    filled, alone = fill(noise * known, known), lines(noise * known, known)
    rough = [np.abs(np.diff(np.asarray(x)[middle][..., 0])).mean() for x in (filled, alone)]
    assert rough[0] < 0.4 * rough[1]


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (33, 20)])
def test_known_pixels_stay_and_a_flat_video_is_filled_flat(size):
    rng = np.random.default_rng(0)
    video = jnp.asarray(rng.uniform(-1, 1, (3, *size, 3)), jnp.float32)
    known = jnp.asarray(rng.random((3, *size, 1)) < 0.5, jnp.float32).at[:, 0, 0].set(1)
    filled = fill(video * known, known)
    np.testing.assert_array_equal(filled * known, video * known)
    assert np.isfinite(filled).all()
    flat = jnp.full((3, *size, 3), -0.3)
    np.testing.assert_allclose(fill(flat * known, known), flat, atol=1e-5)
    np.testing.assert_allclose(fill(flat, jnp.ones_like(known)), flat, atol=0)
    np.testing.assert_array_equal(fill(flat, jnp.zeros_like(known)), 0)


def test_lines_and_a_harmonic_surface_share_a_small_hole():
    """Step by step, each line followed: what is at the edge counts as the mean around it."""
    rng = np.random.default_rng(4)
    image = np.tanh(gaussian_filter(rng.normal(size=(20, 24)), 2.0) * 6)
    known = np.ones((20, 24), bool)
    known[8:12, 9:14] = False
    around = uniform_filter(image * known, 3, mode="nearest")
    share = uniform_filter(known.astype(float), 3, mode="nearest")
    edges = around / np.maximum(share, 1e-6) * known
    colors, like = np.moveaxis(followed(edges, known), -1, 0)

    def harmonic(array):
        arrays = (jnp.asarray(a[None, ..., None], jnp.float32) for a in (array, known))
        return np.asarray(smooth(*arrays))[0, ..., 0]

    wanted = (like * colors + 0.1 * harmonic(edges)) / (like + 0.1) + harmonic(image - edges)
    arrays = (jnp.asarray(a[None, ..., None], jnp.float32) for a in (image * known, known))
    found = np.asarray(fill(*arrays))[0, ..., 0]
    np.testing.assert_allclose(found[~known], wanted[~known], atol=1e-4)
    assert like[~known].min() < 0.1 < like[~known].max()  # either counts most somewhere


def test_there_is_no_seam():
    """Beside the edge a slope goes on, as it does in a harmonic surface."""
    slope = jnp.broadcast_to(jnp.linspace(-1, 1, 48)[:, None, None], (1, 48, 48, 1))
    known = box(1, 48, 48)
    filled = fill(slope * known, known)
    steps = jnp.abs(jnp.diff(filled, axis=1))
    assert steps.max() < 4 * 2 / 47


def test_what_lines_meet_does_not_jump_with_noise_from_frame_to_frame():
    """Two lines that are equally likely would take turns, were each frame alone."""
    rng = np.random.default_rng(1)
    side = np.where(np.arange(48) < 24, 1, -1)
    image = 0.5 * np.multiply.outer(side, side)[None, ..., None]  # four squares, by turns dark
    video = jnp.asarray(image + rng.normal(0, 0.15, (8, 48, 48, 1)), jnp.float32)
    known = box(8, 48, 48)
    hole = np.asarray(known[0, ..., 0]) == 0
    together = np.asarray(fill(video * known, known))[:, hole]
    alone = np.concatenate(
        [fill((v * k)[None], k[None]) for v, k in zip(video, known, strict=True)]
    )
    assert together.std(axis=0).mean() < 0.7 * alone[:, hole].std(axis=0).mean()


def test_frames_of_another_scene_are_not_taken_for_this_one():
    rng = np.random.default_rng(2)
    scenes = [jnp.full((1, 24, 24, 3), level) for level in (-0.7, 0.6)]
    video = jnp.concatenate([scenes[0], scenes[1], scenes[0]])
    video = video + jnp.asarray(rng.normal(0, 0.01, video.shape), jnp.float32)
    known = box(3, 24, 24)
    filled = fill(video * known, known)
    for frame, level in zip(filled, (-0.7, 0.6, -0.7), strict=True):
        np.testing.assert_allclose(frame, level, atol=0.06)
