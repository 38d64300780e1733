"""Comparing two videos: numbers, messages, pictures."""

import json
import math

import numpy as np
import pytest
from PIL import Image
from skimage import metrics as oracle

from gif2video_jax.errors import InputError
from gif2video_jax.evaluation import pictures
from gif2video_jax.evaluation.comparing import compare_files
from gif2video_jax.media import open_video, open_writer


def write(path, frames):
    height, width = frames[0].shape[:2]
    with open_writer(path, width=width, height=height, rate=10, lossless=True) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def noise(count, shape=(24, 20, 3), seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8))


@pytest.fixture
def pair(tmp_path):
    truth = noise(7)
    ours = [truth[0], *[frame // 2 for frame in truth[1:]]]
    return ours, truth, write(tmp_path / "a.mkv", ours), write(tmp_path / "b.mkv", truth)


def test_scores_are_those_of_scikit_image(pair):
    ours, truth, ours_path, truth_path = pair
    result = compare_files(ours_path, truth_path)
    for frame, image, reference in zip(result.score.frames, ours, truth, strict=True):
        similarity = oracle.structural_similarity(image, reference, channel_axis=-1)
        assert frame.ssim == pytest.approx(similarity)
    assert result.score.frames[0].psnr == math.inf
    expected = oracle.peak_signal_noise_ratio(truth[1], ours[1])
    assert result.score.frames[1].psnr == pytest.approx(expected)


def test_json_has_no_infinities(pair):
    *_, ours_path, truth_path = pair
    facts = json.loads(json.dumps(compare_files(ours_path, truth_path).as_dict(), allow_nan=False))
    assert facts["num_frames"] == 7
    assert facts["frames"][0]["psnr"] is None
    assert facts["psnr"] is None and facts["clip_psnr"] > 0


def test_sizes_that_differ_are_named(tmp_path, pair):
    other = write(tmp_path / "c.mkv", noise(7, (22, 20, 3)))
    with pytest.raises(InputError, match=r"a.mkv is 20x24 pixels, .*c.mkv is 20x22; expected one"):
        compare_files(pair[2], other)


@pytest.mark.parametrize("count", [1, 6, 8, 12])
def test_numbers_of_frames_that_differ_are_named(tmp_path, pair, count):
    other = write(tmp_path / "c.mkv", noise(count))
    with pytest.raises(InputError, match=rf"a.mkv has 7 frames, .*c.mkv has {count}; .*--fps 10"):
        compare_files(pair[2], other)
    frames = "1 frame" if count == 1 else f"{count} frames"
    with pytest.raises(InputError, match=rf"c.mkv has {frames}, .*a.mkv has 7"):
        compare_files(other, pair[2])


def test_side_by_side_picture_shows_both_and_the_difference(tmp_path, pair):
    ours, truth, ours_path, truth_path = pair
    output = tmp_path / "both.png"
    compare_files(ours_path, truth_path, output)
    with Image.open(output) as image:
        page = np.asarray(image)
    step = 20 + pictures.GAP
    assert page.shape == (18 + 5 * (24 + pictures.GAP) - pictures.GAP, 3 * step - pictures.GAP, 3)
    # Frames 0, 2 (of 1.5), 3, 4 and 6 of seven.
    np.testing.assert_array_equal(page[-24:, :20], ours[6])
    np.testing.assert_array_equal(page[-24:, step : step + 20], truth[6])
    difference = np.minimum(4 * np.abs(ours[6].astype(int) - truth[6]), 255)
    np.testing.assert_array_equal(page[-24:, 2 * step :], difference)
    np.testing.assert_array_equal(page[18 : 18 + 24, 2 * step :], 0)


def test_side_by_side_video_has_every_frame(tmp_path, pair):
    output = tmp_path / "both.mkv"
    compare_files(pair[2], pair[3], output)
    with open_video(output) as video:
        assert (video.width, video.height, video.rate) == (40 + pictures.GAP, 24, 10)
        assert sum(1 for _ in video) == 7


def test_an_unwritable_picture_is_bad_input(tmp_path, pair):
    with pytest.raises(InputError, match="does not exist"):
        compare_files(pair[2], pair[3], tmp_path / "missing" / "both.png")


@pytest.mark.parametrize(
    ("count", "at_most", "expected"), [(1, 5, [0]), (3, 5, [0, 1, 2]), (9, 3, [0, 4, 8])]
)
def test_evenly_spaced_indices_include_both_ends(count, at_most, expected):
    assert pictures.evenly_spaced(count, at_most) == expected


def test_a_sheet_of_unequal_pictures_is_refused():
    with pytest.raises(ValueError, match="of one size"):
        pictures.sheet([noise(1), noise(1, (9, 9, 3))])
    with pytest.raises(ValueError, match="as long as the titles"):
        pictures.sheet([noise(2)], ["one"])
