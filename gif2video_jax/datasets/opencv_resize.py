"""OpenCV's bilinear resizing of 8-bit images, in NumPy.

The authors' frames were resized with it, and it is no filter that other libraries have: two taps
an axis at half-pixel centres whatever the scale, and weights in steps of 1/2048.
"""

import numpy as np
from jaxtyping import Int, UInt8

_SCALE = 2048  # OpenCV's INTER_RESIZE_COEF_SCALE


def resize_bilinear(
    image: UInt8[np.ndarray, "h w c"], height: int, width: int
) -> UInt8[np.ndarray, "{height} {width} c"]:
    """Resizes as `cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)` does.

    Raises:
      ValueError: if a size is not positive.
    """
    if min(image.shape[0], image.shape[1], height, width) < 1:
        raise ValueError(f"size: expected positive sizes, got {image.shape} to {height}x{width}")
    if image.shape[:2] == (2 * height, 2 * width):
        return _halve(image)
    left, right, weight_left, weight_right = _taps(image.shape[1], width, zero_outside=True)
    top, bottom, weight_top, weight_bottom = _taps(image.shape[0], height, zero_outside=False)
    needed, where = np.unique(np.concatenate([top, bottom]), return_inverse=True)
    rows = image[needed].astype(np.int32)
    across = rows[:, left] * weight_left[:, None] + rows[:, right] * weight_right[:, None]
    across >>= 4
    upper = across[where[:height]] * weight_top[:, None, None] >> 16
    lower = across[where[height:]] * weight_bottom[:, None, None] >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _halve(image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h2 w2 c"]:
    """Means of 2x2 pixels, which OpenCV takes for an exact half."""
    wide = image.astype(np.uint16)
    total = wide[::2, ::2] + wide[::2, 1::2] + wide[1::2, ::2] + wide[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)


def _taps(
    old: int, new: int, *, zero_outside: bool
) -> tuple[
    Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]
]:
    """First and second tap of each output sample, and their weights.

    Beyond the border both taps are the border's sample. OpenCV then gives the first all the weight
    across (`zero_outside`), but splits it between equal rows, which rounds differently.
    """
    position = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    share = position - first
    if zero_outside:
        share[(first < 0) | (first >= old - 1)] = 0
    second = np.clip(first + 1, 0, old - 1)
    first = np.clip(first, 0, old - 1)
    weight_second = np.rint(share * np.float32(_SCALE)).astype(np.int32)
    weight_first = np.rint((np.float32(1) - share) * np.float32(_SCALE)).astype(np.int32)
    return first, second, weight_first, weight_second
