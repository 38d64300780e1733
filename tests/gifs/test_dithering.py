"""The guess of a frame's dithering, on pictures whose dithering is known."""

import types

import numpy as np
import pytest

from gif2video_jax.gifs import dithering, maker
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.media import open_video
from tests import gif_builder

SHADES = ("none", "floyd_steinberg", "sierra2_4a", "bayer1", "bayer2")
KIND_OF = {"none": "none", "floyd_steinberg": "error diffusion", "sierra2_4a": "error diffusion"}


@pytest.fixture(scope="module")
def frames():
    """Two frames of the sample's truth, scaled by nothing and dithered by nobody."""
    with open_video("data/samples/bunny.mp4") as clip:
        return [frame for index, frame in enumerate(clip) if index in (0, 40)]


def shades(height=96, width=128):
    """Smooth shades: the easiest case."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 2, y * 2, 128 + 60 * np.sin((x + y) / 30)], axis=-1).astype(np.uint8)


def gif_frame(tmp_path, image, dither, num_colors=32):
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "one.gif"
    maker.make_gif(
        [image], path, rate=10, num_colors=num_colors, quantizer="palettegen", dither=dither
    )
    return read_gif(path).frames[0]


@pytest.mark.parametrize("dither", SHADES)
def test_shades_and_a_rendered_film_are_told_apart(dither, frames, tmp_path):
    expected = KIND_OF.get(dither, "ordered")
    for image in (shades(), *frames):
        path = tmp_path / "one.gif"
        maker.make_gif(
            [image], path, rate=10, quantizer="palettegen", dither=dither, overwrite=True
        )
        kind, clearness = dithering.guess_dithering(read_gif(path).frames[0])
        assert kind == expected
        assert 0 < clearness <= 1


def test_diffusion_is_likely_where_network_and_statistics_agree(frames, tmp_path, monkeypatch):
    diffused, plain, ordered = (
        gif_frame(tmp_path / dither, frames[0], dither).rgb
        for dither in ("floyd_steinberg", "none", "bayer1")
    )
    assert dithering.diffusion_probability(diffused) > 0.9
    assert dithering.diffusion_probability(plain) < 0.5
    assert dithering.diffusion_probability(ordered) < 0.1
    sure = types.SimpleNamespace(probabilities=lambda planes: np.float32([0, 1, 0]))
    monkeypatch.setattr(dithering, "bundled_dither_network", lambda: sure)
    assert dithering.diffusion_probability(diffused) == 1
    assert dithering.diffusion_probability(plain) == 0
    assert dithering.diffusion_probability(diffused[:5]) is None


def test_chance_gives_an_alternation_of_a_third():
    # Of aab, abb and aba, and their mirror images, each is equally likely.
    noise = np.random.default_rng(0).integers(0, 2, (200, 200, 1), np.uint8)
    assert dithering.alternation(noise.repeat(3, axis=2)) == pytest.approx(1 / 3, abs=0.01)


def test_stripes_alternate_always_and_steps_never():
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 10
    assert dithering.alternation(stripes) == 1
    steps = np.arange(8, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(3, 2) // 4
    assert dithering.alternation(steps) == 0


def test_a_pattern_of_eight_pixels_is_periodic_and_noise_is_not():
    rng = np.random.default_rng(0)
    tile = rng.integers(0, 256, (8, 8, 3), np.uint8)
    assert dithering.periodicity(np.tile(tile, (5, 6, 1))) > 0.9
    assert dithering.periodicity(rng.integers(0, 256, (40, 48, 3), np.uint8)) < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (7, 100), (600, 700)])
def test_any_size_gets_a_guess(shape):
    noise = np.random.default_rng(0).integers(0, 4, shape)
    content = gif_builder.build([gif_builder.Image(noise.tolist())])
    kind, clearness = dithering.guess_dithering(read_gif(content).frames[0])
    assert kind in dithering.DITHER_KINDS
    assert 0 <= clearness <= 1


def test_only_what_a_frame_drew_is_looked_at(tmp_path):
    checkers = (np.indices((64, 64)).sum(axis=0) % 2).tolist()
    flat = gif_builder.Image(np.zeros((16, 16), int).tolist(), left=8, top=8)
    content = gif_builder.build([gif_builder.Image(checkers), flat])
    first, second = read_gif(content).frames
    assert dithering.guess_dithering(first)[0] == "ordered"
    assert dithering.guess_dithering(second)[0] == "none"
