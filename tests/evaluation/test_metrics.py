"""PSNR and SSIM against scikit-image, an independent implementation of both."""

import math

import numpy as np
import pytest
from skimage import metrics as oracle

from gif2video_jax.evaluation import metrics


def picture_pair(seed, shape=(23, 31, 3)):
    """A smooth picture and a noisy copy, so that structure is neither perfect nor absent."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    smooth = 128 + 60 * np.sin(x / 5)[..., None] + 50 * np.cos(y / 4)[..., None]
    reference = smooth + rng.normal(0, 5, shape)
    noisy = reference + rng.normal(0, 20, shape)
    return [np.clip(a, 0, 255).astype(np.uint8) for a in (noisy, reference)]


@pytest.mark.parametrize("shape", [(23, 31, 3), (7, 7, 3), (64, 9, 1)])
def test_uint8_scores_equal_those_of_scikit_image(shape):
    image, reference = picture_pair(0, shape)
    expected = oracle.structural_similarity(image, reference, channel_axis=-1, data_range=255)
    assert metrics.ssim(image, reference) == pytest.approx(expected, abs=1e-12)
    expected = oracle.peak_signal_noise_ratio(reference, image, data_range=255)
    assert metrics.psnr(image, reference) == pytest.approx(expected, abs=1e-9)


def test_float_scores_use_a_range_of_two():
    image, reference = (a / 127.5 - 1 for a in picture_pair(1))
    expected = oracle.structural_similarity(image, reference, channel_axis=-1, data_range=2)
    assert metrics.ssim(image, reference) == pytest.approx(expected, abs=1e-12)
    expected = oracle.peak_signal_noise_ratio(reference, image, data_range=2)
    assert metrics.psnr(image, reference) == pytest.approx(expected, abs=1e-9)


def test_psnr_does_not_depend_on_the_units_but_ssim_does():
    image, reference = picture_pair(2)
    floats = [a / 127.5 - 1 for a in (image, reference)]
    assert metrics.psnr(*floats) == pytest.approx(metrics.psnr(image, reference), abs=1e-9)
    zero_to_one = [a / 255 for a in (image, reference)]
    bytes_score = metrics.ssim(image, reference)
    assert metrics.ssim(*zero_to_one, data_range=1) == pytest.approx(bytes_score, abs=1e-9)
    assert abs(metrics.ssim(*floats) - bytes_score) > 0.01  # zero lies elsewhere in [-1, 1]


def test_bytes_are_subtracted_without_wrapping_around():
    dark, bright = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert metrics.psnr(dark, bright) == 0  # an error of the whole range
    one_off = np.full((8, 8, 3), 254, np.uint8)
    assert metrics.psnr(one_off, bright) == pytest.approx(20 * math.log10(255))


def test_equal_images_are_infinitely_good():
    image, _ = picture_pair(3)
    assert metrics.psnr(image, image.copy()) == math.inf
    assert metrics.ssim(image, image.copy()) == pytest.approx(1)


def test_clip_scores_are_means_over_frames_and_one_error_over_all():
    pairs = [picture_pair(4), picture_pair(5)]
    pairs[1][0] = np.clip(pairs[1][0].astype(int) + 30, 0, 255).astype(np.uint8)
    clip = metrics.score_clip([p[0] for p in pairs], [p[1] for p in pairs])
    assert clip.psnr == pytest.approx(np.mean([metrics.psnr(*p) for p in pairs]))
    assert clip.ssim == pytest.approx(np.mean([metrics.ssim(*p) for p in pairs]))
    whole = oracle.peak_signal_noise_ratio(
        np.stack([p[1] for p in pairs]), np.stack([p[0] for p in pairs]), data_range=255
    )
    assert clip.temporal_psnr == pytest.approx(whole)
    assert clip.temporal_psnr < clip.psnr - 0.1  # they are different statistics


def test_temporal_score_stays_finite_when_one_frame_is_perfect():
    image, reference = picture_pair(6)
    clip = metrics.score_clip([reference, image], [reference, reference])
    assert clip.psnr == math.inf
    assert clip.temporal_psnr == pytest.approx(metrics.psnr(image, reference) + 10 * math.log10(2))


def test_long_videos_weigh_no_more_than_short_ones():
    good, bad = metrics.ClipScore(), metrics.ClipScore()
    image, reference = picture_pair(7)
    good.add((image // 2 + reference // 2), reference)
    for _ in range(3):
        bad.add(image, reference)
    mean = metrics.mean_over_videos([good, bad])
    assert mean.psnr == pytest.approx((good.psnr + bad.psnr) / 2)
    assert mean.ssim == pytest.approx((good.ssim + bad.ssim) / 2)


def test_frames_below_the_window_have_no_ssim():
    small = np.zeros((6, 20, 3), np.uint8)
    with pytest.raises(ValueError, match="at least 7x7 pixels, got 20x6"):
        metrics.ssim(small, small)
    clip = metrics.score_clip([small], [small])
    assert clip.ssim is None and clip.frames[0].psnr == math.inf
    assert metrics.mean_over_videos([clip]).ssim is None


def test_pairs_that_do_not_match_are_refused(without_shape_checks):
    image = np.zeros((8, 9, 3), np.uint8)
    with pytest.raises(ValueError, match=r"got uint8 \(8, 9, 3\) and uint8 \(9, 8, 3\)"):
        metrics.psnr(image, image.transpose(1, 0, 2))
    with pytest.raises(ValueError, match="of one shape and type"):
        metrics.ssim(image, image.astype(np.float32))
    with pytest.raises(ValueError, match="zip"):
        metrics.score_clip([image], [image, image])
    with pytest.raises(ValueError, match="at least one, got none"):
        metrics.score_clip([], [])
    with pytest.raises(ValueError, match="at least one, got none"):
        metrics.mean_over_videos([])
