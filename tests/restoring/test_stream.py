"""Which pictures come out, in which order, at which time; the tiny model blends, so that the
arithmetic of each frame is known."""

import threading
from fractions import Fraction

import numpy as np
import pytest

from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.gifs.scenes import CutDetector
from gif2video_jax.gifs.timeline import Timeline
from gif2video_jax.pretrained import load_model
from gif2video_jax.restoring.dequantize import Dequantizer
from gif2video_jax.restoring.interpolate import Interpolator
from gif2video_jax.restoring.stream import FrameStream
from tests import gif_builder

RAMP = [(value, value, value) for value in range(0, 256, 4)]


@pytest.fixture(scope="module")
def model(tiny_model):
    return load_model(tiny_model)


@pytest.fixture(scope="module")
def interpolator(model):
    return Interpolator(model.interpolator)


def flat(level, **settings):
    """An image of one shade, `4 * level`."""
    return gif_builder.Image(np.full((6, 5), level), **settings)


def make(images, **settings):
    return read_gif(gif_builder.build(images, palette=RAMP, **settings))


def stream(gif, interpolator, *, threshold=1.0, dequantizer=None, timeline=None, **options):
    keys = ("rate", "multiplier", "loop", "start", "end")
    timing = {key: options.pop(key) for key in keys if key in options}
    delays = [frame.delay_ms for frame in gif.frames]
    result = FrameStream(
        gif.frames,
        timeline or Timeline(delays, **timing),
        dequantizer=dequantizer,
        interpolator=interpolator,
        cut_detector=CutDetector(threshold),
        background=options.pop("background", (255, 255, 255)),
        alpha=options.pop("alpha", False),
    )
    return result, [np.array(frame) for frame in result]


def levels(frames):
    """The shade of each frame, which must be one throughout."""
    assert all((frame == frame[0, 0, 0]).all() for frame in frames)
    return [int(frame[0, 0, 0]) for frame in frames]


def near(found, expected):
    assert len(found) == len(expected)
    assert np.abs(np.array(found) - np.array(expected)).max() <= 1, f"{found} {expected}"


def test_frames_move_evenly_at_twice_the_rate(interpolator):
    gif = make([flat(0), flat(10), flat(30)])
    _, frames = stream(gif, interpolator, multiplier=2)
    near(levels(frames), [0, 20, 40, 80, 120, 120])


def test_a_loop_moves_from_the_last_frame_to_the_first(interpolator):
    gif = make([flat(0), flat(10), flat(30)])
    _, frames = stream(gif, interpolator, multiplier=2, loop=True)
    near(levels(frames), [0, 20, 40, 80, 120, 60])


def test_frames_are_sampled_at_exact_times(interpolator):
    """The oracle is a straight line through (time, shade), 24 frames a second of 10."""
    gif = make([flat(0), flat(10), flat(20), flat(30)])
    _, frames = stream(gif, interpolator, rate=Fraction(24))
    times = np.arange(10) / 24
    near(levels(frames), np.minimum(times * 400, 120))


def test_uneven_delays_are_followed(interpolator):
    gif = make([flat(0, delay=10), flat(10, delay=20), flat(30, delay=10)])
    _, frames = stream(gif, interpolator, rate=20)
    near(levels(frames), [0, 20, 40, 60, 80, 100, 120, 120])


def test_a_pause_is_held_and_moves_only_at_its_end(interpolator):
    gif = make([flat(0), flat(10, delay=50), flat(30), flat(40)])
    _, frames = stream(gif, interpolator, rate=20)
    near(levels(frames), [0, 20, *[40] * 9, 80, 120, 140, 160, 160])


def test_nothing_is_morphed_across_a_cut(interpolator):
    rng = np.random.default_rng(0)
    pictures = [np.kron(rng.integers(0, 64, (4, 4)), np.ones((8, 8), int)) for _ in range(2)]
    gif = make([gif_builder.Image(pictures[0]), gif_builder.Image(pictures[1])])
    result, frames = stream(gif, interpolator, multiplier=2, threshold=0.0)
    assert result.num_cuts == 1
    for frame, shown in zip(frames, [0, 0, 1, 1], strict=True):
        np.testing.assert_array_equal(frame, gif.frames[shown].rgb)
    result, frames = stream(gif, interpolator, multiplier=2, threshold=1.0)
    assert result.num_cuts == 0
    assert (frames[1] != frames[0]).any()


def test_a_cut_in_a_loop_is_respected(interpolator):
    gif = make([flat(0), flat(10)])
    result, frames = stream(gif, interpolator, multiplier=2, loop=True, threshold=0.0)
    assert result.num_cuts == 2
    assert levels(frames) == [0, 0, 40, 40]


def test_without_an_interpolator_each_frame_is_held():
    gif = make([flat(0), flat(10, delay=30), flat(30)])
    _, frames = stream(gif, None, rate=20)
    assert levels(frames) == [0, 0, *[40] * 6, 120, 120]


