"""The inpainter: holes are filled and nothing else changes, in windows, across no cut."""

import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.gifs.scenes import CutDetector
from gif2video_jax.models.combcn import CombCN
from gif2video_jax.models.superslomo import FLOW_UNET, SuperSlomo
from gif2video_jax.ops.fill import fill_smoothly
from gif2video_jax.pretrained import Network
from gif2video_jax.restoring.inpaint import Inpainter
from tests.random_variables import random_variables


def network_of(**fields):
    fields = {"base_channels": 2, "volume_channels": 1, "norm": "none"} | fields
    module = CombCN(dilations=(1, 1, 1, 2), volume_dilations=(1, 1, 1), **fields)
    return Network(module, random_variables(module, 0))


@pytest.fixture(scope="module")
def real():
    """A network of random weights; one shape of 8 frames of 32x32 is compiled once."""
    return Inpainter(network_of(fill="video", composition="residual"), window=4)


def noise(num_frames, height=30, width=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_frames, height, width, 3), np.uint8)


def box(num_frames, height=30, width=40, top=10, left=12, side=6):
    masks = np.zeros((num_frames, height, width), bool)
    masks[:, top : top + side, left : left + side] = True
    return masks


class Stub(Inpainter):
    """Fills with the mean level of what the network would see, and notes the windows."""

    def __init__(self, **arguments):
        super().__init__(network_of(), **arguments)
        self.seen = []
        self._complete = self._stub

    def _stub(self, _, video, holes, scale, factor):
        self.seen.append((video.copy(), holes.copy(), (scale, factor)))
        return np.full(video.shape, video[~holes].mean(), np.float32)


@pytest.mark.parametrize("num_frames", [1, 3, 4, 7])
def test_known_pixels_are_bit_identical_and_holes_change(real, num_frames):
    frames, masks = noise(num_frames), box(num_frames)
    filled = np.stack(list(real.fill(frames, masks)))
    assert filled.shape == frames.shape and filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[~masks], frames[~masks])
    assert not np.array_equal(filled[masks], frames[masks])


def test_what_a_hole_holds_does_not_matter(real):
    frames, masks = noise(4), box(4)
    other = np.where(masks[..., None], np.uint8(255) - frames, frames)
    np.testing.assert_array_equal(
        np.stack(list(real.fill(frames, masks))), np.stack(list(real.fill(other, masks)))
    )


def erring_network(bias):
    """Corrects everything by `bias`; it was trained on holes of at most 8 pixels."""
    module = CombCN(base_channels=2, guidance=False, norm="none", fill="smooth",
                    composition="residual", dilations=(1, 1, 1, 2))  # fmt: skip
    variables = random_variables(module, 0)
    variables["params"]["frame"]["layer_17"]["kernel"] *= 0
    variables["params"]["frame"]["layer_17"]["bias"] = jnp.array([bias] * 3)
    return Network(module, variables)


def test_a_thick_hole_at_half_the_scale_meets_its_edge_without_a_seam():
    """A slope with a hole: the filled part goes on where the known one ends."""
    inpainter = Inpainter(erring_network(0.3), window=2)
    slope = np.broadcast_to(np.arange(0, 240, 2.5)[:, None, None], (96, 96, 3)).astype(np.uint8)
    hole = slice(28, 68)
    (filled,) = inpainter.fill(slope[None], box(1, 96, 96, 28, 28, 40))
    # 0.3 is 38 levels, which the known pixels around tell; what is left is the fill's own error.
    error = np.abs(filled[hole, hole].astype(int) - slope[hole, hole])
    assert error.mean() < 12 and error[[0, -1]].mean() < 15


@pytest.mark.parametrize(("side", "factor"), [(8, 1), (12, 2), (16, 2), (24, 4), (32, 4)])
def test_thick_holes_are_corrected_at_the_scale_that_the_network_was_trained_at(side, factor):
    """The correction is whole inside, less at the edge; without one the fill stays as it is."""
    picture, masks = noise(1, 64, 64), box(1, 64, 64, 16, 16, side)
    results, sizes = {}, []
    for bias in (0.0, 0.2):
        inpainter = Inpainter(erring_network(bias), window=2)
        complete = inpainter._complete

        def noting(*arguments, complete=complete, **named):
            sizes.append(named)
            return complete(*arguments, **named)

        inpainter._complete = noting
        (results[bias],) = inpainter.fill(picture, masks)
    assert sizes == [{"scale": 1, "factor": factor}] * 2
    change = results[0.2].astype(int) - results[0.0]
    hole = change[16 : 16 + side, 16 : 16 + side]
    deep = hole[factor:-factor, factor:-factor]
    assert np.abs(deep - 25.5).max() <= 1
    assert (change[masks[0]].sum() == change.sum()) and np.abs(hole).max() <= 26
    known = jnp.asarray(1 - masks[..., None], jnp.float32)
    smooth = np.asarray(fill_smoothly(jnp.asarray(picture, jnp.float32) * known, known))
    assert np.abs(results[0.0] - smooth[0])[masks[0]].max() < 1.5


