"""diff_xy against NumPy's diff and a closed form."""

import jax.numpy as jnp
import numpy as np

from gif2video_jax.ops.gradient import diff_xy


def test_is_the_slope_of_a_plane():
    y, x = np.mgrid[:7, :5].astype(np.float32)
    plane = np.stack([2 * x + 3 * y, -x, 0.5 * y], axis=-1)[None]
    result = diff_xy(jnp.asarray(plane))
    assert result.shape == (1, 6, 4, 6)
    np.testing.assert_allclose(result, np.broadcast_to([2, -1, 0, 3, 0, 0.5], result.shape))


def test_is_numpys_diff_without_the_first_row_and_column():
    image = np.random.default_rng(0).normal(size=(2, 8, 9, 3)).astype(np.float32)
    result = diff_xy(jnp.asarray(image))
    np.testing.assert_allclose(result[..., :3], np.diff(image, axis=2)[:, 1:], rtol=1e-6)
    np.testing.assert_allclose(result[..., 3:], np.diff(image, axis=1)[:, :, 1:], rtol=1e-6)


def test_one_pixel_has_no_differences():
    assert diff_xy(jnp.zeros((1, 1, 1, 3))).shape == (1, 0, 0, 6)
