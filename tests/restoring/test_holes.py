"""Masks from pictures, folders and boxes."""

import numpy as np
import pytest
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.restoring.holes import box_mask, open_holes


def save(path, mask):
    Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(path)
    return path


def first(number, mask, boxes=(), **arguments):
    with open_holes(mask, boxes, **arguments) as masks:
        return [next(masks) for _ in range(number)]


def test_a_picture_serves_all_frames_and_boxes_are_added(tmp_path):
    drawn = np.zeros((6, 8), bool)
    drawn[1:3, 2:5] = True
    path = save(tmp_path / "mask.png", drawn)
    masks = first(3, path, [(6, 4, 9, 9)], width=8, height=6)
    drawn[4:, 6:] = True  # cut off at the frame's edge
    for mask in masks:
        np.testing.assert_array_equal(mask, drawn)


def test_a_folder_has_a_mask_for_each_frame(tmp_path):
    drawn = np.zeros((2, 4, 5), bool)
    drawn[0, 1, 1] = drawn[1, 3, 4] = True
    for number, mask in enumerate(drawn):
        save(tmp_path / f"{number}.png", mask)
    np.testing.assert_array_equal(first(2, tmp_path, width=5, height=4), drawn)
    with pytest.raises(InputError, match="the mask ends after 2 frames, expected one for each"):
        first(3, tmp_path, width=5, height=4)


def test_growing_reaches_so_many_pixels_in_all_directions():
    (mask,) = first(1, None, [(4, 4, 1, 1)], width=9, height=9, grow=2)
    expected = np.zeros((9, 9), bool)
    expected[2:7, 2:7] = True
    np.testing.assert_array_equal(mask, expected)


def test_masks_that_do_not_fit_are_named(tmp_path):
    path = save(tmp_path / "mask.png", np.ones((4, 4), bool))
    with pytest.raises(InputError, match="mask.png: the mask is 4x4, expected the video's 8x4"):
        first(1, path, width=8, height=4)
    with pytest.raises(InputError, match="black.png: marks no hole; pixels of 128 and above"):
        first(1, save(tmp_path / "black.png", np.zeros((4, 4), bool)), width=4, height=4)
    with pytest.raises(InputError, match="nowhere.png: no such file"):
        first(1, tmp_path / "nowhere.png", width=4, height=4)
    with pytest.raises(InputError, match="nothing to fill: give a mask or a box"):
        first(1, None, width=4, height=4)
    with pytest.raises(InputError, match="box 9,0,2,2: outside the video, expected X,Y,W,H within"):
        box_mask([(9, 0, 2, 2)], width=4, height=4)
