"""Flows and differences as pictures, for people to look at."""

import numpy as np
from jaxtyping import Float, UInt8


def flow_picture(
    flow: Float[np.ndarray, "h w 2"], longest: float | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Colours a flow: the hue is the direction, the paler the shorter; no motion is white.

    Right is red, down yellow-green, left cyan and up violet. `flow_wheel` draws the key.

    Args:
      flow: (dx, dy) in pixels.
      longest: length that gets the full colour, longer ones too; by default the flow's longest.

    Returns:
      RGB in [0, 255].
    """
    dx, dy = flow[..., 0].astype(np.float64), flow[..., 1].astype(np.float64)
    length = np.hypot(dx, dy)
    longest = float(length.max()) if longest is None else longest
    saturation = np.minimum(length / longest, 1.0) if longest > 0 else np.zeros_like(length)
    hue = np.mod(np.arctan2(dy, dx) / (2 * np.pi), 1.0) * 6
    # HSV to RGB at full value: each channel is a trapezoid over the hue.
    trapezoids = [np.clip(np.abs((hue - shift) % 6 - 3) - 1, 0, 1) for shift in (0, 2, 4)]
    pure = np.stack(trapezoids, axis=-1)
    return np.round(255 * (1 - saturation[..., None] * (1 - pure))).astype(np.uint8)


def flow_wheel(size: int = 64) -> UInt8[np.ndarray, "size size 3"]:
    """The key to `flow_picture`: at each place of a disc the colour of motion from its centre."""
    axis = np.linspace(-1, 1, size)
    dx, dy = np.meshgrid(axis, axis)
    picture = flow_picture(np.stack([dx, dy], axis=-1), longest=1.0)
    picture[np.hypot(dx, dy) > 1] = 255
    return picture


def error_picture(
    image: UInt8[np.ndarray, "h w 3"], truth: UInt8[np.ndarray, "h w 3"], largest: float = 64
) -> UInt8[np.ndarray, "h w"]:
    """The RGB distance of each pixel from the truth, in grey; white from `largest` levels on."""
    difference = image.astype(np.float64) - truth
    distance = np.sqrt(np.square(difference).sum(axis=-1))
    return np.round(255 * np.minimum(distance / largest, 1.0)).astype(np.uint8)
