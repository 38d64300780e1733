"""Options are checked before any work begins."""

from fractions import Fraction

import pytest

from gif2video_jax import media
from gif2video_jax.restoring import options as module
from gif2video_jax.restoring.options import RestoreOptions


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fps": Fraction(0)}, "fps: expected above 0 and at most 1000, got 0"),
        ({"fps": Fraction(1001)}, "at most 1000, got 1001"),
        ({"multiplier": Fraction(-1)}, "multiplier: expected above 0"),
        ({"fps": Fraction(1), "multiplier": Fraction(1)}, "got both"),
        ({"start": Fraction(-1)}, "start: expected 0 s or later, got -1 s"),
        ({"start": Fraction(1), "end": Fraction(1)}, "after the start at 1 s, got 1 s"),
        ({"dequantize": "yes"}, "dequantize: expected one of auto, on, off, got 'yes'"),
        ({"loop": "yes"}, "loop: expected one of auto, on, off, got 'yes'"),
        ({"format": "avi"}, "format: expected one of mp4, .*, got 'avi'"),
        ({"background": (0, 0, 256)}, "three values from 0 to 255"),
        ({"scene_threshold": 1.5}, "scene_threshold: expected 0 to 1, got 1.5"),
        ({"strength": -0.1}, "strength: expected 0 to 1, got -0.1"),
        ({"strength": float("nan")}, "strength: expected 0 to 1, got nan"),
        ({"tile": 0}, "tile: expected a multiple of 16 above 0, got 0"),
        ({"tile": 100}, "tile: expected a multiple of 16 above 0, got 100"),
        ({"crf": -1}, "crf: expected 0 to 100, got -1"),
        ({"crf": 10, "lossless": True}, "crf and lossless: expected one, got both"),
        ({"max_pixels": 0}, "max_pixels: expected above 0, got 0"),
    ],
)
def test_impossible_choices_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        RestoreOptions(**values)


def test_the_defaults_are_possible():
    assert RestoreOptions().dequantize == "auto"


def test_formats_are_those_that_can_be_written():
    written = {name for name in media.FORMATS if name != "folder"}
    assert set(module.FORMATS) == written
    assert max(one.max_crf or 0 for one in media.FORMATS.values()) == module.MAX_CRF
