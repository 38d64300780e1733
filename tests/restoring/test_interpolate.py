"""Frames between frames: what needs no network, alpha, sizes, and the part that is left out.

The oracle is the network called directly; the tiny model's flows are zero, so it blends.
"""

import jax
import numpy as np
import pytest

from gif2video_jax.models.build import build_model
from gif2video_jax.pretrained import Network, load_model, load_network, save_network
from gif2video_jax.restoring.interpolate import Interpolator, PairFlows
from gif2video_jax.restoring.tiling import Box
from tests.random_variables import random_variables

UNET = {
    "stage_channels": (4, 6),
    "up_channels": (4,),
    "kernel_sizes": (3, 3),
    "norm": "none",
    "upsampling": "bilinear",
    "stem_factor": 4,
    "head": "bilinear",
}


CHANGE = Box(100, 250, 110, 270)


def make_network(folder, fields, seed):
    path = folder / "interpolator.safetensors"
    variables = random_variables(build_model("superslomo", fields), seed)
    save_network(path, "superslomo", fields, variables, dtype="float32", about={"data": "none"})
    return load_network(path)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Network:
    return make_network(tmp_path_factory.mktemp("network"), {"unet": UNET, "max_flow": 8.0}, 0)


@pytest.fixture(scope="module")
def blending(tiny_model) -> Interpolator:
    return Interpolator(load_model(tiny_model).interpolator)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def blend(frame_0, frame_1, t):
    return (1 - t) * frame_0.astype(float) + t * frame_1.astype(float)


def test_between_equal_frames_the_network_is_not_asked(network):
    frame = noise(20, 30, 3)
    interpolator = Interpolator(network)
    interpolator._flows = interpolator._between = None  # would raise
    results = interpolator.between(frame, frame.copy(), [0.25, 0.5])
    assert len(results) == 2
    for result in results:
        np.testing.assert_array_equal(result, frame)


@pytest.mark.parametrize("size", [(1, 1), (37, 53), (64, 64)])
def test_odd_sizes_come_back_at_their_own(blending, size):
    frame_0, frame_1 = noise(*size, 3), noise(*size, 3, seed=1)
    results = blending.between(frame_0, frame_1, [0.25, 0.5, 0.9])
    assert len(results) == 3
    for t, result in zip([0.25, 0.5, 0.9], results, strict=True):
        assert result.shape == (*size, 3) and result.dtype == np.uint8
        assert np.abs(result - blend(frame_0, frame_1, t)).max() <= 1


def test_no_times_give_no_frames(blending):
    assert blending.between(noise(8, 8, 3), noise(8, 8, 3, seed=1), []) == []


def test_alpha_moves_as_colours_do(blending):
    frame_0, frame_1 = noise(21, 30, 4), noise(21, 30, 4, seed=1)
    (result,) = blending.between(frame_0, frame_1, [0.75])
    assert result.shape == (21, 30, 4)
    assert np.abs(result - blend(frame_0, frame_1, 0.75)).max() <= 1


def test_alpha_is_warped_by_the_flows_of_the_colours(network):
    """Alpha that equals a colour channel comes out as that channel."""
    frames = [noise(40, 50, 3, seed=seed) for seed in (0, 1)]
    frames = [np.concatenate([frame, frame[..., 1:2]], axis=-1) for frame in frames]
    (result,) = Interpolator(network).between(*frames, [0.5])
    assert np.abs(result[..., 3].astype(int) - result[..., 1]).max() <= 1
    opaque = [frame.copy() for frame in frames]
    for frame in opaque:
        frame[..., 3] = 255
    (result,) = Interpolator(network).between(*opaque, [0.5])
    assert (result[..., 3] == 255).all()


def test_colours_that_alpha_hides_are_not_mixed_in(tmp_path):
    """Where frames agree is asked for opaque frames alone: the blur beside it knows no alpha."""
    fields = {"unet": None, "pyramid_iterations": 2, "choose_motion": "likelihood"}
    plain, agreeing = (
        Interpolator(make_network(tmp_path, {**fields, "agreeing_bands": bands}, 0))
        for bands in (0, 2)
    )
    frames = [noise(32, 40, 4, seed=seed) for seed in (0, 1)]
    flow = np.random.default_rng(2).uniform(-3, 3, (32, 40, 2)).astype(np.float32)
    flows = PairFlows(flow, -flow)
    (expected,), (found,) = (x.between(*frames, [0.5], flows=flows) for x in (plain, agreeing))
    np.testing.assert_array_equal(found, expected)
    frames = [frame[..., :3] for frame in frames]
    (without,), (found,) = (x.between(*frames, [0.5], flows=flows) for x in (plain, agreeing))
    assert np.abs(found.astype(int) - without).mean() > 1


def test_the_result_is_the_networks(network):
    frame_0, frame_1 = noise(64, 128, 3), noise(64, 128, 3, seed=1)
    (result,) = Interpolator(network).between(frame_0, frame_1, [0.3])
    images = [frame[None].astype(np.float32) / 127.5 - 1 for frame in (frame_0, frame_1)]
    found = jax.jit(network.module.apply)(network.variables, *images, np.array([[0.3]], np.float32))
    assert float(np.abs(found.flow_01).max()) > 0.5, "this network must move something"
    assert np.abs(result - (np.asarray(found.frames)[0, 0] + 1) * 127.5).max() <= 1


