"""The mean of what two frames agree on: against SciPy's filters, and what noise it takes out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve1d, uniform_filter, zoom

from gif2video_jax.ops.agreement import agreeing_mean
from tests.quick import quick_jit

quick_mean = quick_jit(agreeing_mean, static_argnums=3)


def merge(first, second, share, num_bands):
    return quick_mean(first, second, np.full((*first.shape[:3], 1), share, np.float32), num_bands)


def frames(seed, height=20, width=24):
    return np.random.default_rng(seed).uniform(-1, 1, (2, 1, height, width, 3)).astype(np.float32)


def by_the_formula(first, second, share, num_bands):
    """The head of `ops/agreement.py`: what of each band is not kept, and half the size next."""
    mean = (1 - share) * first + share * second
    result, pair = mean.copy(), (first, second)
    for band in range(num_bands):
        blurred = [
            convolve1d(convolve1d(x, [0.25, 0.5, 0.25], 1, mode="nearest"), [0.25, 0.5, 0.25], 2,
                       mode="nearest")
            for x in pair
        ]  # fmt: skip
        details = [x - y for x, y in zip(pair, blurred, strict=True)]
        detail = (1 - share) * details[0] + share * details[1]

        def average(x):
            return uniform_filter(x, (0, 5, 5, 0), mode="nearest")

        noise = average(share * (1 - share) * (details[0] - details[1]) ** 2)
        kept = np.maximum(1 - noise / (average(detail**2) + 1e-7), 0)
        dropped = (1 - kept) * detail
        for _ in range(band):
            dropped = zoom(dropped, (1, 2, 2, 1), order=1, mode="nearest", grid_mode=True)
        result -= dropped
        pair = [
            x.reshape(1, x.shape[1] // 2, 2, x.shape[2] // 2, 2, 3).mean((2, 4)) for x in blurred
        ]
    return result


@pytest.mark.parametrize(("share", "num_bands"), [(0.5, 1), (0.25, 2), (0.8, 3)])
def test_it_is_the_formula(share, num_bands):
    first, second = frames(0, 24, 32)
    second = 0.5 * first + 0.5 * second  # they agree in part
    found = merge(first, second, share, num_bands)
    expected = by_the_formula(first, second, share, num_bands)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(expected - ((1 - share) * first + share * second)).mean() > 0.01


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.sampled_from([(1, 1), (1, 7), (9, 13)]))
def test_frames_that_agree_stay_as_they_are(seed, share, size):
    first, _ = frames(seed, *size)
    np.testing.assert_allclose(merge(first, first, share, 3), first, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_at_the_time_of_a_frame_it_is_that_frame(share):
    pair = frames(1)
    found = merge(*pair, share, 3)
    np.testing.assert_allclose(found, pair[int(share)], atol=1e-6)


def test_without_bands_it_is_the_mean():
    first, second = frames(2)
    found = merge(first, second, 0.3, 0)
    np.testing.assert_allclose(found, 0.7 * first + 0.3 * second, atol=1e-6)


def test_an_edge_that_both_show_stays_and_one_that_does_not_meet_is_softened():
    edge = np.where(np.arange(48)[:, None] < 24, np.float32(-0.5), np.float32(0.5))
    edge = np.broadcast_to(edge, (1, 40, 48, 3))
    moved = np.roll(edge, 2, axis=2)
    np.testing.assert_allclose(merge(edge, edge, 0.5, 3), edge, atol=1e-6)
    twice = (edge + moved) / 2
    found = np.asarray(merge(edge, moved, 0.5, 3))
    steps = [np.abs(np.diff(x, axis=2))[:, :, 20:30].max() for x in (found, twice)]
    assert steps[0] < 0.8 * steps[1]


def test_noise_that_both_have_of_their_own_fades_more_than_in_the_mean():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:64, :64] / 9
    truth = (0.5 * np.sin(x + y))[None, ..., None].repeat(3, axis=-1)
    pair = [np.float32(truth + rng.normal(0, 0.1, truth.shape)) for _ in range(2)]
    errors = [
        np.sqrt(np.mean((np.asarray(merge(*pair, 0.5, bands)) - truth) ** 2)) for bands in (0, 3)
    ]
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_gradients_are_finite_at_the_time_of_a_frame(share):
    first, second = (jnp.asarray(frame) for frame in frames(6, 8, 9))
    gradient = quick_jit(jax.grad(lambda x: agreeing_mean(first, second, x, 2).sum()))
    assert np.isfinite(gradient(jnp.full((1, 8, 9, 1), share))).all()


def test_gradients_are_those_of_differences():
    first, second = (jnp.asarray(frame) for frame in frames(4, 8, 9))
    share = jnp.full((1, 8, 9, 1), 0.4)

    def total(x):
        return jnp.sum(jnp.square(agreeing_mean(x, second, share, 2)))

    gradient = quick_jit(jax.grad(total))(first)
    change = np.random.default_rng(5).normal(size=first.shape).astype(np.float32)
    quick_total, step = quick_jit(total), 1e-2
    slope = (quick_total(first + step * change) - quick_total(first - step * change)) / (2 * step)
    assert float(jnp.sum(gradient * change)) == pytest.approx(float(slope), rel=0.02)
