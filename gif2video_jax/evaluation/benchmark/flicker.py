"""How much areas flicker that do not move in truth.

Dithering and palettes that differ from frame to frame make still areas of a GIF flicker. What is
measured is the standard deviation over time, in levels of 255, of pixels that stand still: if a
pixel's noise is independent from frame to frame, a change from one frame to the next has the
variance of two of them.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

Picture = UInt8[np.ndarray, "h w 3"]

STILL_CHANGE = 2  # levels that a still pixel may change by in truth: a video's coding noise
_MARGIN = 3  # pixels around one that moves that do not count either


@dataclasses.dataclass(frozen=True)
class Flicker:
    """The flicker of a clip's still areas.

    Attributes:
      level: standard deviation over time, in levels of 255; nan if nothing stands still.
      share: of pixels and pairs of frames that stand still, 0 to 1.
    """

    level: float
    share: float


def still_parts(truth: Sequence[Picture]) -> list[Bool[np.ndarray, "h w"]]:
    """Where each frame but the first equals the one before in truth, some way around too."""
    return [still_between(first, second) for first, second in zip(truth, truth[1:], strict=False)]


def still_between(first: Picture, second: Picture) -> Bool[np.ndarray, "h w"]:
    """Where nothing moves from one true frame to another."""
    change = np.abs(first.astype(np.int16) - second).max(axis=-1)
    around = np.ones((2 * _MARGIN + 1, 2 * _MARGIN + 1), bool)
    return ~ndimage.binary_dilation(change > STILL_CHANGE, around)


def flicker(frames: Sequence[Picture], still: Sequence[Bool[np.ndarray, "h w"]]) -> Flicker:
    """Measures a clip.

    Args:
      frames: of the GIF, or of what it became.
      still: from `still_parts` of the truth.

    Raises:
      ValueError: there are not as many frames as in the truth.
    """
    if len(frames) != len(still) + 1:
        raise ValueError(f"frames: expected {len(still) + 1}, got {len(frames)}")
    total, count, pixels = 0.0, 0, 0
    for first, second, mask in zip(frames, frames[1:], still, strict=False):
        change = second[mask].astype(np.int32) - first[mask]
        total += float(np.square(change).sum())
        count += change.size
        pixels += mask.size
    level = float(np.sqrt(total / count / 2)) if count else float("nan")
    return Flicker(level, count / 3 / pixels if pixels else 0.0)


def still_scene(ground: Picture, foreground: Picture, num_frames: int) -> list[Picture]:
    """A picture that stands still, and a patch of another that moves across it.

    The patch changes the palette of each frame, which makes the rest of a GIF flicker.

    Args:
      ground: what stands still.
      foreground: its middle, a third of the ground's sides, is what moves from left to right.
      num_frames: how many.
    """
    height, width = ground.shape[:2]
    tall, wide = (
        min(max(1, side // 3), other)
        for side, other in zip((height, width), foreground.shape[:2], strict=True)
    )
    top, left = ((o - s) // 2 for o, s in zip(foreground.shape[:2], (tall, wide), strict=True))
    patch = foreground[top : top + tall, left : left + wide]
    frames = []
    for index in range(num_frames):
        frame = ground.copy()
        x = index * (width - wide) // max(1, num_frames - 1)
        frame[(height - tall) // 2 :][:tall, x : x + wide] = patch
        frames.append(frame)
    return frames
