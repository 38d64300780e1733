"""Filling holes with medians: against weighted medians that are sorted out one by one in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gif2video_jax.ops.fill import fill_smoothly
from gif2video_jax.ops.median_fill import fill_with_medians

fill = jax.jit(fill_with_medians)


def box(num_frames: int, height: int, width: int) -> jnp.ndarray:
    """Known but for a box in the middle."""
    rows, columns = slice(height // 4, -height // 4), slice(width // 4, -width // 4)
    return jnp.ones((num_frames, height, width, 1)).at[:, rows, columns].set(0)


def weighted_medians(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """For each pixel, of those that touch the hole; 1 / (squared distance + 1 / 4) weighs."""
    hole = np.pad(~known, 1)
    height, width = known.shape
    beside = [hole[dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)]
    ys, xs = np.nonzero(known & np.any(beside, axis=0))
    order = np.argsort(image[ys, xs])
    medians = np.empty_like(image)
    for y, x in np.ndindex(height, width):
        weights = 1 / ((ys - y) ** 2 + (xs - x) ** 2 + 0.25)
        reached = np.cumsum(weights[order]) >= weights.sum() / 2
        medians[y, x] = image[ys, xs][order][np.argmax(reached)]
    return medians


@pytest.mark.parametrize("seed", range(4))
def test_the_fill_is_the_median_without_a_seam(seed):
    """Of 28 x 32 pixels each is a cell of the grid."""
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.normal(size=(28, 32)), 2.0)
    image = image / np.abs(image).max()
    known = box(1, 28, 32)
    medians = weighted_medians(image, np.asarray(known)[0, ..., 0] > 0)
    image, medians = (jnp.asarray(x[None, ..., None], jnp.float32) for x in (image, medians))
    wanted = medians + fill_smoothly(image - medians, known)
    filled, smooth = fill(image * known, known), fill_smoothly(image, known)
    assert jnp.abs(filled - wanted).mean() < 0.3 * jnp.abs(smooth - wanted).mean()


def test_where_dark_meets_light_it_errs_less_than_the_mean():
    """In absolute value; in the square the mean errs least."""
    errors = []
    for seed in range(8):
        angle, shift = np.random.default_rng(seed).uniform((0, -9), (np.pi, 9))
        y, x = np.mgrid[:64, :64] - 31.5
        image = np.where(x * np.cos(angle) + y * np.sin(angle) > shift, 0.8, -0.6)
        arrays = jnp.asarray(image[None, ..., None], jnp.float32), box(1, 64, 64)
        errors.append([float(jnp.abs(f(*arrays) - arrays[0]).sum()) for f in (fill, fill_smoothly)])
    medians, smooth = np.mean(errors, axis=0)
    assert medians < 0.9 * smooth


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 9), (33, 40), (130, 50)])
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


def test_there_is_no_seam():
    """Beside the edge a slope goes on, as it does in a harmonic surface."""
    slope = jnp.broadcast_to(jnp.linspace(-1, 1, 64)[:, None, None], (1, 64, 64, 1))
    known = box(1, 64, 64)
    filled = fill(slope * known, known)
    steps = jnp.abs(jnp.diff(filled, axis=1))
    assert steps.max() < 4 * 2 / 63


def test_medians_do_not_jump_with_noise_from_frame_to_frame():
    """Two colours that are equally near would take turns, were each frame alone."""
    rng = np.random.default_rng(1)
    image = np.where(np.arange(48) < 24, 0.7, -0.7)[None, None, :, None]
    video = jnp.asarray(image + rng.normal(0, 0.05, (8, 48, 48, 1)), jnp.float32)
    known = box(8, 48, 48)
    hole = np.asarray(known[0, ..., 0]) == 0
    together = np.asarray(fill(video * known, known))[:, hole]
    alone = np.concatenate(
        [fill((v * k)[None], k[None]) for v, k in zip(video, known, strict=True)]
    )
    assert together.std(axis=0).mean() < 0.7 * alone[:, hole].std(axis=0).mean()
