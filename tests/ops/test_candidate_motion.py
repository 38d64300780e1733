"""Candidate motions against closed forms: blocks that cover each other, and zooms."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from gif2video_jax.ops.candidate_motion import (
    NUM_CANDIDATES,
    candidate_motions,
    log_likelihood,
    mismatches,
)
from tests.quick import quick_jit

candidates, mismatch, likelihood = map(quick_jit, (candidate_motions, mismatches, log_likelihood))


def at(t):
    return jnp.full((1, 1, 1, 1), t, jnp.float32)


def constant(dx, dy, height=20, width=24):
    return jnp.broadcast_to(jnp.array([dx, dy], jnp.float32), (1, height, width, 2))


@settings(max_examples=20, deadline=None)
@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0, 1))
def test_where_everything_moves_alike_all_candidates_say_so(dx, dy, t):
    motions = candidates(constant(dx, dy), constant(-dx, -dy), at(t))
    assert len(motions) == NUM_CANDIDATES
    for motion in motions:
        np.testing.assert_allclose(motion, constant(dx, dy), atol=1e-5)


def block(left, right, dx, height=16, width=64):
    """A flow that is zero but between two columns."""
    flow = np.zeros((1, height, width, 2), np.float32)
    flow[:, :, left:right, 0] = dx
    return jnp.array(flow)


@pytest.mark.parametrize("t", [0.25, 0.5, 0.75])
def test_a_block_before_a_still_ground_is_found_where_it_has_moved_to(t):
    """It covers columns 16 to 32 at time 0 and moves 16 to the right."""
    motions = candidates(block(16, 32, 16), block(32, 48, -16), at(t))
    left = 16 + round(16 * t)
    inside = slice(left + 3, left + 13)  # two pixels from its edges, which halving mixes
    followed_0, followed_1 = (np.asarray(motion)[0, :, inside, 0] for motion in motions[2:])
    np.testing.assert_allclose(followed_0, 16, atol=1e-4)
    np.testing.assert_allclose(followed_1, 16, atol=1e-4)
    same_0, same_1 = (np.asarray(motion)[0, :, inside, 0] for motion in motions[:2])
    assert (same_0 == 0).any() or (same_1 == 0).any(), "nothing to follow here"
    for motion in motions:
        assert (np.asarray(motion)[0, :, :12] == 0).all()


def test_a_zoom_is_followed_to_where_its_points_come_from():
    """A point at p moves by s p; at t it is at x = (1 + s t) p, so it moves by s x / (1 + s t)."""
    rate, t, side = 0.1, 0.5, 32
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    points = np.stack([x, y], -1)[None].astype(np.float32)
    flow_01, flow_10 = rate * points, -rate / (1 + rate) * points
    motions = candidates(jnp.array(flow_01), jnp.array(flow_10), at(t))
    true = rate * points / (1 + rate * t)
    inner = (slice(None), slice(4, -4), slice(4, -4))
    errors = [np.abs(np.asarray(motion) - true)[inner].max() for motion in motions]
    assert max(errors[2:]) < 0.005 and min(errors[:2]) > 0.03, errors


def test_the_true_motion_mismatches_least():
    rng = np.random.default_rng(0)
    picture = np.kron(rng.uniform(-1, 1, (12, 20, 3)), np.ones((4, 4, 1))).astype(np.float32)
    image_0, image_1 = (jnp.array(picture[None, :, 8 - dx : 72 - dx]) for dx in (0, 8))
    motions = [constant(dx, 0, 48, 64) for dx in (8, 0, -8)]
    found = np.asarray(mismatch(image_0, image_1, motions, at(0.5)))
    assert found.shape == (1, 48, 64, 3)
    inner = found[:, :, 8:-8].mean((0, 1, 2))
    assert inner[0] < 1e-6 and min(inner[1:]) > 0.1


@pytest.mark.parametrize("t", [0.1, 0.5, 0.8])
def test_what_matches_in_the_neighbourhood_is_likely_and_the_nearer_frames_motion_more(t):
    """Means over a neighbourhood are SciPy's."""
    differences = np.random.default_rng(1).uniform(0, 0.3, (1, 18, 20, 4)).astype(np.float32)
    found = np.exp(np.asarray(likelihood(jnp.array(differences), at(t))))
    smooth = uniform_filter(differences, (0, 5, 5, 0), mode="nearest")
    smooth = uniform_filter(smooth, (0, 5, 5, 0), mode="nearest")
    expected = np.array([1 - t, t, 1 - t, t]) * np.exp(-30 * smooth)
    np.testing.assert_allclose(found, expected, rtol=2e-3)


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (7, 9)])
def test_odd_sizes_stay_as_they_are(size):
    flow, image = jnp.zeros((1, *size, 2)), jnp.zeros((1, *size, 3))
    motions = candidates(flow, flow, at(0.5))
    assert {motion.shape for motion in motions} == {flow.shape}
    assert mismatch(image, image, motions, at(0.5)).shape == (1, *size, NUM_CANDIDATES)
