"""Motion from stills: rendering and flow against closed forms, and by warping with SciPy."""

import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from gif2video_jax.datasets.motion import Layer, Motion, Scene
from gif2video_jax.datasets.motion_scenes import (
    DENSITY,
    SceneOptions,
    largest_motion,
    random_matte,
    random_scene,
)

numbers = st.floats(-0.5, 0.5)
motions = st.builds(
    Motion,
    center=st.tuples(st.floats(-20, 60), st.floats(-20, 60)),
    velocity=st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
    acceleration=st.tuples(st.floats(-10, 10), st.floats(-10, 10)),
    angle=st.floats(-3, 3),
    spin=numbers,
    spin_acceleration=numbers,
    zoom=numbers,
    zoom_rate=numbers,
    zoom_acceleration=numbers,
)


def smooth_picture(rng, height=400, width=500):
    """Noise without fine detail, so that sampling it is no question of the filter."""
    noise = rng.normal(size=(height, width, 3))
    smooth = scipy.ndimage.gaussian_filter(noise, (3, 3, 0))
    return np.uint8(np.clip(128 + smooth / smooth.std() * 40, 0, 255))


def noise(rng, height, width, channels=3):
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def warp(image, flow):
    """`out[y, x] = image[y + dy, x + dx]` by SciPy's cubic splines."""
    rows, columns = np.indices(image.shape[:2], np.float64)
    where = [rows + flow[..., 1], columns + flow[..., 0]]
    channels = [
        scipy.ndimage.map_coordinates(image[..., c].astype(float), where, order=3, mode="nearest")
        for c in range(3)
    ]
    return np.stack(channels, -1)


@given(motions, st.floats(0, 2), st.floats(0, 2))
def test_motion_between_two_times_undoes_itself(motion, start, end):
    there_and_back = motion.between(end, start) @ motion.between(start, end)
    np.testing.assert_allclose(there_and_back, np.eye(3), atol=1e-9)


@given(motions, st.floats(0, 2))
def test_the_layers_origin_follows_the_law_of_constant_acceleration(motion, time):
    expected = (
        np.array(motion.center)
        + np.array(motion.velocity) * time
        + np.array(motion.acceleration) * time**2 / 2
    )
    np.testing.assert_allclose(motion.matrix(time)[:2, 2], expected, atol=1e-9)


def test_a_shift_by_whole_pixels_moves_the_texture_exactly():
    texture = noise(np.random.default_rng(0), 40, 60)
    layer = Layer(texture, Motion(center=(30.0, 20.0), velocity=(7.0, -3.0)))
    first, second = Scene((layer,), 60, 40).render([0, 1])
    np.testing.assert_array_equal(first, texture)
    np.testing.assert_array_equal(second[:-3, 7:], texture[3:, :-7])


def test_flow_points_where_the_backward_warp_looks():
    texture = noise(np.random.default_rng(0), 40, 60)
    layer = Layer(texture, Motion(center=(30.0, 20.0), velocity=(7.0, -3.0)))
    scene = Scene((layer,), 60, 40)
    first, second = scene.render([0, 1])
    flow, visible = scene.flow(0, 1)
    np.testing.assert_allclose(flow, np.broadcast_to([7.0, -3.0], flow.shape), atol=1e-5)
    np.testing.assert_array_equal(visible[3:, :-7], True)
    np.testing.assert_array_equal(visible[:3], False)
    np.testing.assert_array_equal(visible[:, -7:], False)
    np.testing.assert_array_equal(first[visible], second[:-3, 7:].reshape(-1, 3))


def test_flow_of_a_turn_and_zoom_equals_the_closed_form():
    motion = Motion(center=(32.0, 24.0), spin=0.2, zoom_rate=0.1, spin_acceleration=0.1)
    scene = Scene((Layer(np.zeros((200, 200, 3), np.uint8), motion),), 64, 48)
    flow, _ = scene.flow(0, 1)
    scale, angle = math.exp(0.1), 0.25
    rows, columns = np.indices((48, 64))
    x, y = columns + 0.5 - 32, rows + 0.5 - 24
    turned_x = scale * (math.cos(angle) * x - math.sin(angle) * y)
    turned_y = scale * (math.sin(angle) * x + math.cos(angle) * y)
    np.testing.assert_allclose(flow, np.stack([turned_x - x, turned_y - y], -1), atol=1e-4)


def test_frames_at_any_time_equal_a_function_sampled_there():
    """The texture samples a smooth function; each frame must be that function, moved."""

    def color(x, y):
        return 128 + 100 * np.stack([np.sin(x / 5), np.cos(y / 4), np.sin((x + y) / 6)], -1)

    size = 480
    rows, columns = (np.indices((size, size)) + 0.5 - size / 2) / DENSITY
    texture = np.uint8(np.round(color(columns, rows)))
    motion = Motion(
        center=(32.0, 32.0),
        velocity=(9.3, -4.1),
        acceleration=(5.0, 2.0),
        angle=0.3,
        spin=0.4,
        zoom=0.1,
        zoom_rate=-0.15,
    )
    scene = Scene((Layer(texture, motion, DENSITY),), 64, 64)
    times = [0.0, 0.37, 0.5, 1.0]
    for time, frame in zip(times, scene.render(times), strict=True):
        rows, columns = np.indices((64, 64)) + 0.5
        center = np.array([32 + 9.3 * time + 2.5 * time**2, 32 - 4.1 * time + time**2])
        x, y = columns - center[0], rows - center[1]
        scale, angle = math.exp(0.1 - 0.15 * time), 0.3 + 0.4 * time
        layer_x = (math.cos(angle) * x + math.sin(angle) * y) / scale
        layer_y = (-math.sin(angle) * x + math.cos(angle) * y) / scale
        assert np.abs(frame - color(layer_x, layer_y)).max() < 1.3


