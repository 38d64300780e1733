"""Written GIFs read back: with this project's reader, Pillow and gifsicle; `make_gif`'s frames."""

import io
import subprocess
import weakref
from fractions import Fraction

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.gifs import maker
from gif2video_jax.gifs.palette import Palette
from gif2video_jax.gifs.pixel_sample import PixelSample
from gif2video_jax.gifs.reader import read_gif
from tests import oracles


class Tracked(np.ndarray):
    """An array that can be referred to weakly."""


def random_frame(seed: int, height: int, width: int, num_colors: int):
    random = np.random.default_rng(seed)
    palette = Palette.from_colors(random.integers(0, 256, (num_colors, 3)).astype(np.uint8))
    return random.integers(0, num_colors, (height, width)).astype(np.uint8), palette


def moving_square(count: int, height: int = 24, width: int = 36) -> list[np.ndarray]:
    frames = []
    for number in range(count):
        frame = np.full((height, width, 3), 40, np.uint8)
        frame[4:12, number : number + 8] = (250, 180, 10 + number)
        frames.append(frame)
    return frames


def assert_reads_back(path, frames, delays_ms):
    gif = read_gif(path)
    assert len(gif.frames) == len(frames) and not gif.problems
    for got, (indices, palette), delay_ms in zip(gif.frames, frames, delays_ms, strict=True):
        assert np.array_equal(got.indices, indices)
        assert len(got.palettes) == 1
        assert np.array_equal(got.palettes[0].colors, palette.colors)
        assert np.array_equal(got.rgb, palette.colors[indices])
        assert got.delay_ms == delay_ms and got.alpha is None
    return gif


@hypothesis.settings(max_examples=25)
@hypothesis.given(data=st.data())
def test_indices_and_palettes_read_back(data, tmp_path_factory):
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    colors = data.draw(st.lists(st.integers(1, 256), min_size=1, max_size=4))
    frames = [random_frame(seed, height, width, k) for seed, k in enumerate(colors)]
    delays = [10 * data.draw(st.integers(0, 65535)) for _ in frames]
    loop_count = data.draw(st.none() | st.integers(0, 65535))
    path = tmp_path_factory.mktemp("gif") / "x.gif"
    maker.write_gif(path, frames, delays, loop_count)
    assert assert_reads_back(path, frames, delays).loop_count == loop_count


