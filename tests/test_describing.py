"""What `info` tells, on GIFs built byte by byte."""

import json

import numpy as np
import pytest

from gif2video_jax.describing import describe_gif
from gif2video_jax.errors import InputError
from tests import gif_builder
from tests.gif_builder import Image


def describe(images, **options):
    return describe_gif(gif_builder.build(images, **options))


def flat(value, size=(4, 6)):
    return np.full(size, value).tolist()


def test_durations_are_the_files_and_the_browsers():
    found = describe([Image(flat(0), delay=0), Image(flat(1), delay=1), Image(flat(2), delay=5)])
    assert found.delays_ms == [0, 10, 50]
    assert found.raw_duration == pytest.approx(0.06)
    assert found.duration == pytest.approx(0.25)
    assert found.native_rate == pytest.approx(10)
    assert found.default_rate == pytest.approx(30)
    assert "0.25 s (the file says 0.06 s" in str(found)


@pytest.mark.parametrize(
    ("before", "count", "text"),
    [((), None, "plays once"), ((gif_builder.loop(0),), 0, "for ever"),
     ((gif_builder.loop(3),), 3, "repeats 3 times")],
)
def test_loops_are_said_in_words(before, count, text):
    found = describe([Image(flat(0))], before=before)
    assert found.loop_count == count
    assert text in str(found)


def test_how_frames_are_stored_is_counted():
    found = describe(
        [
            Image(flat(0), disposal=1),
            Image([[1, 2]], left=2, top=1, disposal=2, palette=gif_builder.COLORS),
            Image(flat(3), disposal=1, interlaced=True),
        ],
        before=[gif_builder.comment(b"made\nby hand")],
    )
    assert (found.width, found.height, found.num_frames) == (6, 4, 3)
    assert found.disposals == {1: 2, 2: 1}
    assert (found.num_partial, found.num_interlaced, found.num_local_palettes) == (1, 1, 1)
    assert found.palette_sizes == [4, 4, 4]
    assert found.max_colors == 3
    text = str(found)
    assert "3 (1 partial, 1 interlaced, disposal 2 x 1, 1 x 2)" in text
    assert "comment      made by hand" in text
    assert len(text.splitlines()) == 12


def test_transparency_is_told():
    assert describe([Image([[0, 1]], transparent=1)]).transparent
    assert not describe([Image([[0, 1]])]).transparent


def test_cuts_are_numbered_by_the_frame_they_begin():
    rng = np.random.default_rng(0)
    dark, light = rng.integers(0, 2, (40, 40)), rng.integers(2, 4, (40, 40))
    palette = [(0, 0, 60), (10, 0, 80), (200, 250, 90), (255, 255, 255)]
    images = [Image(picture.tolist()) for picture in (dark, dark, light, light, dark)]
    found = describe(images, palette=palette)
    assert found.cuts == [2, 4]
    assert "before frame 2, before frame 4" in str(found)


def test_json_holds_plain_values():
    found = describe([Image(np.random.default_rng(0).integers(0, 4, (40, 40)).tolist())] * 3)
    facts = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert facts["num_frames"] == 3
    assert isinstance(facts["dequantize"], bool)
    assert facts["dithering"] in ("none", "error diffusion", "ordered")


def test_a_broken_tail_is_reported_beside_what_was_read():
    whole = gif_builder.build([Image(flat(0)), Image(flat(1))])
    found = describe_gif(whole[:-6])
    assert found.num_frames >= 1
    assert found.problems
    assert "problem" in str(found)


def test_what_is_no_gif_is_bad_input():
    with pytest.raises(InputError):
        describe_gif(b"not a GIF")
