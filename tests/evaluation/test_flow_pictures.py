"""Flow colours against the standard library's HSV, errors against NumPy's norm."""

import colorsys
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gif2video_jax.evaluation.flow_pictures import error_picture, flow_picture, flow_wheel


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_hue_is_direction_and_saturation_length(dx, dy):
    found = flow_picture(np.full((1, 1, 2), (dx, dy), np.float64), longest=10.0)[0, 0]
    hue = math.atan2(dy, dx) / (2 * math.pi) % 1
    expected = colorsys.hsv_to_rgb(hue, min(1, math.hypot(dx, dy) / 10), 1)
    assert found == pytest.approx(np.array(expected) * 255, abs=0.51)


def test_the_longest_flow_sets_the_scale_and_no_motion_is_white():
    flow = np.array([[[0, 0], [4, 0], [2, 0]]], np.float32)
    assert flow_picture(flow).tolist() == [[[255, 255, 255], [255, 0, 0], [255, 128, 128]]]
    assert (flow_picture(np.zeros((2, 3, 2), np.float32)) == 255).all()


def test_the_wheel_shows_each_direction_at_its_place():
    wheel = flow_wheel(65)
    assert wheel[32, 32].tolist() == [255, 255, 255]  # its middle
    assert wheel[32, 64].tolist() == [255, 0, 0]  # right
    assert wheel[32, 0].tolist() == [0, 255, 255]  # left
    assert wheel[0, 0].tolist() == [255, 255, 255]  # beyond the disc


def test_errors_are_distances_in_grey():
    truth = np.zeros((1, 3, 3), np.uint8)
    image = np.array([[[0, 0, 0], [24, 32, 0], [200, 0, 0]]], np.uint8)
    assert error_picture(image, truth, largest=80).tolist() == [[0, round(255 * 40 / 80), 255]]