@pytest.mark.parametrize("num_colors", [2, 4, 17, 256])
def test_pillow_and_gifsicle_agree_on_large_frames(num_colors, tmp_path):
    """Long enough for the code table to fill and start again."""
    frames = [random_frame(seed, 150, 211, num_colors) for seed in range(3)]
    path = tmp_path / "x.gif"
    maker.write_gif(path, frames, [100, 30, 250])
    assert_reads_back(path, frames, [100, 30, 250])
    with Image.open(path) as image:
        assert image.n_frames == 3
        for number, (indices, palette) in enumerate(frames):
            image.seek(number)
            assert np.array_equal(np.asarray(image.convert("RGB")), palette.colors[indices])
    gifsicle = oracles.require_program("gifsicle")
    run = subprocess.run([gifsicle, "--info", path], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert run.stdout.count("disposal asis") == 3 and "loop forever" in run.stdout
    assert "delay 0.30s" not in run.stdout and "delay 0.03s" in run.stdout
    # gifsicle decodes every pixel to write it anew, and says so where data are not as promised.
    subprocess.run([gifsicle, "-O1", path, "-o", tmp_path / "y.gif"], check=True)
    for got, (indices, palette) in zip(read_gif(tmp_path / "y.gif").frames, frames, strict=True):
        assert np.array_equal(got.rgb, palette.colors[indices])


def test_equal_frames_stay_apart(tmp_path):
    frame = random_frame(0, 6, 5, 9)
    maker.write_gif(tmp_path / "x.gif", [frame, frame, frame], 40)
    assert_reads_back(tmp_path / "x.gif", [frame] * 3, [40] * 3)


def test_a_shared_palette_is_written_once(tmp_path):
    _, palette = random_frame(0, 8, 8, 200)
    frames = [(random_frame(seed, 8, 8, 200)[0], palette) for seed in range(5)]
    maker.write_gif(tmp_path / "shared.gif", frames, 100)
    gif = assert_reads_back(tmp_path / "shared.gif", frames, [100] * 5)
    assert not any(frame.local_palette for frame in gif.frames)
    other = Palette(palette.colors, 199)
    frames[2] = (np.minimum(frames[2][0], 198), other)
    maker.write_gif(tmp_path / "local.gif", frames, 100)
    gif = assert_reads_back(tmp_path / "local.gif", frames, [100] * 5)
    assert all(frame.local_palette for frame in gif.frames)


def test_files_keep_to_what_a_gif_can_hold(tmp_path):
    path = tmp_path / "x.gif"
    indices, palette = random_frame(0, 3, 3, 4)
    with pytest.raises(InputError, match="at least one frame"):
        maker.write_gif(path, [], 100)
    with pytest.raises(InputError, match="0 to 655350 ms, got 655360"):
        maker.write_gif(path, [(indices, palette)], 655_360)
    with pytest.raises(InputError, match="loops 0 .for ever. to 65535 times, got 65536"):
        maker.write_gif(path, [(indices, palette)], 100, 65_536)
    with pytest.raises(ValueError, match="expected below 4, the palette's colours, got 9"):
        maker.write_gif(path, [(np.full((3, 3), 9, np.uint8), palette)], 100)
    with pytest.raises(ValueError, match="delays_ms: expected 1, one a frame, got 2"):
        maker.write_gif(path, [(indices, palette)], [100, 100])
    with pytest.raises(ValueError, match=r"expected uint8 \(3, 3\), got uint8 \(4, 3\)"):
        maker.write_gif(path, [(indices, palette), (np.zeros((4, 3), np.uint8), palette)], 100)
    wide = np.zeros((1, 65_536), np.uint8)
    with pytest.raises(InputError, match="1 to 65535 pixels a side, got 65536x1"):
        maker.write_gif(path, [(wide, palette)], 100)
    assert list(tmp_path.iterdir()) == []


# make_gif.


def test_each_frame_gets_what_quantize_gives(tmp_path):
    frames = moving_square(5)
    options = {"num_colors": 3, "quantizer": "octree", "dither": "sierra2"}
    summary = maker.make_gif(iter(frames), tmp_path / "x.gif", rate=10, **options)
    assert_reads_back(
        tmp_path / "x.gif", [maker.quantize(frame, **options) for frame in frames], [100] * 5
    )
    assert summary == maker.GifSummary(36, 24, 5, Fraction(1, 2))


@pytest.mark.parametrize("num_colors", [4, 64])
@pytest.mark.parametrize("quantizer", maker.QUANTIZERS)
def test_one_palette_for_the_clip(num_colors, quantizer, tmp_path):
    frames = moving_square(9)
    path = tmp_path / "x.gif"
    maker.make_gif(
        iter(frames), path, rate=25, palette_scope="clip", num_colors=num_colors,
        quantizer=quantizer, dither="none",
    )  # fmt: skip
    gif = read_gif(path)
    palette = maker.make_palette(np.stack(frames), num_colors, quantizer)
    for got, frame in zip(gif.frames, frames, strict=True):
        assert not got.local_palette
        assert np.array_equal(got.palettes[0].colors, palette.colors)
        assert np.array_equal(got.indices, maker.apply_palette(frame, palette, "none"))
    if num_colors == 64:  # Ten colours over the clip: all kept.
        assert all(np.array_equal(got.rgb, f) for got, f in zip(gif.frames, frames, strict=True))


@hypothesis.given(
    count=st.integers(1, 60),
    rate=st.fractions(Fraction(1, 2), 120, max_denominator=1001),
    fps=st.none() | st.fractions(Fraction(1, 3), 50, max_denominator=100),
)
def test_frames_are_shown_when_the_source_shows_them(count, rate, fps, tmp_path_factory):
    frames = [np.full((1, 1, 3), number, np.uint8) for number in range(count)]
    out = io.BytesIO()
    summary = maker.make_gif(iter(frames), out, rate=rate, fps=fps)
    path = tmp_path_factory.mktemp("gif") / "x.gif"
    path.write_bytes(out.getvalue())
    gif = read_gif(path)
    shown_at = Fraction(0)
    used = min(rate, Fraction(50) if fps is None else fps)
    for number, frame in enumerate(gif.frames):
        # The exact time of this frame, its source, and the file's time to a hundredth.
        exact = number / used
        assert frame.rgb[0, 0, 0] == int(exact * rate)
        assert abs(shown_at - exact) <= Fraction(1, 200)
        assert frame.delay_ms >= 20
        shown_at += Fraction(frame.delay_ms, 1000)
    assert (len(gif.frames) / used) >= count / rate
    assert abs(shown_at - count / rate) <= Fraction(25, 1000)
    assert summary.duration == shown_at and summary.num_frames == len(gif.frames)


def test_width_keeps_the_proportions(tmp_path):
    frames = [np.asarray(Image.radial_gradient("L").convert("RGB"))[:101]] * 2
    summary = maker.make_gif(frames, tmp_path / "x.gif", rate=10, width=128)
    assert (summary.width, summary.height) == (128, 50)
    expected = np.asarray(Image.fromarray(frames[0]).resize((128, 50), Image.Resampling.LANCZOS))
    shown = read_gif(tmp_path / "x.gif").frames[0].rgb
    assert np.abs(shown.astype(int) - expected).mean() < 8
    tiny = maker.make_gif(frames, tmp_path / "tiny.gif", rate=10, width=1)
    assert (tiny.width, tiny.height) == (1, 1)


def test_frames_stream(tmp_path):
    """No frame is asked for before the one two earlier was let go."""
    living = []

    def frames():
        for number in range(20):
            assert sum(reference() is not None for reference in living) <= 3
            frame = np.full((8, 8, 3), number, np.uint8).view(Tracked)
            living.append(weakref.ref(frame))
            yield frame
            del frame

    for scope in ("frame", "clip"):
        living.clear()
        maker.make_gif(frames(), tmp_path / f"{scope}.gif", rate=10, palette_scope=scope)
        assert len(living) == 20


def test_a_sample_is_bounded_and_even():
    sample = PixelSample(max_pixels=1000)
    for number in range(50):
        sample.add(np.full((20, 30, 3), number * 5, np.uint8))
    kept = sample.picture.reshape(-1, 3)[:, 0]
    assert 300 < len(kept) <= 1000
    # Early and late frames have the same share, as far as chance goes.
    halves = [np.mean(kept < 125), np.mean(kept >= 125)]
    assert min(halves) > 0.4
    assert sample.distinct.shape == (50, 3)
    sample.add(np.random.default_rng(0).integers(0, 256, (50, 50, 3)).astype(np.uint8))
    assert sample.distinct is None


def test_nothing_is_left_after_an_error(tmp_path):
    def broken():
        yield from moving_square(3)
        raise OSError("the disk fell out")

    for scope in ("frame", "clip"):
        with pytest.raises(OSError, match="fell out"):
            maker.make_gif(broken(), tmp_path / "x.gif", rate=10, palette_scope=scope)
        with pytest.raises(InputError, match="no frames"):
            maker.make_gif([], tmp_path / "x.gif", rate=10, palette_scope=scope)
    unequal = [*moving_square(2), np.zeros((5, 5, 3), np.uint8)]
    with pytest.raises(ValueError, match=r"expected \(24, 36, 3\), got \(5, 5, 3\)"):
        maker.make_gif(unequal, tmp_path / "x.gif", rate=10)
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_replaced_only_when_asked(tmp_path):
    path = tmp_path / "x.gif"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="x.gif: exists"):
        maker.make_gif(moving_square(2), path, rate=10)
    assert path.read_bytes() == b"mine"
    maker.make_gif(moving_square(2), path, rate=10, overwrite=True)
    assert len(read_gif(path).frames) == 2
    with pytest.raises(InputError, match="nowhere/x.gif: can't write there"):
        maker.make_gif(moving_square(2), tmp_path / "nowhere" / "x.gif", rate=10)
    with pytest.raises(InputError, match="is a folder"):
        maker.make_gif(moving_square(2), tmp_path, rate=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 51}, "above 0 to 50 frames a second, got 51"),
        ({"fps": 0}, "above 0 to 50"),
        ({"rate": 0}, "positive number"),
        ({"width": 0}, "width of at least 1 pixel, got 0"),
        ({"num_colors": 300}, "2 to 256 colours, got 300"),
        ({"quantizer": "neu"}, "unknown quantizer 'neu'; available: minimum_variance"),
        ({"dither": "random"}, "unknown dither 'random'; available: none"),
    ],
)
def test_impossible_options_are_refused(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        maker.make_gif(moving_square(2), tmp_path / "x.gif", **{"rate": 10, **options})
