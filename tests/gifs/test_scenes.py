"""Cuts between test pictures are found; motion, zoom, fades and dithering are none.

The pictures are scikit-image's; the judgement is ours: what changes the scene was made so.
"""

import itertools
import pathlib

import numpy as np
import pytest
import skimage
from PIL import Image

from gif2video_jax.gifs.scenes import CutDetector

NAMES = [
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "retina.jpg",
    "ihc.png",
    "camera.png",
    "moon.png",
    "brick.png",
]
FOLDER = pathlib.Path(skimage.__file__).parent / "data"
WIDTH, HEIGHT = 160, 120


def load(name):
    image = Image.open(FOLDER / name).convert("RGB")
    scale = max(1.5 * WIDTH / image.width, 1.5 * HEIGHT / image.height)
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


PICTURES = {name: load(name) for name in NAMES}


def crop(image, left=20, top=20):
    return np.array(image.crop((left, top, left + WIDTH, top + HEIGHT)))


def dithered(image, colors):
    picture = Image.fromarray(image)
    palette = picture.quantize(colors)
    return np.array(picture.quantize(colors, palette=palette, dither=1).convert("RGB"))


@pytest.fixture(params=NAMES)
def picture(request):
    return PICTURES[request.param]


def test_every_pair_of_pictures_is_a_cut():
    crops = [crop(image) for image in PICTURES.values()]
    detector = CutDetector()
    missed = [
        pair
        for pair in itertools.combinations(range(len(crops)), 2)
        if not detector.is_cut(crops[pair[0]], crops[pair[1]])
    ]
    assert missed == []


@pytest.mark.parametrize("colors", [4, 8, 32])
def test_cuts_are_found_through_dithering(colors):
    crops = [dithered(crop(image), colors) for image in PICTURES.values()]
    detector = CutDetector()
    missed = [
        pair
        for pair in itertools.combinations(range(len(crops)), 2)
        if not detector.is_cut(crops[pair[0]], crops[pair[1]])
    ]
    assert missed == []


@pytest.mark.parametrize("distance", [1, 4, 8, 16, 32])
def test_motion_is_no_cut(picture, distance):
    assert not CutDetector().is_cut(crop(picture), crop(picture, left=20 + distance))


@pytest.mark.parametrize("factor", [1.02, 1.1, 1.2])
def test_zoom_is_no_cut(picture, factor):
    larger = picture.resize((round(picture.width * factor), round(picture.height * factor)))
    left, top = (round((20 + side / 2) * factor - side / 2) for side in (WIDTH, HEIGHT))
    assert not CutDetector().is_cut(crop(picture), crop(larger, left, top))


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (200, 40, 40)])
@pytest.mark.parametrize("step", [0.1, 0.2])
def test_fades_are_no_cuts(picture, color, step):
    image = crop(picture)
    for share in np.arange(0, 0.7, step):
        frames = [
            np.round(image * (1 - s) + s * np.array(color)).astype(np.uint8)
            for s in (share, share + step)
        ]
        assert not CutDetector().is_cut(*frames)


def test_a_slow_cross_fade_is_no_cut():
    first, second = crop(PICTURES["coffee.png"]), crop(PICTURES["chelsea.png"])
    frames = [
        np.round(first * (1 - t) + second * t).astype(np.uint8) for t in np.linspace(0, 1, 11)
    ]
    detector = CutDetector()
    assert not any(detector.is_cut(*pair) for pair in itertools.pairwise(frames))


@pytest.mark.parametrize("colors", [(8, 6), (16, 15), (32, 16)])
def test_flicker_of_palette_and_dither_is_no_cut(picture, colors):
    first, second = (dithered(crop(picture), count) for count in colors)
    assert not CutDetector().is_cut(first, second)


def test_motion_of_a_dithered_picture_is_no_cut(picture):
    assert not CutDetector().is_cut(dithered(crop(picture), 8), dithered(crop(picture, 28), 8))


def test_noise_and_a_moving_object_are_no_cuts(picture):
    image = crop(picture)
    noise = np.random.default_rng(0).normal(0, 20, image.shape)
    assert not CutDetector().is_cut(image, np.clip(image + noise, 0, 255).astype(np.uint8))
    before, after = image.copy(), image.copy()
    before[30:90, 20:70] = after[30:90, 60:110] = (220, 30, 30)
    assert not CutDetector().is_cut(before, after)


def test_a_white_flash_is_left_alone(picture):
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    assert CutDetector().is_cut(crop(picture), white)
    assert CutDetector().is_cut(white, crop(picture))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (5, 300), (33, 31)])
def test_any_size(size):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*size, 3), np.uint8)
    assert CutDetector().score(image, image) == 0
    black, white = np.zeros_like(image), np.full_like(image, 255)
    assert CutDetector().is_cut(black, white)
    assert not CutDetector().is_cut(black, black + 3)


def test_the_score_is_symmetric_and_bounded():
    first, second = crop(PICTURES["coffee.png"]), crop(PICTURES["rocket.jpg"])
    score = CutDetector().score(first, second)
    assert 0 < score <= 1
    assert score == pytest.approx(CutDetector().score(second, first))


def test_threshold_says_how_much_is_a_cut():
    first, second = crop(PICTURES["coffee.png"]), crop(PICTURES["rocket.jpg"])
    assert not CutDetector(1).is_cut(first, second)
    assert CutDetector(0).is_cut(first, crop(PICTURES["coffee.png"], 24))
    assert not CutDetector(0).is_cut(first, first)
    with pytest.raises(ValueError, match="expected 0 to 1, got 2"):
        CutDetector(2)


def test_frames_of_two_sizes_are_refused(without_shape_checks):
    with pytest.raises(ValueError, match=r"got \(2, 2, 3\) and \(3, 2, 3\)"):
        CutDetector().is_cut(np.zeros((2, 2, 3), np.uint8), np.zeros((3, 2, 3), np.uint8))


@pytest.mark.parametrize("step", [1, 9, 18, 27, 36])
def test_a_pure_change_of_brightness_is_scored_without_a_warning(step):
    """What a fade leaves unexplained is 0 but for rounding, which may fall below."""
    ramp = 2 * np.add.outer(np.arange(37), np.arange(53))
    frames = [np.repeat((ramp + offset)[..., None], 3, 2).astype(np.uint8) for offset in (0, step)]
    assert 0 <= CutDetector().score(*frames) <= 0.05
    assert not CutDetector().is_cut(*frames)
