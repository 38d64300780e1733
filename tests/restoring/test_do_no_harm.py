"""What has nothing to restore comes out as it went in, with the bundled model and the defaults."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from gif2video_jax.evaluation.benchmark.flicker import flicker, still_parts, still_scene
from gif2video_jax.evaluation.drawings import DRAWINGS
from gif2video_jax.evaluation.harm import MAX_CHANGE, MIN_PSNR, flat_parts, measure_harm
from gif2video_jax.gifs import maker
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.restoring.decide import should_dequantize
from gif2video_jax.restoring.restore import restore

# A dither made by hand looks like any other; benchmarks/do_no_harm.py shows what becomes of it.
LEFT_ALONE = [kind for kind in DRAWINGS if kind != "hand-dithered pixel art"]


def photograph(name="astronaut", width=120, height=90, left=150, top=0):
    picture = Image.fromarray(getattr(data, name)())
    small = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
    left = min(left // 2, small.width - width)
    return np.asarray(small.crop((left, top, left + width, top + height)))


def gif_of(folder, frames, **options):
    """A GIF without loss if the frames have few colours, unless options say otherwise."""
    path = folder / "made.gif"
    chosen = {"num_colors": 256, "dither": "none"} | options
    maker.make_gif(frames, path, rate=10, overwrite=True, **chosen)
    return path


@pytest.mark.parametrize("kind", LEFT_ALONE)
def test_drawings_come_out_as_they_went_in(kind, tmp_path):
    for seed in range(2):
        picture = DRAWINGS[kind](np.random.default_rng(1000 + seed))
        path = gif_of(tmp_path, [picture])
        assert np.array_equal(read_gif(path).frames[0].rgb, picture)
        found = measure_harm(path)
        assert found.unharmed, found
        assert not found.dequantized and found.psnr == np.inf


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_a_photograph_in_grey_loses_nothing(name, tmp_path):
    """A real case: a GIF holds all levels of grey, so that nothing is to be restored."""
    grey = Image.fromarray(photograph(name, 200, 150)).convert("L").convert("RGB")
    found = measure_harm(gif_of(tmp_path, [np.asarray(grey)]))
    assert found.unharmed and not found.dequantized, found


def test_a_screen_recording_comes_out_as_it_went_in(tmp_path):
    """Typing in a window: frames that differ in a few letters, and a blank one to begin with."""
    frames = [np.full((120, 200, 3), 255, np.uint8)]
    for length in range(1, 24, 4):
        page = Image.new("RGB", (200, 120), "white")
        draw = ImageDraw.Draw(page)
        draw.rectangle((0, 0, 200, 16), "#335577")
        draw.text((4, 1), "notes.txt", "white", ImageFont.load_default(11))
        draw.text(
            (6, 24), "All of it comes as it was"[:length], "black", ImageFont.load_default(13)
        )
        frames.append(np.asarray(page))
    found = measure_harm(gif_of(tmp_path, frames))
    assert found.unharmed and found.psnr == np.inf, found


def test_a_sprite_that_walks_comes_out_as_it_went_in(tmp_path):
    rng = np.random.default_rng(5)
    colors = rng.integers(0, 256, (5, 3), np.uint8)
    half = rng.choice(5, (12, 6), p=[0.3, 0.2, 0.2, 0.2, 0.1])
    sprite = colors[np.concatenate([half, half[:, ::-1]], axis=1)].repeat(4, 0).repeat(4, 1)
    frames = []
    for step in range(4):
        frame = np.full((80, 160, 3), (90, 160, 220), np.uint8)
        frame[60:] = (70, 120, 40)
        frame[12:60, 8 + 16 * step : 56 + 16 * step] = sprite
        frames.append(frame)
    found = measure_harm(gif_of(tmp_path, frames))
    assert found.unharmed and found.psnr == np.inf, found


def test_a_smooth_picture_of_256_colors_hardly_changes(tmp_path):
    """Made: shades from one colour to another in two directions, close enough for 256 colours."""
    y, x = np.mgrid[:90, :120]
    smooth = np.stack([100 + x // 8, 120 + y // 6, 90 + (x + y) // 14], axis=-1).astype(np.uint8)
    found = measure_harm(gif_of(tmp_path, [smooth], quantizer="median_cut"))
    assert found.change <= MAX_CHANGE and found.psnr >= MIN_PSNR, found


def test_a_flat_color_stays_flat_where_the_rest_is_restored(tmp_path):
    """A photograph on a flat ground: the colours of the ground stay one colour."""
    frame = np.full((150, 200, 3), (40, 90, 160), np.uint8)
    frame[30:120, 40:160] = photograph()
    path = gif_of(tmp_path, [frame], num_colors=64)
    gif = read_gif(path).frames[0].rgb
    restored = restore(path, dequantize="on", interpolate=False).frames[0]
    # 5x5 equal pixels, well away from the photograph.
    ground = flat_parts(gif)
    ground[22:128, 32:168] = False
    values = restored[ground].astype(int)
    assert ground.sum() > 3000
    assert np.abs(values - gif[ground]).mean() <= MAX_CHANGE
    assert values.std(axis=0).max() <= 1


@pytest.mark.parametrize(
    ("num_colors", "quantizer", "dither"),
    [
        (32, "median_cut", "none"),
        (32, "median_cut", "floyd_steinberg"),
        (64, "palettegen", "sierra2_4a"),
    ],
)
def test_a_still_area_flickers_less_than_in_the_gif(num_colors, quantizer, dither, tmp_path):
    """Made of real pictures: each frame's palette differs, and so does its dither."""
    truth = still_scene(photograph("coffee"), photograph("chelsea"), num_frames=4)
    path = gif_of(tmp_path, truth, num_colors=num_colors, quantizer=quantizer, dither=dither)
    frames = read_gif(path).frames
    assert should_dequantize(frames)[0]
    restored = restore(path, interpolate=False).frames
    still = still_parts(truth)
    before = flicker([frame.rgb for frame in frames], still)
    after = flicker(list(restored), still)
    assert before.share > 0.4 and before.level > 0.5
    assert after.level < before.level


def test_harm_is_found_where_it_is_done(tmp_path):
    """The measure can fail: to a photograph that was dithered, restoring does a lot."""
    path = gif_of(tmp_path, [photograph()], num_colors=16, dither="floyd_steinberg")
    found = measure_harm(path, dequantize="on")
    assert found.dequantized and not found.unharmed
    assert found.change > MAX_CHANGE and found.psnr < MIN_PSNR
