"""Lossy compression: as `gifsicle --lossy` does it (oracle), and what it promises by itself."""

import io
import subprocess

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import skimage.data
from hypothesis.extra import numpy as hnp
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.gifs import maker
from gif2video_jax.gifs.lossy import compress_lossily, looks_lossy
from gif2video_jax.gifs.palette import Palette
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.gifs.writer import GifWriter
from tests import oracles


def gif_bytes(indices: np.ndarray, palette: Palette) -> bytes:
    stream = io.BytesIO()
    writer = GifWriter(stream, indices.shape[1], indices.shape[0])
    writer.write(indices, palette, 100)
    writer.finish()
    return stream.getvalue()


def small_picture(name: str) -> np.ndarray:
    picture = Image.fromarray(getattr(skimage.data, name)())
    return np.asarray(picture.resize((120, 90), Image.Resampling.BOX))


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - two) ** 2))


@pytest.mark.parametrize("lossy", [30, 80, 200])
@pytest.mark.parametrize(
    "way", [(256, "palettegen", "sierra2_4a"), (64, "median_cut", "floyd_steinberg")]
)
def test_files_are_as_small_and_as_far_off_as_gifsicles(lossy, way, tmp_path):
    """Which of several equal strings is taken differs, so single pixels do."""
    gifsicle = oracles.require_program("gifsicle")
    for name in ("chelsea", "coffee"):
        picture = small_picture(name)
        indices, palette = maker.quantize(picture, *way)
        exact = gif_bytes(indices, palette)
        (tmp_path / "exact.gif").write_bytes(exact)
        command = [gifsicle, "-O1", f"--lossy={lossy}", "exact.gif", "-o", "lossy.gif"]
        subprocess.run(command, cwd=tmp_path, check=True)
        theirs = read_gif(tmp_path / "lossy.gif").frames[0].rgb
        ours = compress_lossily(indices, palette, lossy)
        size = len(gif_bytes(ours, palette))
        assert size < 0.9 * len(exact)
        assert size == pytest.approx((tmp_path / "lossy.gif").stat().st_size, rel=0.12)
        gif, ours = palette.colors[indices], palette.colors[ours]
        assert psnr(ours, gif) == pytest.approx(psnr(theirs, gif), abs=0.6)
        assert psnr(ours, picture) == pytest.approx(psnr(theirs, picture), abs=0.6)


indices_and_palette = st.tuples(
    hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 60)), elements=st.integers(0, 7)
    ),
    hnp.arrays(np.uint8, (8, 3)),
)


@hypothesis.given(indices_and_palette, st.integers(0, 300))
def test_no_pixel_is_further_off_than_allowed(drawn, lossy):
    indices, colors = drawn
    colors = np.unique(colors, axis=0)
    palette = Palette.from_colors(colors)
    indices = indices % len(colors)
    changed = compress_lossily(indices, palette, lossy)
    assert changed.shape == indices.shape and changed.max(initial=0) < len(colors)
    assert changed.ravel()[0] == indices.ravel()[0]
    off = np.square(colors[changed].astype(int) - colors[indices]).sum(axis=-1)
    # With M the longest difference allowed, an error e carried on makes |d| <= M + |e| and the next
    # |e| <= M + |e| / 4, so |e| <= 4/3 M and |d| <= 7/3 M.
    assert off.max() <= (7 / 3) ** 2 * 10 * lossy + 1e-6
    if lossy == 0:
        np.testing.assert_array_equal(changed, indices)


def test_what_already_repeats_stays_as_it_is():
    palette = Palette.from_colors(np.array([[0, 0, 0], [3, 3, 3], [255, 255, 255]], np.uint8))
    stripes = np.tile(np.array([0, 0, 2, 2], np.uint8), (20, 30))
    np.testing.assert_array_equal(compress_lossily(stripes, palette, 5), stripes)


def test_make_gif_takes_it_and_rejects_less_than_nothing(tmp_path):
    picture = small_picture("chelsea")
    sizes = []
    for lossy in (0, 100):
        path = tmp_path / f"{lossy}.gif"
        maker.make_gif([picture], path, rate=10, num_colors=128, lossy=lossy)
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.8 * sizes[0]
    with pytest.raises(InputError, match="lossy"):
        maker.make_gif([picture], tmp_path / "no.gif", rate=10, lossy=-1)
    with pytest.raises(ValueError, match="lossy"):
        compress_lossily(np.zeros((2, 2), np.uint8), Palette.from_colors(picture[0, :2]), -1)


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_what_gifsicle_compressed_lossily_is_told_from_what_it_did_not(name, tmp_path):
    gifsicle = oracles.require_program("gifsicle")
    picture = small_picture(name)
    maker.make_gif([picture] * 2, tmp_path / "exact.gif", rate=10, num_colors=256)
    assert not looks_lossy(read_gif(tmp_path / "exact.gif").frames)
    for lossy, found in ((0, False), (100, True)):
        option = [f"--lossy={lossy}"] if lossy else []
        command = [gifsicle, "-O3", *option, "exact.gif", "-o", "smaller.gif"]
        subprocess.run(command, cwd=tmp_path, check=True)
        assert looks_lossy(read_gif(tmp_path / "smaller.gif").frames) == found
