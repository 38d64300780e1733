"""What is to be filled: masks from pictures, videos, folders and boxes.

White (128 and above) is a hole. A still mask serves all frames; a mask that moves has a frame for
each of the video's.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageFilter

from gif2video_jax.counting import counted
from gif2video_jax.errors import InputError
from gif2video_jax.media import open_video

Mask = Bool[np.ndarray, "h w"]
HoleBox = tuple[int, int, int, int]
"""A rectangle: left, top, width, height, in pixels."""

_HALF = 128


@contextlib.contextmanager
def open_holes(
    mask: str | os.PathLike | None,
    boxes: Sequence[HoleBox],
    *,
    width: int,
    height: int,
    grow: int = 0,
) -> Iterator[Iterator[Mask]]:
    """Opens the masks of a video: an iterator that gives one for each frame, for ever if still.

    Args:
      mask: a picture, video, GIF or folder of pictures; None for boxes alone.
      boxes: rectangles, holes in all frames.
      width: of the video, pixels.
      height: of the video, pixels.
      grow: how many pixels holes are made larger on all sides.

    Raises:
      InputError: the mask cannot be read, is of another size, ends early, or marks no hole; a box
        lies outside the video.
    """
    fixed = box_mask(boxes, width=width, height=height)
    if mask is None:
        if not fixed.any():
            raise InputError("nothing to fill: give a mask or a box")
        yield _forever(_grown(fixed, grow))
        return
    with open_video(mask) as reader:
        if (reader.width, reader.height) != (width, height):
            raise InputError(
                f"{reader.name}: the mask is {reader.width}x{reader.height}, expected the "
                f"video's {width}x{height}"
            )
        if reader.num_frames == 1:
            still = _grown(fixed | _holes_of(next(reader)), grow)
            if not still.any():
                raise InputError(
                    f"{reader.name}: marks no hole; pixels of {_HALF} and above (white) are holes"
                )
            yield _forever(still)
        else:
            yield _moving(reader, fixed, grow)


def box_mask(boxes: Sequence[HoleBox], *, width: int, height: int) -> Bool[np.ndarray, "h w"]:
    """A mask that is True in rectangles; parts outside the frame are left out.

    Raises:
      InputError: a box is empty or lies wholly outside.
    """
    mask = np.zeros((height, width), bool)
    for left, top, box_width, box_height in boxes:
        part = mask[max(0, top) : max(0, top + box_height), max(0, left) : max(0, left + box_width)]
        if not part.size:
            raise InputError(
                f"box {left},{top},{box_width},{box_height}: outside the video, expected "
                f"X,Y,W,H within {width}x{height}"
            )
        part[:] = True
    return mask


def _holes_of(picture) -> Mask:
    """True where a picture is bright."""
    return np.asarray(Image.fromarray(picture).convert("L")) >= _HALF


def _moving(reader, fixed: Mask, grow: int) -> Iterator[Mask]:
    count = 0
    for picture in reader:
        count += 1
        yield _grown(fixed | _holes_of(picture), grow)
    raise InputError(
        f"{reader.name}: the mask ends after {counted(count, 'frame')}, "
        "expected one for each frame of the video, or a still picture"
    )


def _forever(mask: Mask) -> Iterator[Mask]:
    while True:
        yield mask


def _grown(mask: Mask, grow: int) -> Mask:
    """The mask and all pixels at most `grow` pixels beside it, diagonally too."""
    if not grow:
        return mask
    image = Image.fromarray(mask.astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.MaxFilter(2 * grow + 1))) > 0
