"""Flow of pictures whose motion is known in closed form."""

import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.ops.optical_flow import pyramid_flow
from gif2video_jax.ops.warp import warp
from tests.quick import quick_jit

flow_of = quick_jit(pyramid_flow, static_argnums=2)
HEIGHT, WIDTH = 96, 121  # of most pictures here: each size is compiled anew


def texture(x, y, seed=0):
    """A smooth picture that is defined everywhere: sums of waves, 7 to 120 pixels long."""
    rng = np.random.default_rng(seed)
    value = np.zeros((*np.shape(x), 3))
    for _ in range(24):
        angle, length = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(np.log(7), np.log(120)))
        phase = rng.uniform(0, 2 * np.pi, 3)
        along = (np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / length
        value += np.sin(along[..., None] + phase) / 12
    return jnp.asarray(value, jnp.float32)[None]


def grid(height, width):
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return x, y


@pytest.mark.parametrize("motion", [(0.3, -0.6), (4.0, 2.5), (-9.0, 6.5)])
def test_a_translation_is_found_to_a_fraction_of_a_pixel(motion):
    x, y = grid(HEIGHT, WIDTH)
    first, second = texture(x, y), texture(x - motion[0], y - motion[1])
    flow = np.asarray(flow_of(first, second, 8))[0, 16:-16, 16:-16]
    assert np.abs(flow - motion).mean() < 0.1


def test_a_zoom_is_found():
    x, y = grid(HEIGHT, WIDTH)
    first = texture(x, y)
    second = texture(50 + (x - 50) / 1.08, 50 + (y - 50) / 1.08)
    expected = 0.08 * (np.stack([x, y], axis=-1) - 50)
    flow = np.asarray(flow_of(first, second, 8))[0, 12:-12, 12:-12]
    assert np.abs(flow - expected[12:-12, 12:-12]).mean() < 0.15


@pytest.mark.long
def test_both_orders_in_one_batch_are_those_of_each_alone():
    x, y = grid(64, 48)
    first, second = texture(x, y), texture(x - 2, y + 1)
    both = flow_of(jnp.concatenate([first, second]), jnp.concatenate([second, first]), 4)
    np.testing.assert_allclose(both[:1], flow_of(first, second, 4), atol=1e-4)
    np.testing.assert_allclose(both[1:], flow_of(second, first, 4), atol=1e-4)


def test_warping_by_the_flow_gives_the_first_picture():
    x, y = grid(HEIGHT, WIDTH)
    first, second = texture(x, y), texture(x - 5, y + 3)
    warped = warp(second, flow_of(first, second, 8))
    inside = np.s_[:, 12:-12, 12:-12]
    assert jnp.abs(warped - first)[inside].mean() < 0.1 * jnp.abs(second - first)[inside].mean()


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (37, 5)])
def test_flat_pictures_do_not_move_whatever_their_size(size):
    flat = jnp.full((1, *size, 3), 0.25)
    flow = flow_of(flat, flat, 2)
    assert flow.shape == (1, *size, 2)
    np.testing.assert_allclose(flow, 0.0, atol=1e-6)


def test_what_does_not_fit_is_rejected(without_shape_checks):
    with pytest.raises(ValueError, match="two equal shapes"):
        pyramid_flow(jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 4, 5, 3)))
    with pytest.raises(ValueError, match="1 iteration or more"):
        pyramid_flow(jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 4, 4, 3)), 0)
