"""Quantisers: from a picture to a palette of at most `num_colors` colours.

A quantiser sees pixels as a set, so that the same function makes a frame's palette and, given the
clip's frames below each other, a clip's. Minimum variance has a file of its own.
"""

from fractions import Fraction

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.gifs.dithers import nearest_indices
from gif2video_jax.gifs.minimum_variance import minimum_variance
from gif2video_jax.gifs.palette import Palette

_LLOYD_ITERATIONS = 8


def color_codes(pixels: UInt8[np.ndarray, "n 3"]) -> np.ndarray:
    """One int32 a pixel, 0xRRGGBB, to compare colours by."""
    wide = pixels.astype(np.int32)
    return wide[:, 0] << 16 | wide[:, 1] << 8 | wide[:, 2]


def distinct_colors(
    pixels: UInt8[np.ndarray, "n 3"], at_most: int
) -> UInt8[np.ndarray, "k 3"] | None:
    """The distinct colours in ascending (R, G, B) order, or None if more than `at_most`."""
    # A sparse look settles almost every photograph; only flat pictures pay for the full count.
    step = max(1, len(pixels) // (8 * at_most))
    codes = np.unique(color_codes(pixels[::step]))
    if len(codes) <= at_most and step > 1:
        codes = np.unique(color_codes(pixels))
    if len(codes) > at_most:
        return None
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.uint8)


def median_cut(picture: UInt8[np.ndarray, "h w 3"], num_colors: int) -> UInt8[np.ndarray, "k 3"]:
    """Pillow's median cut: cuts the fullest boxes at the median of their longest side."""
    return _pillow_quantize(picture, num_colors, Image.Quantize.MEDIANCUT)


def octree(picture: UInt8[np.ndarray, "h w 3"], num_colors: int) -> UInt8[np.ndarray, "k 3"]:
    """Pillow's fast octree: the fullest cells of a coarse grid of colours. Fast and rough."""
    return _pillow_quantize(picture, num_colors, Image.Quantize.FASTOCTREE)


def kmeans(picture: UInt8[np.ndarray, "h w 3"], num_colors: int) -> UInt8[np.ndarray, "k 3"]:
    """A few of Lloyd's iterations from the minimum variance palette.

    The pixels are grouped in cells of 4x4x4 colours, each of which counts as its mean.
    """
    pixels = picture.reshape(-1, 3)
    coarse = (pixels >> 2).astype(np.int32)
    cells = coarse[:, 0] << 12 | coarse[:, 1] << 6 | coarse[:, 2]
    counts = np.bincount(cells)
    sums = np.stack([np.bincount(cells, pixels[:, c]) for c in range(3)], axis=-1)
    counts, sums = counts[counts > 0], sums[counts > 0]
    means = np.rint(sums / counts[:, None]).astype(np.uint8)
    centers = minimum_variance(picture, num_colors)
    for _ in range(_LLOYD_ITERATIONS):
        palette = Palette.from_colors(centers)
        nearest = nearest_indices(means[None], palette)[0]
        weight = np.bincount(nearest, counts, minlength=len(centers))
        total = [np.bincount(nearest, sums[:, c], minlength=len(centers)) for c in range(3)]
        moved = np.rint(np.stack(total, axis=-1) / np.maximum(weight, 1)[:, None])
        moved = np.where(weight[:, None] > 0, moved, centers).astype(np.uint8)
        if np.array_equal(moved, centers):
            break
        centers = moved
    return centers


def palettegen(picture: UInt8[np.ndarray, "h w 3"], num_colors: int) -> UInt8[np.ndarray, "k 3"]:
    """The palette of ffmpeg's filter of that name, through PyAV, without a transparent entry.

    It cuts the box with the largest variance at its weighted median. ffmpeg before version 6
    measures in RGB, later ones (PyAV's) in Oklab.
    """
    import av  # Only here and in paletteuse: the other quantisers work where PyAV is missing.

    height, width, _ = picture.shape
    time_base = Fraction(1, 25)
    graph = av.filter.Graph()
    rgb = av.VideoFormat("rgb24")
    source = graph.add_buffer(width=width, height=height, format=rgb, time_base=time_base)
    convert = graph.add("format", "rgb32")
    generate = graph.add("palettegen", f"max_colors={num_colors}:reserve_transparent=0")
    source.link_to(convert)
    convert.link_to(generate)
    generate.link_to(graph.add("buffersink"))
    graph.configure()
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame.pts, frame.time_base = 0, time_base
    source.push(frame)
    source.push(None)
    # 256 entries; those beyond `num_colors` repeat the last.
    return graph.vpull().to_ndarray(format="bgra").reshape(-1, 4)[:num_colors, 2::-1]


def _pillow_quantize(picture, num_colors, method):
    image = Image.fromarray(np.ascontiguousarray(picture))
    table = image.quantize(num_colors, method=method).getpalette("RGB") or []
    return np.asarray(table, np.uint8).reshape(-1, 3)[:num_colors]