@pytest.mark.parametrize("loop", [False, True])
def test_one_frame_is_held(interpolator, loop):
    _, frames = stream(make([flat(7)]), interpolator, rate=20, loop=loop)
    assert levels(frames) == [28, 28]


def test_equal_frames_stay_exactly_equal(interpolator):
    gif = make([flat(7), flat(7), flat(7)])
    _, frames = stream(gif, interpolator, multiplier=4, loop=True, threshold=0.0)
    assert levels(frames) == [28] * 12


def test_a_part_of_the_time_line(interpolator):
    gif = make([flat(0), flat(10), flat(20), flat(30)])
    _, frames = stream(gif, interpolator, rate=20, start=Fraction(1, 10), end=Fraction(1, 4))
    near(levels(frames), [40, 60, 80])


def test_missing_frames_at_the_end_are_filled_by_the_last(interpolator):
    gif = make([flat(0), flat(10)])
    _, frames = stream(
        gif, interpolator, timeline=Timeline([100, 100, 100, 100], multiplier=2, loop=True)
    )
    near(levels(frames), [0, 20, 40, 40, 40, 40, 40, 40])


def test_each_frame_is_dequantized_once_and_in_order(model, interpolator):
    gif = make([flat(0), flat(10), flat(30)])
    seen = []

    class Counting(Dequantizer):
        def __call__(self, frame, rgb=None):
            seen.append(int(frame.rgb[0, 0, 0]))
            return super().__call__(frame, rgb)

    counting = Counting(model.dequantizer)
    _, frames = stream(gif, interpolator, dequantizer=counting, multiplier=4, loop=True)
    assert seen == [0, 40, 120]
    assert len(frames) == 12


def test_transparent_pixels_show_the_background_or_carry_alpha(model, interpolator):
    image = gif_builder.Image([[0, 5], [5, 9]], transparent=5)
    gif = make([image])
    for dequantizer in (None, Dequantizer(model.dequantizer)):
        _, frames = stream(gif, None, dequantizer=dequantizer, background=(1, 2, 3))
        assert frames[0].tolist() == [[[0] * 3, [1, 2, 3]], [[1, 2, 3], [36] * 3]]
        _, frames = stream(gif, None, dequantizer=dequantizer, alpha=True)
        assert frames[0][..., 3].tolist() == [[255, 0], [0, 255]]
        assert frames[0][1, 1].tolist() == [36, 36, 36, 255]


def test_opaque_frames_among_transparent_ones_are_opaque(interpolator):
    gif = make([gif_builder.Image([[0, 5]], transparent=5), gif_builder.Image([[9, 9]])])
    _, frames = stream(gif, interpolator, alpha=True, multiplier=2)
    assert [frame[0, 1, 3] for frame in frames][::2] == [0, 255]
    assert abs(int(frames[1][0, 1, 3]) - 127) <= 1


class Slow:
    """A dequantiser that notes which frames it got, and by which threads."""

    def __init__(self, fails_at=None):
        self.seen = []
        self.threads = set()
        self._fails_at = fails_at

    def __call__(self, frame, rgb=None):
        if self._fails_at == len(self.seen):
            raise ValueError("no such luck")
        self.seen.append(int(rgb[0, 0, 0]))
        self.threads.add(threading.current_thread().name)
        return rgb

    def mender(self, frame):
        return None


def test_each_frame_is_cleaned_once_in_order_by_the_second_thread(
    interpolator, without_shape_checks
):
    gif = make([flat(level) for level in (0, 10, 20, 30, 40)])
    cleaner = Slow()
    _, frames = stream(gif, interpolator, multiplier=2, dequantizer=cleaner)
    near(levels(frames)[::2], [0, 40, 80, 120, 160])
    assert cleaner.seen == [0, 40, 80, 120, 160]
    assert all(name.startswith("dequantize") for name in cleaner.threads)


def test_frames_that_nobody_needs_are_not_cleaned(interpolator, without_shape_checks):
    gif = make([flat(level) for level in range(0, 60, 6)])
    cleaner = Slow()
    start = Fraction(4, 10)
    stream(gif, interpolator, multiplier=2, dequantizer=cleaner, start=start, end=start * 3 / 2)
    # Shown are frames 4 and 5; 6 is what 5 moves to, 3 may be read ahead.
    assert set(cleaner.seen) <= {24 * i for i in (3, 4, 5, 6)} and 24 * 4 in cleaner.seen


def test_an_error_of_the_second_thread_arrives(interpolator, without_shape_checks):
    gif = make([flat(level) for level in (0, 10, 20, 30)])
    with pytest.raises(ValueError, match="no such luck"):
        stream(gif, interpolator, multiplier=2, dequantizer=Slow(fails_at=2))
    assert not any(thread.name.startswith("dequantize") for thread in threading.enumerate())
