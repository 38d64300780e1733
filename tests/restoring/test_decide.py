"""Whether a GIF's colours look reduced, on made cases; benchmarks/decide.py has many more."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from gif2video_jax.gifs import maker
from gif2video_jax.gifs.dithering import most_diffused_piece
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.restoring import decide
from tests import gif_builder


def decide_about(images, tmp_path, num_colors=256, dither="none"):
    path = tmp_path / "one.gif"
    maker.make_gif(images, path, rate=10, num_colors=num_colors, dither=dither)
    return decide.should_dequantize(read_gif(path).frames)


def photograph(width=200):
    image = Image.fromarray(data.astronaut())
    return np.asarray(image.resize((width, width), Image.Resampling.LANCZOS))


def screen():
    """A window with a title, lines of text and a button; grey levels at the letters' edges."""
    page = Image.new("RGB", (300, 200), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 300, 20), "#30507f")
    draw.text((6, 3), "Settings", "white", ImageFont.load_default(13))
    for line in range(6):
        draw.text(
            (10, 30 + 22 * line),
            f"{line}. The quick brown fox",
            "black",
            ImageFont.load_default(14),
        )
    draw.rounded_rectangle((220, 165, 290, 190), 5, "#e0e0e0", "#808080")
    return np.asarray(page)


def sprite(scale=1):
    """A creature of few colours, symmetric, as games had them."""
    rng = np.random.default_rng(3)
    half = rng.choice(6, (16, 8), p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    colors = rng.integers(0, 256, (6, 3), np.uint8)
    picture = colors[np.concatenate([half, half[:, ::-1]], axis=1)]
    picture = np.pad(picture, ((12, 12), (20, 20), (0, 0)), mode="edge")
    picture[:12], picture[-12:] = colors[0], colors[0]
    picture[:, :20], picture[:, -20:] = colors[0], colors[0]
    return picture.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.parametrize("dither", ["none", "floyd_steinberg", "bayer2"])
@pytest.mark.parametrize("num_colors", [16, 32, 128])
def test_a_photograph_is_restored(num_colors, dither, tmp_path):
    reduced, reason = decide_about([photograph()], tmp_path, num_colors=num_colors, dither=dither)
    assert reduced and "look reduced" in reason


def test_a_screen_is_left_alone(tmp_path):
    reduced, reason = decide_about([screen()], tmp_path)
    assert not reduced and "as they were drawn" in reason


@pytest.mark.parametrize("scale", [2, 3, 8])
def test_enlarged_pixel_art_is_left_alone_and_its_pixels_are_measured(scale, tmp_path):
    reduced, reason = decide_about([sprite(scale)], tmp_path)
    assert not reduced and f"a block of {scale}x{scale}" in reason


def test_pixel_art_is_left_alone_at_its_own_size(tmp_path):
    assert not decide_about([sprite()], tmp_path)[0]


def test_a_picture_in_all_levels_of_grey_is_left_alone(tmp_path):
    grey = photograph()[..., :1].repeat(3, axis=2) // 2
    smooth = np.asarray(Image.fromarray(grey).resize((400, 400), Image.Resampling.BICUBIC))
    reduced, reason = decide_about([smooth], tmp_path)
    assert not reduced and "finely graded" in reason


def test_little_evidence_leaves_things_alone():
    two = gif_builder.build([gif_builder.Image(np.eye(40, dtype=int).tolist())])
    assert decide.should_dequantize(read_gif(two).frames) == (False, "2 colours only")
    small = gif_builder.build([gif_builder.Image([[0, 1], [2, 3]])])
    assert "too small to tell (4 pixels)" in decide.should_dequantize(read_gif(small).frames)[1]


def test_transparent_pixels_do_not_count():
    image = photograph()
    whole = decide.color_statistics(image)
    padded = np.pad(image, ((0, 0), (0, 300), (0, 0)))
    opaque = np.pad(np.ones(image.shape[:2], bool), ((0, 0), (0, 300)))
    around = decide.color_statistics(padded, opaque)
    assert around.num_pixels == whole.num_pixels
    assert (around.evenness, around.step) == (whole.evenness, whole.step)


def test_statistics_of_a_case_done_by_hand():
    # Half of it (10, 0, 0), a quarter each (10, 0, 4) and (10, 3, 0).
    picture = np.zeros((4, 4, 3), np.uint8) + np.array([10, 0, 0], np.uint8)
    picture[2, :, 2] = 4
    picture[3, :, 1] = 3
    found = decide.color_statistics(picture)
    assert (found.num_pixels, found.num_colors) == (16, 3)
    assert found.evenness == pytest.approx(1.5 / np.log2(3))  # 1/2 log 2 + 2 * 1/4 log 4
    assert found.fineness == pytest.approx((8 * 3 + 4 * 4 + 4 * 3) / 16)
    assert found.step == pytest.approx(4.5)  # four steps of 4, four of 5


def test_no_frames_is_a_mistake():
    with pytest.raises(ValueError, match="at least one, got none"):
        decide.should_dequantize([])


def screen_with_photograph(tmp_path, dither):
    page = screen().copy()
    page[-100:, -150:] = photograph(150)[:100]
    return decide_about([page], tmp_path, num_colors=32, dither=dither)


def test_a_dithered_photograph_on_a_screen_is_found_by_the_classifier(tmp_path):
    reduced, reason = screen_with_photograph(tmp_path, "floyd_steinberg")
    assert reduced and "a part looks dithered by error diffusion" in reason


def test_a_screen_without_dither_is_not_taken_for_one(tmp_path):
    reduced, reason = screen_with_photograph(tmp_path, "none")
    assert not reduced and "as they were drawn" in reason


def test_pieces_too_small_or_of_few_colours_do_not_count():
    noise = np.random.default_rng(0).integers(0, 256, (63, 200, 3)).astype(np.uint8)
    assert most_diffused_piece(noise) == 0
    assert most_diffused_piece(np.zeros((128, 128, 3), np.uint8)) == 0