def test_frames_without_holes_pass_and_need_no_network():
    stub = Stub(window=4)
    frames = noise(9)
    filled = list(stub.fill(frames, np.zeros(frames.shape[:3], bool)))
    assert not stub.seen
    np.testing.assert_array_equal(np.stack(filled), frames)


def test_windows_overlap_by_half_and_only_they_are_held():
    stub = Stub(window=4)
    read = 0

    def frames():
        nonlocal read
        for frame in noise(10):
            read += 1
            yield frame

    given = 0
    for _ in stub.fill(frames(), box(10)):
        given += 1
        assert read - given < 4
    assert given == 10 and len(stub.seen) == 4  # from 0, 2, 4 and 6
    assert all(video.shape[0] == 4 for video, _, _ in stub.seen)


def test_results_of_two_windows_are_blended_in_time():
    stub = Stub(window=4)
    values = iter([10.0, 100.0])

    def next_value(_, video, holes, **sizes):
        return np.full(video.shape, next(values), np.float32)

    stub._complete = next_value
    filled = np.stack(list(stub.fill(noise(6), box(6))))
    levels = filled[:, 12, 14, 0].tolist()
    # Weights 1 2 2 1 of each window: frames 2 and 3 belong to both.
    assert levels == [10, 10, round((2 * 10 + 100) / 3), round((10 + 2 * 100) / 3), 100, 100]


def test_no_window_reaches_across_a_cut():
    stub = Stub(window=4, cut_detector=CutDetector())
    dark, bright = np.full((3, 64, 64, 3), 20, np.uint8), np.full((3, 64, 64, 3), 230, np.uint8)
    dark[:, ::7], bright[:, :, ::5] = 90, 120
    filled = list(stub.fill(np.concatenate([dark, bright]), box(6, 64, 64, 20, 20, 10)))
    assert len(filled) == 6 and stub.num_cuts == 1
    for video, holes, _ in stub.seen:
        assert np.ptp([frame[~hole].mean() for frame, hole in zip(video, holes, strict=True)]) < 5


def test_a_fourth_channel_stays():
    frames = np.concatenate([noise(2), noise(2, seed=1)[..., :1]], axis=-1)
    masks = box(2)
    filled = np.stack(list(Stub(window=2).fill(frames, masks)))
    np.testing.assert_array_equal(filled[..., 3], frames[..., 3])
    assert not np.array_equal(filled[masks][:, :3], frames[masks][:, :3])


@pytest.mark.parametrize("axis", [1, 2])
def test_the_mirror_image_of_a_thick_hole_is_filled_by_the_mirror_image(axis):
    """Though a network of random weights does not know left from right alike."""
    picture, masks = noise(1, 64, 64, seed=4), box(1, 64, 64, 10, 20, 20)
    module = CombCN(base_channels=2, guidance=False, norm="none", fill="smooth",
                    composition="residual", dilations=(1, 1, 1, 2))  # fmt: skip
    inpainter = Inpainter(Network(module, random_variables(module, 1)), window=2)
    (filled,) = inpainter.fill(picture, masks)
    (mirrored,) = inpainter.fill(np.flip(picture, axis), np.flip(masks, axis))
    difference = np.flip(mirrored, axis - 1).astype(int) - filled
    assert np.abs(difference).max() <= 1
    (alone,) = Inpainter(erring_network(0.0), window=2).fill(picture, masks)
    assert np.abs(alone.astype(int) - filled)[masks[0]].mean() > 4, "the network does something"


def test_what_lies_beyond_a_small_frame_is_a_hole_to_the_network():
    stub = Stub(window=2)
    frames, masks = noise(2, 10, 12), box(2, 10, 12, 3, 3, 2)
    list(stub.fill(frames, masks))
    ((video, holes, sizes),) = stub.seen
    assert sizes == (1, 1) and video.shape[1] % 32 == 0 and video.shape[2] % 32 == 0
    assert holes[:, 10:].all() and holes[:, :, 12:].all()
    np.testing.assert_array_equal(holes[:, :10, :12], masks)


def test_masks_that_do_not_fit_are_named(without_shape_checks):
    stub = Stub(window=2)
    with pytest.raises(ValueError, match=r"mask: expected shape \(30, 40\), got \(10, 40\)"):
        list(stub.fill(noise(1), np.zeros((1, 10, 40), bool)))
    with pytest.raises(ValueError, match=r"mask: expected shape \(30, 40\), got none"):
        list(stub.fill(noise(2), box(1)))


def test_another_network_is_named():
    module = SuperSlomo(FLOW_UNET)
    with pytest.raises(ValueError, match="network: expected a CombCN, got SuperSlomo"):
        Inpainter(Network(module, {}))
    with pytest.raises(ValueError, match="window: expected 2 frames or more, got 1"):
        Inpainter(network_of(), window=1)
