"""Filling along the motion, on videos whose every pixel is known by construction."""

import jax.numpy as jnp
import numpy as np

from gif2video_jax.ops import motion_fill
from gif2video_jax.ops.fill import fill_from_other_frames, fill_smoothly
from gif2video_jax.ops.line_fill import fill_along_lines
from gif2video_jax.ops.motion_fill import fill_along_motion
from tests.quick import quick_jit

FRAMES, SIDE = 6, 48


def moving(speed):
    """A texture that moves to the right by `speed` pixels a frame."""
    # White noise blurred along both axes, which repeats nowhere: its motion is unmistakable.
    noise = np.random.default_rng(0).normal(size=(SIDE, SIDE + 40, 3))
    for axis in (0, 1):
        frequencies = np.fft.fftfreq(noise.shape[axis])
        blur = np.exp(-((14 * frequencies) ** 2)).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        noise = np.fft.ifft(np.fft.fft(noise, axis=axis) * blur, axis=axis).real
    texture = 0.8 * np.tanh(noise / noise.std())
    frames = [texture[:, 30 - speed * t :][:, :SIDE] for t in range(FRAMES)]
    return jnp.asarray(np.stack(frames)[None], jnp.float32)


def bar(left, width=6):
    """A bar that hides a part of each frame; `left` of each of them."""
    known = np.ones((1, FRAMES, SIDE, SIDE, 1), np.float32)
    for t in range(FRAMES):
        known[0, t, 8:40, left[t] : left[t] + width] = 0
    return jnp.asarray(known)


def error(filled, video, known):
    hole = np.asarray(known[..., 0]) == 0
    return np.abs(np.asarray(filled - video))[hole].mean()


fill = quick_jit(fill_along_motion)


@quick_jit
def smooth(video, known):
    return fill_smoothly((video * known)[0], known[0])[None]


def test_what_is_known_stays_whatever_holes_hold():
    rng = np.random.default_rng(0)
    video = jnp.asarray(rng.uniform(-1, 1, (1, FRAMES, SIDE, SIDE, 3)), jnp.float32)
    known = jnp.asarray(rng.random((1, FRAMES, SIDE, SIDE, 1)) < 0.7, jnp.float32)
    filled, seen = fill(video, known)
    np.testing.assert_array_equal(filled * known, video * known)
    other, _ = fill(jnp.where(known > 0, video, 7.0), known)
    np.testing.assert_array_equal(filled, other)
    assert np.isfinite(filled).all() and seen.min() >= 0 and seen.max() <= 1
    assert (np.asarray(seen)[np.asarray(known) > 0] == 1).all()


def test_a_resting_video_behind_a_moving_hole_comes_back():
    video, known = moving(0), bar(4 + 7 * np.arange(FRAMES))
    filled, seen = fill(video, known)
    assert error(filled, video, known) < 0.01
    assert seen.min() > 0.9
    assert error(smooth(video, known), video, known) > 0.15  # so that it is no easy case


def test_what_moves_behind_a_resting_hole_is_found_along_its_motion():
    video, known = moving(3), bar([20] * FRAMES)
    filled, seen = fill(video, known)
    # At the same place no frame shows it, and the smooth continuation does not know it.
    at_the_place, _ = fill_from_other_frames(video * known, known)
    assert error(at_the_place, video, known) > 0.15
    assert error(filled, video, known) < 0.5 * error(smooth(video, known), video, known)
    assert seen[known == 0].mean() > 0.5


def test_other_frames_that_disagree_are_not_believed():
    # Each frame shows something else: the average of them all would be grey.
    rng = np.random.default_rng(3)
    levels = rng.permutation(np.linspace(-0.9, 0.9, FRAMES))
    video = jnp.asarray(np.broadcast_to(levels[:, None, None, None], (FRAMES, SIDE, SIDE, 3)))[None]
    video, known = video.astype(jnp.float32), bar(4 + 7 * np.arange(FRAMES))
    filled, seen = fill(video, known)
    assert error(filled, video, known) < 0.01
    assert seen[known == 0].max() < 0.05


def test_one_frame_has_none_but_itself():
    video, known = moving(0)[:, :1], bar([20] * FRAMES)[:, :1]
    filled, seen = fill(video, known)
    alone = quick_jit(fill_along_lines)(video[0], known[0])
    np.testing.assert_allclose(filled[0], alone, atol=1e-5)
    np.testing.assert_array_equal(seen, known)


def test_neighbours_are_averaged_where_the_motion_finds_back():
    """In closed form: weights 1, 2, 1 at rest; a motion that does not find back counts nothing."""
    rng = np.random.default_rng(0)
    filled = jnp.asarray(rng.uniform(-1, 1, (4, 5, 6, 3)), jnp.float32)
    rest = jnp.zeros((3, 5, 6, 2))
    average = quick_jit(motion_fill._averaged)
    found = average(filled, rest, rest)
    np.testing.assert_allclose(
        found[1:-1], (filled[:-2] + 2 * filled[1:-1] + filled[2:]) / 4, atol=1e-6
    )
    np.testing.assert_allclose(found[0], (2 * filled[0] + filled[1]) / 3, atol=1e-6)
    lost = average(filled, rest + 8, rest)
    np.testing.assert_allclose(lost, filled, atol=1e-6)


def test_what_is_made_up_flickers_less_than_what_surrounds_it():
    """Noise before waves that rest, and a hole that rests; without neighbours it is 0.37."""
    rng = np.random.default_rng(1)
    waves = 0.6 * np.sin(np.add.outer(np.arange(SIDE) / 3, np.arange(SIDE) / 4))[..., None]
    video = waves + rng.normal(0, 0.1, (1, FRAMES, SIDE, SIDE, 1)).repeat(3, axis=-1)
    known = jnp.ones((1, FRAMES, SIDE, SIDE, 1)).at[:, :, 16:32, 16:32].set(0)
    filled = np.asarray(fill(jnp.asarray(video, jnp.float32), known)[0])
    changes = np.abs(np.diff(filled, axis=1))
    hole = np.asarray(known[0, 0, ..., 0]) == 0
    assert changes[:, :, hole].mean() < 0.25 * changes[:, :, ~hole].mean()
