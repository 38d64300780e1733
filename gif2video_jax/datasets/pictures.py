"""Loads stills as RGB at a wanted size."""

import os
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageColor, ImageOps

from gif2video_jax.errors import InputError

# Wallpapers of 5640x3172 are welcome, Pillow's warning starts at half of this.
MAX_PIXELS = 200_000_000


def load_still(
    path: str | os.PathLike,
    *,
    max_side: int | None = None,
    background: tuple[str, ...] = (),
) -> Image.Image:
    """Loads a still as RGB, turned as its EXIF says, its longer side at most `max_side`.

    Args:
      path: a file that Pillow reads.
      max_side: in pixels; larger pictures are made smaller (Lanczos), smaller ones stay.
      background: ("vertical" or "horizontal", first colour, last colour) is the gradient that
        transparent pixels show; grey if empty.

    Raises:
      InputError: if it can't be read, or has more than 200 million pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                if file.width * file.height > MAX_PIXELS:
                    raise InputError(
                        f"{path}: {file.width}x{file.height} pixels, expected at most {MAX_PIXELS}"
                    )
                if max_side is not None:
                    file.draft("RGB", (2 * max_side, 2 * max_side))
                image = ImageOps.exif_transpose(file)
                image = _opaque(image, background)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a picture that can be read ({error})") from None
    return fit(image, max_side)


def fit(image: Image.Image, max_side: int | None) -> Image.Image:
    """Makes an image smaller until its longer side is at most `max_side`, never larger."""
    if max_side is None or max(image.size) <= max_side:
        return image
    scale = max_side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def gradient(
    size: tuple[int, int], direction: str, first: str, last: str
) -> UInt8[np.ndarray, "h w 3"]:
    """A gradient between two colours, as desktops draw one under a transparent wallpaper."""
    width, height = size
    ends = np.array([ImageColor.getrgb(first)[:3], ImageColor.getrgb(last)[:3]], np.float32)
    length = height if direction == "vertical" else width
    share = np.linspace(0, 1, length, dtype=np.float32)[:, None]
    line = np.round(ends[0] * (1 - share) + ends[1] * share).astype(np.uint8)
    line = line[:, None] if direction == "vertical" else line[None]
    return np.ascontiguousarray(np.broadcast_to(line, (height, width, 3)))


def _opaque(image: Image.Image, background: tuple[str, ...]) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    colors = background or ("vertical", "#808080", "#808080")
    under = Image.fromarray(gradient(image.size, *colors)).convert("RGBA")
    return Image.alpha_composite(under, image.convert("RGBA")).convert("RGB")
