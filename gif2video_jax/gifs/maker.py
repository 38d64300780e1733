"""Makes GIFs: frames -> palettes and indices -> a file.

    frames --make_palette--> Palette --apply_palette--> indices --write_gif--> file

`quantize` does the first two for one image. Nothing here needs JAX, so that workers that only
build data don't load it; PyAV is needed for `palettegen` and ffmpeg's error diffusions alone.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.gifs import dithers, quantizers
from gif2video_jax.gifs.palette import MAX_COLORS, Palette
from gif2video_jax.gifs.writer import GifWriter, write_gif

__all__ = [
    "DITHERS",
    "QUANTIZERS",
    "GifWriter",
    "apply_palette",
    "make_palette",
    "quantize",
    "write_gif",
]

_QUANTIZERS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "median_cut": quantizers.median_cut,
    "octree": quantizers.octree,
    "palettegen": quantizers.palettegen,
}
_BAYER = tuple(f"bayer{scale}" for scale in range(6))
_PALETTEUSE = ("sierra2", "sierra2_4a", "sierra3", "burkes", "atkinson", "heckbert")

QUANTIZERS = tuple(_QUANTIZERS)
DITHERS = ("none", "floyd_steinberg", *_BAYER, *_PALETTEUSE)


def make_palette(
    images: UInt8[np.ndarray, "n h w 3"], num_colors: int = 32, quantizer: str = "median_cut"
) -> Palette:
    """Chooses at most `num_colors` colours for the pixels of all images together.

    Args:
      images: RGB in [0, 255]; one (h, w, 3) image is taken as a stack of one.
      num_colors: 2 to 256.
      quantizer: one of `QUANTIZERS`.

    Raises:
      InputError: for a name that doesn't exist or a number of colours that can't be had.
      ValueError: for arrays of another shape or type.
    """
    images = np.asarray(images)
    images = images[None] if images.ndim == 3 else images
    _check_image(images, ndim=4)
    if not 2 <= num_colors <= MAX_COLORS:
        raise InputError(f"a GIF has 2 to {MAX_COLORS} colours, got {num_colors}")
    if quantizer not in _QUANTIZERS:
        raise InputError(f"unknown quantizer {quantizer!r}; available: {', '.join(QUANTIZERS)}")
    colors = quantizers.distinct_colors(images, at_most=num_colors)
    if colors is None:
        colors = _QUANTIZERS[quantizer](images, num_colors)
    return Palette.from_colors(colors)


def apply_palette(
    image: UInt8[np.ndarray, "h w 3"], palette: Palette, dither: str = "floyd_steinberg"
) -> UInt8[np.ndarray, "h w"]:
    """Maps each pixel to an index below `palette.num_colors`.

    Args:
      image: RGB in [0, 255].
      palette: the colours to map to.
      dither: one of `DITHERS`; `none` is the paper's f_C.

    Raises:
      InputError: for a name that doesn't exist.
      ValueError: for an array of another shape or type.
    """
    image = np.asarray(image)
    _check_image(image, ndim=3)
    if dither == "none":
        return dithers.nearest_indices(image, palette)
    if dither == "floyd_steinberg":
        return dithers.floyd_steinberg(image, palette)
    if dither in _BAYER:
        return dithers.bayer(image, palette, int(dither.removeprefix("bayer")))
    if dither in _PALETTEUSE:
        return dithers.paletteuse(image, palette, dither)
    raise InputError(f"unknown dither {dither!r}; available: {', '.join(DITHERS)}")


def quantize(
    image: UInt8[np.ndarray, "h w 3"],
    num_colors: int = 32,
    quantizer: str = "median_cut",
    dither: str = "floyd_steinberg",
) -> tuple[UInt8[np.ndarray, "h w"], Palette]:
    """Makes one image's palette and maps it; `palette.colors[indices]` is the GIF's frame."""
    palette = make_palette(np.asarray(image)[None], num_colors, quantizer)
    return apply_palette(image, palette, dither), palette


def _check_image(image: np.ndarray, ndim: int) -> None:
    names = "(n, h, w, 3)" if ndim == 4 else "(h, w, 3)"
    if image.ndim != ndim or image.shape[-1] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"expected uint8 {names}, got {image.dtype} {image.shape}")