def test_the_flows_of_a_joint_network_come_from_the_gif_frames(network):
    frame_0, frame_1 = noise(64, 64, 3), noise(64, 64, 3, seed=1)
    gif_0, gif_1 = noise(64, 64, 3, seed=2), noise(64, 64, 3, seed=3)
    (result,) = Interpolator(network).between(frame_0, frame_1, [0.5], (gif_0, gif_1))
    images = [
        frame[None].astype(np.float32) / 127.5 - 1 for frame in (frame_0, frame_1, gif_0, gif_1)
    ]
    times = np.array([[0.5]], np.float32)
    found = jax.jit(network.module.apply)(network.variables, *images[:2], times, *images[2:])
    assert np.abs(result - (np.asarray(found.frames)[0, 0] + 1) * 127.5).max() <= 1
    (sequential,) = Interpolator(network).between(frame_0, frame_1, [0.5])
    assert np.abs(result.astype(int) - sequential).max() > 1


@pytest.mark.parametrize("channels", [3, 4])
def test_what_is_far_from_any_change_stays_as_it_is(network, channels):
    frame_0 = noise(256, 320, channels)
    frame_1 = frame_0.copy()
    frame_1[100:110, 250:270] = noise(10, 20, channels, seed=1)
    interpolator = Interpolator(network)
    box = interpolator.work_box(CHANGE, 256, 320)
    before = frame_0.copy()
    first, second = interpolator.between(frame_0, frame_1, [0.25, 0.5])
    np.testing.assert_array_equal(frame_0, before)
    outside = np.ones((256, 320), bool)
    outside[box.slices] = False
    assert outside.mean() > 0.4, "a good part must be left out"
    np.testing.assert_array_equal(first[outside], frame_0[outside])
    np.testing.assert_array_equal(second[outside], frame_0[outside])
    assert (first[100:110, 250:270] != second[100:110, 250:270]).any()


def test_the_part_that_is_computed_holds_the_change_and_its_surroundings(network):
    interpolator = Interpolator(network)
    for change in [Box(0, 0, 1, 1), Box(255, 319, 256, 320), Box(100, 250, 110, 270)]:
        box = interpolator.work_box(change, 256, 320)
        wanted = change.grown(16 + 32, 256, 320)
        assert box.top <= wanted.top and box.left <= wanted.left
        assert box.bottom >= wanted.bottom and box.right >= wanted.right
    assert interpolator.work_box(Box(0, 0, 256, 320), 256, 320) == Box(0, 0, 256, 320)


@pytest.mark.parametrize("size", [(480, 640), (50, 700), (1, 1), (64, 320), (333, 97)])
def test_few_sizes_are_ever_computed(network, size):
    """Each size is compiled: the whole frame's and one other, whatever changes."""
    interpolator = Interpolator(network)
    rng = np.random.default_rng(5)
    height, width = size
    shapes = set()
    for _ in range(300):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        tall, wide = int(rng.integers(1, height - top + 1)), int(rng.integers(1, width - left + 1))
        change = Box(top, left, top + tall, left + wide)
        box = interpolator.work_box(change, height, width)
        wanted = change.grown(16 + 32, height, width)
        assert 0 <= box.top <= wanted.top and wanted.bottom <= box.bottom <= height
        assert 0 <= box.left <= wanted.left and wanted.right <= box.right <= width
        shapes.add(interpolator.padded(np.zeros((*size, 1)), box).shape)
    assert len(shapes) <= 2


def test_networks_that_align_corners_see_whole_frames(tmp_path):
    fields = {"unet": UNET | {"upsampling": "bilinear_aligned", "stem_factor": 1}}
    interpolator = Interpolator(make_network(tmp_path, fields, 1))
    assert interpolator.work_box(CHANGE, 256, 320).height == 256
    frame_0, frame_1 = noise(13, 9, 3), noise(13, 9, 3, seed=1)
    (result,) = interpolator.between(frame_0, frame_1, [0.5])
    assert result.shape == (13, 9, 3)


def test_another_kind_of_network_is_refused(tiny_model):
    with pytest.raises(ValueError, match="expected a SuperSlomo, got CCDNet1"):
        Interpolator(load_model(tiny_model).dequantizer)


def test_sizes_suit_both_networks(tmp_path):
    """Corners aligned, so that frames are not padded more than needed; the second is deeper."""
    unet = UNET | {"upsampling": "bilinear_aligned", "stem_factor": 1}
    deeper = unet | {
        "stage_channels": (4, 4, 4, 4),
        "up_channels": (4, 4, 4),
        "kernel_sizes": (3, 3, 3, 3),
    }
    fields = {"unet": unet, "refine_unet": deeper, "max_flow": 4.0}
    interpolator = Interpolator(make_network(tmp_path, fields, 1))
    (result,) = interpolator.between(noise(3, 5, 3), noise(3, 5, 3, seed=1), [0.5])
    assert result.shape == (3, 5, 3)