def test_a_layer_in_front_hides_what_it_passes():
    background = Layer(np.full((40, 60, 3), 50, np.uint8), Motion(center=(30.0, 20.0)))
    square = np.full((10, 10, 4), 255, np.uint8)
    front = Layer(square, Motion(center=(15.0, 20.0), velocity=(20.0, 0.0)))
    scene = Scene((background, front), 60, 40)
    first, second = scene.render([0, 1])
    assert (first[15:25, 10:20] == 255).all() and (first[15:25, 21:] == 50).all()
    assert (second[15:25, 30:40] == 255).all()
    flow, visible = scene.flow(0, 1)
    owner = scene.layer_map(0)
    assert (owner[16:24, 11:19] == 1).all() and owner[0, 0] == 0
    assert (flow[16:24, 11:19] == [20, 0]).all() and (flow[:14] == 0).all()
    assert visible[16:24, 11:19].all(), "the square is seen at both times"
    assert not visible[16:24, 31:39].any(), "the background there gets covered"
    back, seen = scene.flow(1, 0)
    assert (back[16:24, 31:39] == [-20, 0]).all() and not seen[16:24, 11:19].any()


@pytest.mark.parametrize("seed", range(6))
def test_warping_by_the_flow_gives_the_other_frame_back(seed):
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, smooth_picture, height=96, width=120)
    first, second = scene.render([0.0, 1.0])
    for here, there, times in ((first, second, (0, 1)), (second, first, (1, 0))):
        flow, visible = scene.flow(*times)
        difference = np.abs(warp(there, flow) - here)[visible]
        assert visible.mean() > 0.5
        assert difference.mean() < 1.5
        assert np.mean(difference > 12) < 0.01


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.sampled_from([1.0, 3.0]), st.floats(4, 30))
def test_no_point_moves_more_than_allowed_between_key_frames(seed, duration, max_motion):
    options = SceneOptions(max_motion=max_motion, duration=duration)
    scene = random_scene(
        np.random.default_rng(seed), smooth_picture, height=48, width=64, options=options
    )
    for start in np.arange(0, duration):
        flow, _ = scene.flow(start, start + 1)
        assert np.hypot(flow[..., 0], flow[..., 1]).max() <= max_motion * 1.02
    assert len(scene.layers) in range(2, 6)


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.sampled_from([1.0, 4.0]))
def test_the_background_covers_every_frame(seed, duration):
    options = SceneOptions(duration=duration, max_layers=0)
    scene = random_scene(
        np.random.default_rng(seed), smooth_picture, height=48, width=64, options=options
    )
    for time in np.linspace(0, duration, 7):
        assert (scene.layer_map(time) == 0).all()


def test_equal_generators_give_equal_scenes_and_other_ones_do_not():
    def frames(seed):
        scene = random_scene(np.random.default_rng(seed), smooth_picture, height=32, width=40)
        return scene.render([0, 0.5])

    np.testing.assert_array_equal(frames(1), frames(1))
    assert np.abs(frames(1).astype(int) - frames(2)).mean() > 1


def test_a_picture_smaller_than_the_frame_still_covers_it():
    scene = random_scene(
        np.random.default_rng(3), lambda rng: noise(rng, 20, 30), height=64, width=80
    )
    assert scene.render([0.5]).shape == (1, 64, 80, 3)
    assert (scene.layer_map(0.5) >= 0).all()


@given(st.integers(0, 2**32), st.integers(9, 120), st.integers(9, 120))
def test_mattes_are_clear_at_the_border_and_show_something(seed, width, height):
    matte = random_matte(np.random.default_rng(seed), width, height)
    assert matte.shape == (height, width)
    border = np.concatenate([matte[0], matte[-1], matte[:, 0], matte[:, -1]])
    assert (border == 0).all()


def test_mattes_have_soft_edges_and_opaque_parts():
    mattes = [random_matte(np.random.default_rng(seed), 150, 120) for seed in range(20)]
    assert np.median([np.mean(matte > 250) for matte in mattes]) > 0.1
    assert all(np.any((matte > 20) & (matte < 235)) for matte in mattes)


def test_largest_motion_of_a_turn_is_at_the_corners():
    motion = Motion(spin=0.1)
    chord = 2 * math.hypot(30, 40) * math.sin(0.05)
    assert math.isclose(largest_motion(motion, (60, 80), 1.0), chord, rel_tol=1e-9)


@pytest.mark.usefixtures("without_shape_checks")
def test_a_texture_without_colour_channels_is_refused():
    with pytest.raises(ValueError, match=r"expected shape \(h, w, 3\) or \(h, w, 4\), got"):
        Layer(np.zeros((4, 4), np.uint8), Motion())


def test_workers_that_make_motion_import_neither_jax_nor_tensorflow():
    code = (
        "import sys, gif2video_jax.datasets.motion_scenes, gif2video_jax.datasets.open_corpus\n"
        "bad = {'jax', 'tensorflow', 'torch'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
